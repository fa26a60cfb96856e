"""The folder of an image in a column beside its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import folder_with, messages

from cnnrnn.data import Options
from cnnrnn.data.source import Source, read_source

PLACES = {"a/1.jpg": "cat", "a/2.jpg": "dog", "b/1.jpg": "dog", "b/3.jpg": "cat"}


def read(folder: Path, column: str, before: str = "", root: str = "", lost: tuple[str, ...] = ()) -> Source:
    for place in PLACES:
        (folder / root / place).parent.mkdir(parents=True, exist_ok=True)
        if place not in lost:
            (folder / root / place).write_bytes(b"")
    rows = [f"{before}{place.split('/')[0]},{place.split('/')[1]},{label}" for place, label in PLACES.items()]
    (folder / "t.csv").write_text("\n".join((f"{column},filename,label", *rows, "")))
    return read_source(folder / "t.csv", Options())


def labels_of(source: Source) -> dict[str, str]:
    return {"/".join(s.image.parts[-2:]): s.labels[0] for split in source.samples.values() for s in split}


@pytest.mark.parametrize("column", ["folder", "Folder", "dir", "sub_folder", "image_dir"])
@pytest.mark.parametrize("root", ["", "images"])
def test_the_folder_is_joined_to_the_name(tmp_path: Path, column: str, root: str) -> None:
    source = read(tmp_path, column, root=root)
    assert labels_of(source) == PLACES
    assert any(f"the folders of the images are in the column {column!r}" in str(found) for found in source.findings)


def test_folders_of_another_machine(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, "folder", before="/data/photos/")) == PLACES


def test_an_image_is_not_taken_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"")  # beside the table
    assert labels_of(read(tmp_path, "folder")) == PLACES


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    """Such as the folder from which files were gathered."""
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "t.csv").write_text("folder,filename,label\nx,1.jpg,cat\ny,2.jpg,dog\n")
    source = read_source(tmp_path / "t.csv", Options())
    assert {s.image.name for split in source.samples.values() for s in split} == {"1.jpg", "2.jpg"}


TWICE = {f"{label}/{n}.jpg": label for label in ("cat", "dog") for n in (1, 2, 3)}


@pytest.mark.parametrize("above", ["", "images/", "train/"])
def test_the_folder_is_the_label(tmp_path: Path, above: str) -> None:
    images = [f"{above}{place}" for place in TWICE]
    rows = "".join(f"{place.split('/')[1]},{label}\n" for place, label in TWICE.items())
    folder = folder_with(tmp_path, {"t.csv": f"filename,class\n{rows}"}, images)
    source = read_source(folder / "t.csv", Options())
    assert labels_of(source) == TWICE
    assert "the images lie in folders called as their labels in the column 'class'" in messages(source)


def test_the_folder_is_the_label_in_each_split(tmp_path: Path) -> None:
    places = [(split, place) for split in ("train", "test") for place in TWICE]
    rows = "".join(f"{place.split('/')[1]},{place.split('/')[0]},{split}\n" for split, place in places)
    images = [f"{split}/{place}" for split, place in places]
    folder = folder_with(tmp_path, {"t.csv": f"filename,kind,split\n{rows}"}, images)
    source = read_source(folder / "t.csv", Options(label_column="kind"))
    found = {str(s.image.relative_to(folder)): s.labels[0] for split in source.samples.values() for s in split}
    assert found == {f"{split}/{place}": TWICE[place] for split, place in places}


def test_folders_called_like_labels_are_not_needed_where_names_are_clear(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"t.csv": "filename,class\n1.jpg,cat\n2.jpg,dog\n"}, ["1.jpg", "2.jpg", *TWICE])
    source = read_source(folder / "t.csv", Options())
    assert {s.image.parent for split in source.samples.values() for s in split} == {folder}
