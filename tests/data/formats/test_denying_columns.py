"""Columns that deny the labels of some rows: of one row per image, and words that are no denial."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_by_image, labels_in_order, messages, read_columns, read_table

CAT_DOG = "cat dog cat cat dog"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("certainty", "sure unsure sure sure unsure"), ("status", "labeled unsure labeled labeled unsure"),
        ("status", "done skipped done done skipped"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("label", ["label", "labels"])
def test_rows_without_a_decision_are_told_with_what_keeps_them(
    tmp_path: Path, name: str, values: str, label: str
) -> None:
    columns = {label: CAT_DOG, name: values}
    source = read_columns(tmp_path, columns)
    assert labels_by_image(source) == {"1.jpg": {"cat"}, "3.jpg": {"cat"}, "4.jpg": {"cat"}}
    word = values.split(" ")[1]
    assert f"2 rows of t.csv have {word!r} in {name!r} and were left out; remove the column to keep them (line 3" in (
        messages(source)
    )
    assert "that were not used" not in messages(source)
    del columns[name]
    assert len(labels_by_image(read_columns(tmp_path, columns))) == 5


def test_what_was_rejected_is_left_out_like_what_was_ignored(tmp_path: Path) -> None:
    source = read_columns(tmp_path, {"label": CAT_DOG, "accept": "accept reject ignore accept accept"})
    assert labels_by_image(source) == {"1.jpg": {"cat"}, "4.jpg": {"cat"}, "5.jpg": {"dog"}}
    assert "1 rows of t.csv have 'reject' in 'accept' and were left out; remove the column" in messages(source)
    assert "1 rows of t.csv have 'ignore' in 'accept' and were left out; remove the column" in messages(source)


@pytest.mark.parametrize("name", ["present", "answer"])
def test_labels_that_are_absent_are_told_with_what_keeps_them(tmp_path: Path, name: str) -> None:
    columns = {"label": CAT_DOG, name: "yes no yes yes no"}
    source = read_columns(tmp_path, columns)
    assert labels_in_order(source) == [{"cat"}, set(), {"cat"}, {"cat"}, set()]
    assert f"2 rows of t.csv have no in {name!r}; their labels are absent; remove the column if that is wrong" in (
        messages(source)
    )
    del columns[name]
    assert all(labels_in_order(read_columns(tmp_path, columns)))


@pytest.mark.parametrize("states", ["CA NO NY NY", "no de fr fr"])
def test_no_is_also_a_name(tmp_path: Path, states: str) -> None:
    rows = zip(("1.jpg", "1.jpg", "2.jpg", "2.jpg"), ("cat", "dog", "dog", "cow"), states.split(" "), strict=True)
    text = "image,label,state\n" + "".join(f"{','.join(row)}\n" for row in rows)
    source = read_table(tmp_path, ["1.jpg", "2.jpg"], text)
    assert labels_in_order(source) == [{"cat", "dog"}, {"dog", "cow"}]
    assert "in 'state' of t.csv was not taken for a denial of the labels, as" in messages(source)
