"""Tables in text files: lines above the header, other signs than the header's, and what only has a table's name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from source_helpers import labels_by_image, messages, read_table

from cnnrnn.data import DataError

IMAGES = ("1.jpg", "2.jpg", "3.jpg")
LABELS = {"1.jpg": {"cat", "dog"}, "2.jpg": {"cat", "dog"}, "3.jpg": {"cat", "dog"}}
ROWS = "1.jpg,cat;dog\n2.jpg,dog;cat\n3.jpg,cat;dog\n"


@pytest.mark.parametrize(
    ("above", "told"),
    [
        ("My animals,\n", "My animals"),
        ("Tabelle 1\n", "Tabelle 1"),
        ("Tabelle 1;\n\n", "Tabelle 1"),
        ('"Animals, 2024",\n', '"Animals, 2024"'),
        ("Images,\n", "Images"),  # which a column may be called
        ("Our pets\nJune\n\n", "Our pets, June"),
        ("Exported by Anna, 12.3.2024, in Bern\n", "Exported by Anna, 12.3.2024, in Bern"),
        ("# pets\nMy animals,\n", "My animals"),
    ],
)
def test_lines_above_the_header_are_passed_over_and_told(tmp_path: Path, above: str, told: str) -> None:
    source = read_table(tmp_path, IMAGES, f"{above}image,labels\n{ROWS}")
    assert labels_by_image(source) == LABELS
    assert f"lines above the header of t.csv were not read ({told})" in messages(source)


def test_a_title_above_columns_of_any_name(tmp_path: Path) -> None:
    assert labels_by_image(read_table(tmp_path, IMAGES, f"Pets,\nFoto,label\n{ROWS}")) == LABELS


def test_lines_are_counted_with_the_title(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 5: 3 cells, but the first line names 2 columns"):
        read_table(tmp_path, IMAGES, "Pets,\n\nimage,labels\n1.jpg,cat\n2.jpg,cat,dog\n")


def test_a_first_row_with_several_cells_is_no_title(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column of images was found in the first line, 'Foto,Tiere'"):
        read_table(tmp_path, IMAGES, f"Foto,Tiere\nunknown,cat\n{ROWS}")


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (
            "image;labels;split",
            "{},cat;dog,train",
            "semicolons, but the cells below by commas; write 'image,labels,split'",
        ),
        ("image;labels;split", "{},cat;dog;bird,train", "semicolons, but the cells below by commas"),
        ("image,labels", "{};cat", "commas, but the cells below by semicolons; write 'image;labels' there"),
        ("image;labels", "{}\tcat", "semicolons, but the cells below by tabs"),
    ],
)
def test_a_header_with_another_sign_than_the_rows(tmp_path: Path, header: str, rows: str, message: str) -> None:
    text = "".join(f"{rows.format(name)}\n" for name in IMAGES)
    with pytest.raises(DataError, match=f"t.csv, line 1: the names of the columns are separated by {message}"):
        read_table(tmp_path, IMAGES, f"{header}\n{text}")


RECORDS = [{"image": name, "labels": sorted(labels)} for name, labels in LABELS.items()]


@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=1),
        "\n".join(map(json.dumps, RECORDS)),
        json.dumps({name: sorted(labels) for name, labels in LABELS.items()}),
    ],
)
def test_json_with_a_name_of_a_table_is_to_be_renamed(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(DataError, match=f"{name} holds JSON; rename it to t.json and give that"):
        read_table(tmp_path, IMAGES, text, name)
    assert labels_by_image(read_table(tmp_path, IMAGES, text, "t.json")) == LABELS


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson"])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_in_a_file_of_lines(tmp_path: Path, name: str, indent: int | None) -> None:
    source = read_table(tmp_path, IMAGES, json.dumps(RECORDS, indent=indent), name)
    assert labels_by_image(source) == LABELS
    assert source.kind.startswith("JSON;")
    with pytest.raises(DataError, match=r"t\.jsonl, entry 2: expected an object with image and labels, found 'x'"):
        read_table(tmp_path, IMAGES, json.dumps([RECORDS[0], "x"], indent=indent), "t.jsonl")


def test_objects_by_line_of_which_one_is_faulty(tmp_path: Path) -> None:
    lines = [*map(json.dumps, RECORDS), "[1]"]
    with pytest.raises(DataError, match=r"t\.jsonl, line 4: expected an object with image and labels, found"):
        read_table(tmp_path, IMAGES, "\n".join(lines), "t.jsonl")
    with pytest.raises(DataError, match=r"t\.jsonl, line 1: expected an object with image and labels"):
        read_table(tmp_path, IMAGES, ",\n".join(lines), "t.jsonl")
    with pytest.raises(DataError, match=r"is no JSON .* correct it there"):
        read_table(tmp_path, IMAGES, json.dumps(RECORDS, indent=1)[:-1], "t.jsonl")


ATTRIBUTES = "Smiling Young 5_o_Clock_Shadow\n1.jpg  1 -1  1\n2.jpg -1  1 -1\n3.jpg -1 -1 -1\n"


@pytest.mark.parametrize("above", ["3\n", "", "image_id "])
@pytest.mark.parametrize("name", ["list_attr_celeba.txt", "t.csv"])
def test_attributes_as_celeba_has_them(tmp_path: Path, name: str, above: str) -> None:
    source = read_table(tmp_path, IMAGES, above + ATTRIBUTES, name)
    assert labels_by_image(source) == {"1.jpg": {"Smiling", "5_o_Clock_Shadow"}, "2.jpg": {"Young"}, "3.jpg": set()}
    assert source.kind.startswith("a text with attributes of every image, separated by blanks")


def test_attributes_whose_names_are_in_another_file(tmp_path: Path) -> None:
    names = "Smiling Young 5_o_Clock_Shadow"
    with pytest.raises(DataError, match="names 2 attributes, but line 3 has 3 values; write the names of all"):
        read_table(tmp_path, IMAGES, "3\n" + ATTRIBUTES.replace(names, "image_name attribute_labels"), "a.txt")


def test_a_header_is_asked_for_where_columns_of_0_and_1_have_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no header line; write one such as image,cat,dog with the name of each column"):
        read_table(tmp_path, IMAGES, "1.jpg,0,1,1\n2.jpg,1,0,0\n3.jpg,0,0,1\n")
    with pytest.raises(DataError, match="no header line; write one such as image,labels,split"):
        read_table(tmp_path, IMAGES, "1.jpg,cat,x\n2.jpg,dog,y\n3.jpg,dog,z\n")


def test_attributes_of_which_a_row_lacks_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 4: expected an image and a 1 or -1 for each of 3 attributes, found 3"):
        read_table(tmp_path, IMAGES, "3\n" + ATTRIBUTES.replace("2.jpg -1 ", "2.jpg "), "a.txt")
