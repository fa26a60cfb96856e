"""Tables as other programs and people make them: the labels of the plain table, or a line that says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_by_image as labels_of
from source_helpers import messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

LABELS = {"1.jpg": {"bus", "car"}, "2.jpg": {"car"}, "3.jpg": {"cat", "car"}, "4.jpg": {"cat"}, "5.jpg": {"bus", "cat"}}
SPLITS = {"1.jpg": "train", "2.jpg": "train", "3.jpg": "train", "4.jpg": "val", "5.jpg": "train"}
NAMES = ["bus", "car", "cat"]


def read(folder: Path, text: str | bytes, name: str = "t.csv", **options: Any) -> Source:
    for image in LABELS:
        (folder / image).write_bytes(b"")
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_source(path, Options(**options))


def splits_of(source: Source) -> dict[str, str]:
    return {sample.image.name: name for name, split in source.samples.items() for sample in split}


def cells(sign: str = ";", before: str = "", after: str = "") -> str:
    """A table with labels in one cell."""
    rows = (f'{image},"{before}{sign.join(sorted(labels))}{after}"' for image, labels in LABELS.items())
    return "\n".join(("image,labels", *rows, ""))


def one_hot(yes: object = 1, no: object = 0, **columns: list[object]) -> str:
    rows = (
        ",".join(
            [image, *(f'"{yes if name in labels else no}"' for name in NAMES), *(str(c[n]) for c in columns.values())]
        )
        for n, (image, labels) in enumerate(LABELS.items())
    )
    return "\n".join((",".join(["image", *NAMES, *columns]), *rows, ""))


def with_column(name: str, values: list[object]) -> str:
    first, *rows = cells().splitlines()
    added = (f"{row},{value}" for row, value in zip(rows, values, strict=True))
    return "\n".join((f"{first},{name}", *added, ""))


RECORDS = [{"image": image, "labels": sorted(LABELS[image]), "split": split} for image, split in SPLITS.items()]
COLUMNS = ["image", "labels", "split"]


@pytest.mark.parametrize(
    "text",
    [
        cells("，"), cells("、"), cells("；"), cells("، "), cells("><", "<", ">"), cells(",", "{", "}"),
        cells(", ", "(", ")"), cells(";", "“", "”"), cells("', '", "['", "']"), cells("' '", "['", "']"),
        cells("'), np.str_('", "[np.str_('", "')]"), cells("', '", "array(['", "'], dtype=object)"),
        cells("','", "'", "'"), cells('"";""', '""', '""'),
        one_hot("x", ""), one_hot("WAHR", "FALSCH"), one_hot("VRAI", "FAUX"), one_hot("Y", "N"), one_hot("T", "F"),
        one_hot("1,0", "0,0"), one_hot("1.0", "0.0"), one_hot("✓", ""), one_hot(1, "NA"), one_hot(" 1", " 0"),
        one_hot(index=[*range(5)]), one_hot(fold=[0, 1, 0, 1, 0]), one_hot(width=[640, 480, 640, 200, 640]),
        one_hot(sex=["M", "F", "M", "F", "M"]), one_hot(Unlabeled=[0] * 5),
        "# made by me\n# on Monday, at home\n" + cells(), "\n" + cells() + "\x1a", cells().encode("utf-32"),
        "| image | labels |\n|---|:--|\n" + "".join(f"| {k} | {';'.join(sorted(v))} |\n" for k, v in LABELS.items()),
    ],
)  # fmt: skip
def test_the_same_labels(tmp_path: Path, text: str | bytes) -> None:
    source = read(tmp_path, text)
    assert labels_of(source) == LABELS
    assert source.errors == []


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_rs_numbers_of_rows_need_no_name(tmp_path: Path, delimiter: str) -> None:
    rows = [["image", *NAMES]]
    for number, (image, labels) in enumerate(LABELS.items(), start=1):
        rows.append([str(number), image, *(str(int(label in labels)) for label in NAMES)])
    source = read(tmp_path, "".join(delimiter.join(row) + "\n" for row in rows))
    assert labels_of(source) == LABELS


@pytest.mark.parametrize(
    "content",
    [
        {"columns": COLUMNS, "index": [*range(5)], "data": [[row[name] for name in COLUMNS] for row in RECORDS]},
        {"schema": {"fields": [{"name": "image"}], "pandas_version": "1.4.0"}, "data": RECORDS},
        {name: [row[name] for row in RECORDS] for name in COLUMNS},
        {row["image"]: {"labels": row["labels"], "split": row["split"]} for row in RECORDS},
        {"version": 1, "images": RECORDS},
        [{**row, "image": {"bytes": None, "path": row["image"]}} for row in RECORDS],
        [{**row, "labels": [{"id": 3, "name": name} for name in row["labels"]]} for row in RECORDS],
    ],
)
def test_the_same_labels_and_splits_in_json(tmp_path: Path, content: Any) -> None:
    source = read(tmp_path, json.dumps(content), "t.json")
    assert labels_of(source) == LABELS
    assert splits_of(source) == SPLITS


@pytest.mark.parametrize(
    ("column", "values", "options"),
    [
        ("phase", [*SPLITS.values()], {}),
        ("Data Split", [*SPLITS.values()], {}),
        ("spilt", [*SPLITS.values()], {}),
        ("split", ["Train_Set", "train set", "TrainSet", "Dev-Set", "training"], {}),
        ("is_validation", [0, 0, 0, 1, 0], {}),
        ("valid", [0, 0, 0, 1, 0], {"split_column": "valid"}),
    ],
)
def test_splits_are_found_by_their_words(
    tmp_path: Path, column: str, values: list[object], options: dict[str, Any]
) -> None:
    source = read(tmp_path, with_column(column, values), **options)
    assert splits_of(source) == SPLITS
    assert labels_of(source) == LABELS


def test_flags_of_a_split_beside_columns_of_labels(tmp_path: Path) -> None:
    source = read(tmp_path, one_hot(in_test=[0, 0, 0, 1, 1]))
    assert {image for image, split in splits_of(source).items() if split == "test"} == {"4.jpg", "5.jpg"}
    assert source.labels == ("bus", "car", "cat")


def asks(sign: str) -> str:
    return re.escape(f"line 2: is 'bus{sign}car' one label or several? Give --separator {sign!r} if")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((cells(sign), asks(sign)) for sign in ("+", "/", " - ", ":", "_", " and ", "・")),
        *((cells(f" {word} "), f"Give --separator ' {word} ' if") for word in ("i", "och", "и", "ve", "ou")),
        (cells(" & "), "Give --separator '&' if"),
        ("image,labels\n1.jpg,polar bear\n2.jpg,brown bear\n3.jpg,bear\n", "is 'polar bear' one label or several"),
        (cells() + "1.jpg,cat bus\n", r"by semicolons in some rows and by ' ' in others \(line 7: 'cat bus'\)"),
        (cells(":0.9;", "", ":0.9"), "line 2: 'bus:0.9' has a number behind it, as predictions do"),
        (cells() + "1.jpg,#REF!\n", "line 7: #REF! is an error of the spreadsheet"),
        (cells("', cat'", "['", "']"), "is no list that can be read"),
        (one_hot(horse=[0.9, 0.1, 0.3, 0.5, 0.2]), "line 2: '0.9' in the column 'horse'; 0 or 1 was expected"),
        (one_hot(horses=[0, 2, 0, 1, 3]), "line 3: '2' in the column 'horses'; 0 or 1 was expected"),
        ("image,a,b\n1.jpg,1,x.y\n2.jpg,1,z\n", "none of the columns a, b is known to hold labels"),
        (one_hot(train=[1, 1, 1, 0, 1], val=[0, 0, 1, 1, 0]), "the splits can be in 'train' and 'val'"),
        (one_hot(train=[1, 1, 0, 0, 1], val=[0, 0, 0, 1, 0]), "the splits can be in 'train' and 'val'"),
        (one_hot(val=[0, 0, 0, 1, 0], test=[0, 0, 0, 0, 1]), "the splits can be in 'val' and 'test'"),
        (one_hot(train=[1, 1, 1, 0, 1]), "the splits can be in 'train', as true and false"),
        (with_column("scores", ["0.9;0.1", 0.9, 0.8, "", 0.7]), "'0.9;0.1' in the column 'scores' is the score of a"),
        (with_column("score", ["[90 10]", "", "", "", ""]), "is the score of a prediction"),
        (with_column("valid", [0, 0, 0, 1, 0]), "the splits can be in 'valid', as true and false"),
        (with_column("is_train", [1, 1, 1, 0, 1]), "'is_train' does not tell if the other images are val or test"),
        (with_column("is_valid", [0, 0, "", 1, 0]), "'' in the column 'is_valid' is no split .* true or false"),
        (with_column("phase", ["train", "train", "tarin", "val", "val"]), "'tarin' in .* is no split"),
        ("image,labels,\n1.jpg,cat,\n2.jpg,cat,dog\n", "line 3: 'dog' is in column 3, which has no name"),
        ('image,labels\n1.jpg,"cat\n2.jpg,dog\n', "line 2: a double quote is not closed before line 3, '2.jpg,dog'"),
        ("image,labels,split\n1.jpg,cat,train\n2.jpg\tcat\ttrain\n", "line 3: .* has tabs, where the first has commas"),
        ("image,labels\n1.jpg,c\0at\n", "line 2: a NUL byte"),
        ('"image" "labels"\n"1.jpg" "cat"\n', "are separated by blanks; save it with commas or tabs"),
        ("image\n1.jpg\n", "only the images are named; add a column of their labels"),
        ('"image,labels"\n"1.jpg,cat"\n', "every line stands in double quotes as a whole"),
        ("0 0.5 0.5 0.1 0.1\n", "the labels of one image, of YOLO; give the folder"),
        ("<!DOCTYPE html><html></html>", "is a web page; download the table"),
        (b"\x80\x04\x95\x00\x01\xff", "is no text"),
        ("\ufeff \n", "is empty"),
        ("image,labels\n1.jpg,\n,cat\n", "line 3: the column 'image' names no image; write the name of one file"),
        ("image,first label,second label\n1.jpg,a,b\n", "if several hold labels: 'first label,second label'"),
    ],
)  # fmt: skip
def test_what_could_be_misread_is_asked_for(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        *((cells(sign), {"separator": sign}) for sign in ("+", "/", " & ", " - ", ":", "_", " and ", " ")),
        ("image,first label,second label\n" + "".join(
            f"{image},{','.join([*sorted(labels), ''][:2])}\n" for image, labels in LABELS.items()
        ), {"label_column": "first label, second label"}),
    ],
)  # fmt: skip
def test_the_advice_works(tmp_path: Path, text: str, options: dict[str, Any]) -> None:
    assert labels_of(read(tmp_path, text, **options)) == LABELS


@pytest.mark.parametrize("labels", [["polar bear", "bear"], ["car/van", "car"], ["hot_dog", "dog"]])
def test_a_separator_that_stands_nowhere_leaves_labels_whole(tmp_path: Path, labels: list[str]) -> None:
    text = "image,labels\n" + "".join(f"{n}.jpg,{labels[n % 2]}\n" for n in (1, 2, 3))
    assert read(tmp_path, text, separator=";").labels == tuple(sorted(labels))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"image": "1.jpg", "labels": {"cat": 0.9, "dog": 0.1}}], "entry 1: .* names no labels"),
        ([{"image": "1.jpg", "labels": [{"category_id": 1}]}], "entry 1: .* names no labels"),
        ([{"image": "1.jpg", "labels": json.loads("[" * 400 + "]" * 400)}], "nested too deeply|no image has a label"),
        ({"image": ["1.jpg"], "labels": []}, "not of one length"),
        (None, "holds null and nothing else"),
        ({"images": [], "annotations": []}, "as COCO has, but without categories; give .* or write a CSV"),
        ([{"image_id": 1, "category_id": 2, "score": 0.5}], "a list of predictions in COCO's form"),
        ({"version": "5.0", "shapes": [], "imagePath": "1.jpg"}, "the annotation of one image, of LabelMe; give"),
    ],
)  # fmt: skip
def test_json_that_names_no_labels(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, json.dumps(content), "t.json").split("train")


def test_labels_that_open_images_verified_to_be_absent(tmp_path: Path) -> None:
    source = read(tmp_path, "ImageID,LabelName,Confidence\n1,cat,1\n1,dog,0\n2,dog,1\n3,cat,1\n")
    assert labels_of(source) == {"1.jpg": {"cat"}, "2.jpg": {"dog"}, "3.jpg": {"cat"}}
    assert "1 rows of t.csv have 0 in 'Confidence'; their labels are absent (line 3)" in messages(source)


@pytest.mark.parametrize("written", ["7", "7.0", "0007"])
def test_numbers_lose_their_zeros_in_spreadsheets(tmp_path: Path, written: str) -> None:
    (tmp_path / "000007.jpg").write_bytes(b"")
    assert labels_of(read(tmp_path, f"image,labels\n{written},cat\n")) == {"000007.jpg": {"cat"}}


def test_a_number_is_no_other_image(tmp_path: Path) -> None:
    (tmp_path / "01.jpg").write_bytes(b"")
    source = read(tmp_path, "image,labels\n1.jpg,cat\n01.jpg,dog\n9.jpg,cat\n")
    assert labels_of(source) == {"1.jpg": {"cat"}, "01.jpg": {"dog"}}


def test_file_names_may_be_percent_encoded(tmp_path: Path) -> None:
    (tmp_path / "my photo.jpg").write_bytes(b"")
    assert labels_of(read(tmp_path, "image,labels\nmy%20photo.jpg,cat\n")) == {"my photo.jpg": {"cat"}}


def test_labels_that_look_alike_are_one(tmp_path: Path) -> None:
    source = read(tmp_path, "image,labels\n1.jpg,cat\n2.jpg,cat\u200b\n3.jpg,ｃａｔ\n4.jpg,cat\n")
    assert source.labels == ("cat",)


@pytest.mark.parametrize("label", ["chaton nÃ©", "chaton n\ufffd"])
def test_garbled_labels_are_pointed_out(tmp_path: Path, label: str) -> None:
    assert f"1 labels look garbled; save the annotations as UTF-8 again ({label})" in messages(
        read(tmp_path, f"image,labels\n1.jpg,{label}\n2.jpg,chatonné\n")
    )


def test_half_a_sign_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the label 'c\\ud83dat' has half of a sign"):
        read(tmp_path, '[{"image": "1.jpg", "labels": ["c\\ud83dat"]}]', "t.json")


def test_signs_of_html_are_read_with_a_warning(tmp_path: Path) -> None:
    source = read(tmp_path, "image,labels\n1.jpg,cat &amp; dog;bus\n2.jpg,bus\n")
    assert labels_of(source)["1.jpg"] == {"cat & dog", "bus"}
    assert "signs of HTML such as &amp;" in messages(source)


def test_columns_that_all_images_have_are_pointed_out(tmp_path: Path) -> None:
    assert "remove them if they are no labels: indoor" in messages(read(tmp_path, one_hot(indoor=[1] * 5)))


def test_a_given_column_of_labels_is_none_of_splits(tmp_path: Path) -> None:
    text = "image,Fahrzeug\n1.jpg,train\n2.jpg,bus\n3.jpg,train\n"
    assert read(tmp_path, text).labels == ("bus", "train")
    assert read(tmp_path, text, label_column="Fahrzeug").labels == ("bus", "train")


def test_given_separators_split_lists_as_well(tmp_path: Path) -> None:
    content = [{"image": "1.jpg", "labels": ["cat;dog"]}, {"image": "2.jpg", "labels": ["dog"]}]
    assert read(tmp_path, json.dumps(content), "t.json", separator=";").labels == ("cat", "dog")
