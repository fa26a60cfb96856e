"""Images that no row of a table names are pointed out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from source_helpers import folder_with, labels_by_image, messages

from cnnrnn.data import Options
from cnnrnn.data.source import read_source

NAMES = [f"pets/{n:02}.jpg" for n in range(20)]
TOLD = (
    "8 of the 20 images in the folders of the annotated images are in no row that was read, and not used: pets/12.jpg, "
    "pets/13.jpg, pets/14.jpg, …"
)
FILES = {
    "t.csv": "image,labels\n" + "".join(f"{name},cat|dog\n" for name in NAMES[:12]),
    "t.json": [{"image": name, "labels": ["cat", "dog"]} for name in NAMES[:12]],
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("as_folder", [True, False])
def test_images_in_no_row_are_told(tmp_path: Path, name: str, as_folder: bool) -> None:
    folder = folder_with(tmp_path, {name: FILES[name]}, [*NAMES, "elsewhere/1.jpg", "pets/.hidden.jpg"])
    source = read_source(folder if as_folder else folder / name, Options())
    assert len(labels_by_image(source)) == 12
    assert [found.message for found in source.findings if "in no row" in found.message] == [TOLD]
    assert [found.level for found in source.findings if "in no row" in found.message] == ["note"]


def test_images_that_all_have_a_row_need_no_remark(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"t.json": json.dumps(FILES["t.json"])}, [*NAMES[:12], "pets/notes.txt"])
    (folder / "pets" / "00.jpg").rename(folder / "pets" / "00.JPG")  # another spelling than the row has
    assert "in no row" not in messages(read_source(folder / "t.json", Options()))


def test_folders_of_labels_need_no_rows(tmp_path: Path) -> None:
    source = read_source(folder_with(tmp_path, {}, ["cat/1.jpg", "cat/2.jpg", "dog/3.jpg", "dog/4.jpg"]), Options())
    assert "in no row" not in messages(source)
