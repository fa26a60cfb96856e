"""Blanks and other signs in the cells of labels: whether they separate labels or stand inside of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_by_image, messages, read_table

from cnnrnn.data import DataError
from cnnrnn.data.source import Source


def read(folder: Path, *cells: str, **options: str) -> Source:
    """A table with an image for every cell."""
    images = [f"{number}.jpg" for number in range(len(cells))]
    rows = "".join(f'{image},"{cell}"\n' for image, cell in zip(images, cells, strict=True))
    return read_table(folder, images, f"image,labels\n{rows}", **options)


@pytest.mark.parametrize(
    "cells",
    [
        ("Grade 0", "Grade 1", "Grade 2"), ("type A", "type B", "type C"), ("level 1", "level 3", "level 2", "level 1"),
        ("basal cell carcinoma", "squamous cell carcinoma"), ("stage 1 tumor", "stage 2 tumor", "stage 3 tumor"),
        ("with glasses", "without glasses"), ("left upper lobe", "left lower lobe", "right upper lobe"),
        ("living room", "dining room", "kitchen", "bedroom"), ("with mask", "without mask", "mask worn wrongly"),
        ("Grade 0", "Grade 1", "normal"),
        ("salt and pepper", "bread and butter", "fish"), ("fish & chips", "salt & pepper", "bread & butter", "soup"),
    ],
)  # fmt: skip
def test_labels_of_several_words(tmp_path: Path, cells: tuple[str, ...]) -> None:
    assert read(tmp_path, *cells, cells[0]).labels == tuple(sorted({*cells}))


def test_words_that_never_stand_alone_are_read_with_a_warning(tmp_path: Path) -> None:
    source = read(tmp_path, "living room", "dining room", "kitchen", "dining room")
    assert (
        "t.csv: 'living room' and the like were read as one label each, as their words never stand alone, as other "
        "labels do; give --separator ' ' if blanks separate labels"
    ) in messages(source)
    assert read(tmp_path, "living room", "dining room", "kitchen", separator=" ").labels == (
        "dining", "kitchen", "living", "room",
    )  # fmt: skip


def test_a_word_of_all_labels_is_told_unless_they_are_counted(tmp_path: Path) -> None:
    what = "were read as one label each, as they share a word; give --separator ' ' if blanks separate labels"
    assert f"t.csv: 'animal cat' and the like {what}" in messages(read(tmp_path, "animal cat", "animal dog"))
    assert f"t.csv: '100 % wool' and the like {what}" in messages(read(tmp_path, "100 % wool", "new wool"))
    for cells in (("type A", "type B"), ("grade 9", "grade 10"), ("traffic light", "traffic light")):
        assert what not in messages(read(tmp_path, *cells))


@pytest.mark.parametrize(
    "cells",
    [
        ("cat person", "dog person", "cat dog person"),
        ("cat dog", "dog owl", "bird"),
        ("polar bear", "bear", "ice bear"),
        ("helmet left", "chair", "parking left", "table", "chair"),  # in so few rows, only names would recur
    ],
)
def test_words_that_stand_with_different_ones_are_asked_for(tmp_path: Path, cells: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=f"is '{cells[0]}' one label or several"):
        read(tmp_path, *cells)


def test_few_texts_in_many_rows_are_labels(tmp_path: Path) -> None:
    labels = ("traffic light", "traffic sign", "stop sign", "stop", "old house")
    source = read(tmp_path, *labels * 4)
    assert source.labels == tuple(sorted(labels))
    assert "'traffic light' and the like were read as one label each, as few different texts stand in many rows" in (
        messages(source)
    )
    with pytest.raises(DataError, match="is 'traffic light' one label or several"):
        read(tmp_path, *labels * 3)
    with pytest.raises(DataError, match="is 'person tree' one label or several"):  # of two labels, one always there
        read(tmp_path, *["person tree", "person"] * 50)


_NAMES = ("dining room", "Grade 1", "no helmet", "viral pneumonia", "dining", "room", "N/A-type", "A-type", "young cat",
          "young dog", "old cat", "old dog", "cat/dog", "cat", "dog", "12'' pipe")  # fmt: skip


@pytest.mark.parametrize("header", ["label1,label2", "class_a,class_b", "main category,second category"])
def test_columns_of_one_label_each(tmp_path: Path, header: str) -> None:
    rows = "".join(f"{number}.jpg,{label},{_NAMES[-number]}\n" for number, label in enumerate(_NAMES))
    columns = ",".join(name for name in header.split(","))
    source = read_table(
        tmp_path, [f"{n}.jpg" for n in range(len(_NAMES))], f"image,{header}\n{rows}", label_column=columns
    )
    assert source.labels == tuple(sorted(_NAMES))
    assert labels_by_image(source)["0.jpg"] == {"dining room"}
    assert labels_by_image(source)["3.jpg"] == {"viral pneumonia", "cat"}


@pytest.mark.parametrize(
    ("header", "behind"),
    [
        ("image,label", ""),
        ("image,labels", ""),
        ("image,label,user", ",ann"),
        ("image,label,xmin,ymin,xmax,ymax", ",1,2,3,4"),
    ],
)
def test_a_row_for_each_label(tmp_path: Path, header: str, behind: str) -> None:
    pairs = [(f"{number % 7}.jpg", label) for number, label in enumerate(_NAMES)]
    if "xmin" in header:
        pairs += pairs[:3]  # two boxes of one label
    rows = "".join(f"{image},{label}{behind}\n" for image, label in pairs)
    source = read_table(tmp_path, [f"{n}.jpg" for n in range(7)], f"{header}\n{rows}")
    assert source.labels == tuple(sorted(_NAMES))
    assert labels_by_image(source)["0.jpg"] == {"dining room", "A-type", "dog"}


def test_lists_by_several_annotators_are_no_rows_of_single_labels(tmp_path: Path) -> None:
    rows = "1.jpg,cat dog,ann\n1.jpg,dog,bob\n2.jpg,dog owl,ann\n2.jpg,owl cat,bob\n3.jpg,cat,ann\n3.jpg,owl,bob\n"
    source = read_table(tmp_path, ["1.jpg", "2.jpg", "3.jpg"], f"image,labels,annotator\n{rows}")
    assert source.labels == ("cat", "dog", "owl")
    twice = "1.jpg,cat dog\n2.jpg,dog\n3.jpg,dog owl\n4.jpg,owl cat\n5.jpg,cat\n6.jpg,owl\n1.jpg,cat dog\n"
    source = read_table(tmp_path, [f"{n}.jpg" for n in range(1, 7)], f"image,labels\n{twice}")
    assert source.labels == ("cat", "dog", "owl")


def test_commas_in_a_column_of_one_label_are_pointed_out(tmp_path: Path) -> None:
    rows = '1.jpg,"cat, small"\n2.jpg,dog\n3.jpg,cat\n'
    source = read_table(tmp_path, ["1.jpg", "2.jpg", "3.jpg"], f"image,label\n{rows}")
    assert labels_by_image(source)["1.jpg"] == {"cat", "small"}
    what = "of t.csv were separated by commas; if each cell is one label, give --separator ';'"
    assert f"the labels in 'label' {what}" in messages(source)
    assert read_table(tmp_path, [], f"image,label\n{rows}", separator=";").labels == ("cat", "cat, small", "dog")
    assert what not in messages(read_table(tmp_path, [], f"image,labels\n{rows}"))
    assert what not in messages(read_table(tmp_path, [], f"image,label\n{rows}", separator=","))
    rows += '1.jpg,owl\n2.jpg,"cat, small"\n'
    assert f"the labels in 'labels' {what}" in messages(read_table(tmp_path, [], f"image,labels\n{rows}"))


def test_emojis_are_labels(tmp_path: Path) -> None:
    cells = ["😀 🐶 🚗", "🐶", "🚗 😀", "😀", "🐶 🚗", "🚗"]
    rows = "".join(f"{n}.jpg,{cell}\n" for n, cell in enumerate(cells))
    source = read_table(tmp_path, [f"{n}.jpg" for n in range(len(cells))], f"image,labels\n{rows}")
    assert source.labels == ("🐶", "😀", "🚗")
