"""Words such as NA in the cells of labels: left out by name, or a label of that name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_by_image, labels_in_order, messages, read_objects, read_table

from cnnrnn.data.check import plain_table
from cnnrnn.data.source import Source


def read(folder: Path, *cells: str, **options: Any) -> Source:
    images = [f"{number}.jpg" for number in range(1, len(cells) + 1)]
    rows = "".join(f'{image},"{cell}"\n' for image, cell in zip(images, cells, strict=True))
    return read_table(folder, images, f"image,labels\n{rows}", **options)


@pytest.mark.parametrize(
    ("cell", "words", "how"),
    [
        ("cat;NA", "'NA'", "; if it is a label, write it in quotes of its own: 'NA'"), ("[cat, -]", "'-'", ""),
        ("['cat', 'nan']", "'nan'", ""), ("cat;none;none", "'none'", "; if it is a label, write it in quotes"),
    ],
)  # fmt: skip
def test_words_beside_labels_are_left_out_by_name(tmp_path: Path, cell: str, words: str, how: str) -> None:
    source = read(tmp_path, cell, "dog;cat;owl")
    assert labels_in_order(source) == [{"cat"}, {"dog", "cat", "owl"}]
    assert f"1 cells of t.csv have {words} among their labels; it was left out{how}" in messages(source)


def test_words_alone_are_no_labels_and_named(tmp_path: Path) -> None:
    source = read(tmp_path, "cat;dog", "none", "None", "-", "")
    assert labels_in_order(source) == [{"cat", "dog"}, set(), set(), set(), set()]
    assert (
        "3 cells of t.csv with 'none', 'None', '-' were taken for no labels; if it is a label, write it in quotes of "
        "its own: 'none' (line 3, line 4, line 5)"
    ) in messages(source)


@pytest.mark.parametrize("word", ["NA", "Na", "None", "null", "n/a"])
@pytest.mark.parametrize("separator", [None, ";"])
def test_a_word_that_recurs_beside_labels_is_one(tmp_path: Path, word: str, separator: str | None) -> None:
    source = read(tmp_path, f"EU;{word}", f"AS;EU;{word}", word, "AS", separator=separator)
    assert labels_in_order(source) == [{"EU", word}, {"AS", "EU", word}, {word}, {"AS"}]
    assert (
        f"{word!r} was read as a label of 3 cells of t.csv, as it stands beside others; if it stands for no label, "
        "leave it out (line 2, line 3, line 4)"
    ) in messages(source)


def test_a_word_that_mostly_stands_alone_or_fills_texts_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, "cat;none", "dog;none", "owl", "cat;dog", *["none"] * 9).labels == ("cat", "dog", "owl")
    assert read(tmp_path, "cat;None", "dog;None", "cat;owl", "owl;dog").labels == ("cat", "dog", "owl")
    assert read(tmp_path, "cat;dog;nan", "dog;nan", "cat;nan").labels == ("cat", "dog")
    everywhere = ("['cat', 'dog', 'none']", "['cat', 'none']", "['dog', 'none']", "['cat', 'none']")
    assert read(tmp_path, *everywhere).labels == ("cat", "dog")


def test_a_word_in_a_list_with_others_is_a_label(tmp_path: Path) -> None:
    source = read_objects(tmp_path, ["EU", "NA"], ["NA"], "NA", ["EU"], ["none"])
    assert labels_in_order(source) == [{"EU", "NA"}, {"NA"}, {"NA"}, {"EU"}, set()]
    assert "'NA' was read as a label of 3 cells of t.json, as it stands beside others" in messages(source)
    assert "1 cells of t.json with 'none' were taken for no labels" in messages(source)
    assert labels_in_order(read(tmp_path, "['cat', 'none']", "['dog']")) == [{"cat", "none"}, {"dog"}]


@pytest.mark.parametrize("quotes", ["''", '""', "“”"])
def test_a_word_in_quotes_is_a_label(tmp_path: Path, quotes: str) -> None:
    word = quotes[0] + "none" + quotes[1]
    source = read(tmp_path, f"cat;{word}".replace('"', '""'), word.replace('"', '""'), "none", "cat")
    assert labels_in_order(source) == [{"cat", "none"}, {"none"}, set(), {"cat"}]
    assert labels_in_order(read_objects(tmp_path, [word], word, ["cat"])) == [{"none"}, {"none"}, {"cat"}]


def test_a_word_for_nothing_among_quoted_labels_is_none(tmp_path: Path) -> None:
    assert labels_in_order(read(tmp_path, "'cat', 'nan'", "'dog', 'cat', '-'")) == [{"cat"}, {"cat", "dog"}]


@pytest.mark.parametrize(
    "labels",
    [
        *(("none", "scratch"), ("null", "nan"), ("NA", "EU"), ("Null", "polar bear", "bear"), ("none", "a;b", "c|d")),
        *(("-", "+"), ("N/A", "NA/none", "NA")),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_labels_called_like_nothing_are_written_so_that_they_are_read(
    tmp_path: Path, labels: tuple[str, ...], together: bool
) -> None:
    header = ",".join(f'"{label}"' for label in labels)
    images = {f"{number}.jpg": {label} for number, label in enumerate(labels)} | {"9.jpg": set()}
    if together:
        images["8.jpg"] = {*labels[:2]}
    rows = "".join(f"{image},{','.join(str(int(x in found)) for x in labels)}\n" for image, found in images.items())
    source = read_table(tmp_path, images, f"image,{header}\n{rows}")
    assert labels_by_image(source) == images
    (tmp_path / "w.csv").write_text(plain_table(source, tmp_path))
    assert labels_by_image(read_table(tmp_path, [], plain_table(source, tmp_path), "w.csv")) == images
