"""Which labels are the same, and what is said about those that may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_in_order, messages, read_objects, read_table


@pytest.mark.parametrize(
    ("labels", "differ"),
    [
        (["H2O", "H₂O"], "their Unicode form are now 'H2O': 'H2O' (1), 'H₂O' (1)"),
        (["x2", "x²", "x²"], "their Unicode form are now 'x²': 'x²' (2), 'x2' (1)"),
        (["Cat", "cat", "cat "], "case or blanks are now 'cat': 'cat' (2), 'Cat' (1)"),
    ],
)
def test_by_what_labels_differ_that_are_united(tmp_path: Path, labels: list[str], differ: str) -> None:
    source = read_objects(tmp_path, *([label] for label in labels))
    assert len(source.labels) == 1
    assert f"labels that differ by {differ}" in messages(source)


def test_letters_in_both_cases_are_labels_of_their_own(tmp_path: Path) -> None:
    source = read_objects(tmp_path, ["A", "b"], ["a", "B"], ["c", "Dog"], ["C", "dog"])
    assert labels_in_order(source) == [{"A", "b"}, {"a", "B"}, {"c", "Dog"}, {"C", "Dog"}]
    assert (
        "letters that stand in both cases are labels of their own; write them in one case if they are the same "
        "(A, a, B, b, C, …)"
    ) in messages(source)
    assert "sign at their end" not in messages(source)
    assert read_objects(tmp_path, ["A", "b"], ["a", "B"], ["c"]).labels == ("A", "B", "c")


def test_labels_that_differ_by_a_sign_at_their_end_are_pointed_out(tmp_path: Path) -> None:
    source = read_table(tmp_path, ["1.jpg", "2.jpg"], 'image,labels\n1.jpg,"cat, fish."\n2.jpg,"fish, Cat, C++, C"\n')
    assert source.labels == ("C", "C++", "Cat", "fish", "fish.")
    assert "labels differ by a sign at their end only; remove it if they are the same ('fish' and 'fish.')" in (
        messages(source)
    )


@pytest.mark.parametrize("labels", [["0.0", "1.0"], ["0.", "2"], ["-1", "10"]])
def test_numbers_in_place_of_names_are_pointed_out(tmp_path: Path, labels: list[str]) -> None:
    what = "all labels are numbers; if they stand for names, give --label-names FILE"
    assert what in messages(read_objects(tmp_path, *([label] for label in labels)))
    assert what not in messages(read_objects(tmp_path, *([label] for label in (*labels, "1.5"))))
