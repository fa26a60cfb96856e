"""Labels that look like several, and what to do about them."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_in_order, messages, read_objects, read_table

from cnnrnn.data.source import Source


def read(folder: Path, *cells: str, **options: str) -> Source:
    images = [f"{number}.jpg" for number in range(len(cells))]
    rows = "".join(f'{image},"{cell}"\n' for image, cell in zip(images, cells, strict=True))
    return read_table(folder, images, f"image,labels\n{rows}", **options)


@pytest.mark.parametrize(
    ("sign", "words", "options"),
    [
        (";", "semicolons", {}), (", ", "commas", {}), ("|", "vertical bars", {}), (" ", "blanks", {}),
        (";", "';'", {"separator": ";"}), ("~", "'~'", {"separator": "~"}),
    ],
)  # fmt: skip
def test_where_a_separator_was_found_another_is_to_be_replaced(
    tmp_path: Path, sign: str, words: str, options: dict[str, str]
) -> None:
    source = read(tmp_path, *(cell.replace(";", sign) for cell in ("cow/cat", "cat;dog", "dog;owl", "dog")), **options)
    assert labels_in_order(source) == [{"cow/cat"}, {"cat", "dog"}, {"dog", "owl"}, {"dog"}]
    assert f"the label 'cow/cat' looks like several; write {words} in place of / if it is" in messages(source)
    assert messages(source).count("looks like several") == 1


def test_the_separator_is_named_beside_a_column_of_splits(tmp_path: Path) -> None:
    text = "image,labels,split\n1.jpg,cow/cat,train\n2.jpg,cat;dog,train\n3.jpg,dog,val\n"
    source = read_table(tmp_path, ["1.jpg", "2.jpg", "3.jpg"], text)
    assert "the label 'cow/cat' looks like several; write semicolons in place of / if it is" in messages(source)


def test_where_no_separator_was_found_it_can_be_given(tmp_path: Path) -> None:
    source = read_objects(tmp_path, ["cow/cat"], ["cat", "dog"])
    assert "the label 'cow/cat' looks like several; give --separator '/' if it is" in messages(source)
    assert labels_in_order(read_objects(tmp_path, ["cow/cat"], ["cat", "dog"], separator="/")) == [
        {"cow", "cat"}, {"cat", "dog"},
    ]  # fmt: skip


@pytest.mark.parametrize("label", ["boat car person", "boat. car. person", "boat:car:person", "boat - car - person"])
def test_a_single_cell_with_another_separator_is_pointed_out(tmp_path: Path, label: str) -> None:
    cells = ["car;person", "person;train", "train"]
    source = read(tmp_path, label, *cells)
    assert labels_in_order(source)[0] == {label}
    what = "looks like several, as most of its parts are labels; write semicolons between them if it is"
    assert f"the label {label!r} of 1 images {what}" in messages(source)
    assert what not in messages(read(tmp_path, *[label] * 4, *cells))  # a label of many images is no mistake
    assert what not in messages(read(tmp_path, "boat car", *cells))
