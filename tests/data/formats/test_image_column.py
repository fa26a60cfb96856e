"""Which column of a table names the images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import folder_with, labels_in_order, messages, read_table
from source_helpers import labels_by_image as labels_of

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

LABELS = {"1.jpg": {"cat"}, "2.jpg": {"dog"}, "3.jpg": {"cat"}, "4.jpg": {"dog"}}
NUMBERS = ("4", "3", "2", "1")  # of the rows, which are those of other images


def read(folder: Path, text: str, name: str = "t.csv", **options: Any) -> Source:
    return read_table(folder, LABELS, text, name, **options)


def of(header: str, *columns: list[str] | tuple[str, ...]) -> str:
    """A table of these columns, with one of labels behind."""
    rows = zip(*columns, ("cat", "dog", "cat", "dog"), strict=True)
    return "\n".join((f"{header},label", *map(",".join, rows), ""))


@pytest.mark.parametrize("name", ["id", "name", "url", "image_id"])
@pytest.mark.parametrize("other", ["photo_file", "media", "local path", "text", "frame"])
def test_the_column_with_names_of_files_beats_a_known_name(tmp_path: Path, name: str, other: str) -> None:
    source = read(tmp_path, of(f"{name},{other}", NUMBERS, [*LABELS]))
    assert labels_of(source) == LABELS
    assert f"the images are those of the column {other!r}, as {name!r} has no names of files" in messages(source)


def test_images_named_by_their_hash(tmp_path: Path) -> None:
    hashes = [f"{number:032x}" for number in range(4)]
    images = dict(zip((f"{name}.jpg" for name in hashes), LABELS.values(), strict=True))
    assert labels_of(read_table(tmp_path, images, of("md5", hashes))) == images


def test_in_json_as_well(tmp_path: Path) -> None:
    rows = [{"id": 4 - n, "attachment": image, "labels": [*labels]} for n, (image, labels) in enumerate(LABELS.items())]
    assert labels_of(read(tmp_path, json.dumps(rows), "t.json")) == LABELS


def test_two_columns_of_images_are_asked_for(tmp_path: Path) -> None:
    text = of("ID,Left-Fundus,Right-Fundus", NUMBERS, [*LABELS], ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    with pytest.raises(DataError, match="in the column 'Left-Fundus' or 'Right-Fundus'; give --image-column with one"):
        read(tmp_path, text)
    with pytest.raises(DataError, match="'Left-Fundus' or 'Right-Fundus'"):
        read_source(tmp_path, Options())
    assert labels_of(read(tmp_path, text, image_column="Left-Fundus")) == LABELS


def test_two_columns_that_name_the_same_files(tmp_path: Path) -> None:
    text = of("ID,Labeled Data,External ID", ["a"] * 4, [f"https://x.org/{n}" for n in LABELS], [*LABELS])
    assert labels_of(read(tmp_path, text)) == LABELS
    assert "the column 'External ID'" in messages(read(tmp_path, text))


@pytest.mark.parametrize("other", ["mask", "mask_path", "thumbnail", "segmentation file"])
def test_masks_and_thumbnails_are_no_images(tmp_path: Path, other: str) -> None:
    text = of(f"image_id,{other}", ["1", "2", "3", "4"], [f"{n}_{other}.png" for n in range(4)])
    assert labels_of(read(tmp_path, text)) == LABELS


def test_a_file_for_all_images_is_none_of_them(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, of("image,background", ["1", "2", "3", "4"], ["b.png"] * 4))) == LABELS


def test_a_row_without_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 4: the column 'media' names no image"):
        read(tmp_path, of("id,media", NUMBERS, ["1.jpg", "2.jpg", "", "4.jpg"]))


def test_names_without_a_suffix_stay_names(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, of("id,notes", ["1", "2", "3", "4"], [*"abcd"]))) == LABELS
    assert (
        labels_of(read(tmp_path, of("id,file_two", ["1", "2", "3.jpg", "4"], [f"{n}.png" for n in "abcd"]))) == LABELS
    )


@pytest.mark.parametrize("name", ["Name", "id"])
def test_attachments_of_airtable(tmp_path: Path, name: str) -> None:
    attachments = [f"{image} (https://v5.airtableusercontent.com/v1/x/{image})" for image in LABELS]
    assert labels_of(read(tmp_path, of(f"{name},Attachments", NUMBERS, attachments))) == LABELS


def test_addresses_with_a_query_name_files(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, of("id,src", NUMBERS, [f"https://x.org/{n}?token=a.b" for n in LABELS]))) == LABELS


@pytest.mark.parametrize("corner", ["IMAGE\\LABEL", "image\\tag"])
def test_the_corner_of_a_table_names_its_rows(tmp_path: Path, corner: str) -> None:
    """Such as that of UCM's and AID's labels."""
    text = f"{corner},cat,dog\n1,1,0\n2,0,1\n3,1,1\n"
    source = read_table(tmp_path, ["1.jpg", "2.jpg", "3.jpg"], text)
    assert labels_in_order(source) == [{"cat"}, {"dog"}, {"cat", "dog"}]


@pytest.mark.parametrize("name", ["photos.csv", "photos.json"])
def test_keywords_of_exiftool(tmp_path: Path, name: str) -> None:
    """Of a single keyword it writes no list."""
    labels: list[Any] = [["dog", "beach"], "dog", ["beach", "Anna"], ["dog", "Anna"]]
    rows = [{"SourceFile": f"./{n}.jpg", "Keywords": found} for n, found in enumerate(labels)]
    table = "SourceFile,Keywords\n" + "".join(
        f'./{n}.jpg,"{found if isinstance(found, str) else ", ".join(found)}"\n' for n, found in enumerate(labels)
    )
    folder_with(tmp_path, {name: table if name.endswith("csv") else json.dumps(rows)}, [f"{n}.jpg" for n in range(4)])
    source = read_source(tmp_path, Options())
    assert labels_in_order(source) == [{found} if isinstance(found, str) else {*found} for found in labels]


@pytest.mark.parametrize(
    "columns", ["Subject", "HierarchicalSubject", "Keywords,Subject", "XPKeywords", "Rating,Subject"]
)
def test_keywords_that_exiftool_calls_otherwise(tmp_path: Path, columns: str) -> None:
    cells = {1: "cat", 2: "cat, dog", 3: "dog, cow"}
    rows = [
        ",".join([f"./{n}.jpg", *("5" if name == "Rating" else f'"{cell}"' for name in columns.split(","))])
        for n, cell in cells.items()
    ]
    text = "\n".join((f"SourceFile,{columns}", *rows, ""))
    source = read_table(tmp_path, [f"{n}.jpg" for n in cells], text)
    assert labels_in_order(source) == [{*cell.split(", ")} for cell in cells.values()]


def test_numbers_among_the_keywords_of_exiftool_are_labels(tmp_path: Path) -> None:
    rows = [{"SourceFile": f"./{n}.jpg", "Keywords": ["cat", year]} for n, year in enumerate((2019, 2020, 2019))]
    source = read_table(tmp_path, [f"{n}.jpg" for n in range(3)], json.dumps(rows), "k.json")
    assert labels_in_order(source) == [{"cat", "2019"}, {"cat", "2020"}, {"cat", "2019"}]


def test_a_subject_in_other_tables_is_no_label(tmp_path: Path) -> None:
    text = "image,subject,cat,dog\n1.jpg,a,1,0\n2.jpg,b,0,1\n3.jpg,a,1,1\n"
    source = read_table(tmp_path, ["1.jpg", "2.jpg", "3.jpg"], text)
    assert labels_in_order(source) == [{"cat"}, {"dog"}, {"cat", "dog"}]


@pytest.mark.parametrize("form", ['"=""{}"""', '"=HYPERLINK(""{}"",""photo"")"', '"=HYPERLINK(""{}"")"'])
def test_formulas_around_names(tmp_path: Path, form: str) -> None:
    rows = "".join(f"{form.format(image)},{';'.join(sorted(labels))}\n" for image, labels in LABELS.items())
    assert labels_of(read_table(tmp_path, LABELS, f"image,labels\n{rows}")) == LABELS


def test_formulas_around_labels(tmp_path: Path) -> None:
    text = 'image,labels\n1.jpg,"=""cat"""\n2.jpg,"=""cat;dog"""\n'
    assert labels_in_order(read_table(tmp_path, ["1.jpg", "2.jpg"], text)) == [{"cat"}, {"cat", "dog"}]
