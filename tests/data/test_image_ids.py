"""Tables that name images by ids, beside one with the file of each id."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import folder_with, labels_by_image, messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

IMAGES = ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]  # whose numbers are those of other images
FILES = "image_id,file_name\n1,0.jpg\n2,1.jpg\n3,2.jpg\n0,3.jpg\n"
LABELS = "image_id,label\n1,cat\n1,dog\n2,dog\n3,cat\n0,cat\n"
FOUND = {"0.jpg": {"cat", "dog"}, "1.jpg": {"dog"}, "2.jpg": {"cat"}, "3.jpg": {"cat"}}


def read(folder: Path, files: dict[str, str], place: str = "labels.csv") -> Source:
    return read_source(folder_with(folder, files, IMAGES) / place, Options())


@pytest.mark.parametrize("place", ["labels.csv", "."])
@pytest.mark.parametrize("name", ["images.csv", "a.tsv"])
def test_the_files_are_those_of_the_other_table(tmp_path: Path, place: str, name: str) -> None:
    text = FILES.replace(",", "\t") if name.endswith("tsv") else FILES
    source = read(tmp_path, {"labels.csv": LABELS, name: text}, place)
    assert labels_by_image(source) == FOUND
    assert f"the files of the images are those of the column 'image_id' in {name}" in messages(source)


def test_an_id_that_the_other_table_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"line 7: '9' is not in the column 'image_id' of images.csv, .* remove the row"
    ):
        read(tmp_path, {"labels.csv": f"{LABELS}9,dog\n", "images.csv": FILES})


def test_the_splits_are_those_of_the_other_table(tmp_path: Path) -> None:
    splits = ["split", "train", "train", "val", "test"]
    files = "".join(f"{line},{split}\n" for line, split in zip(FILES.split(), splits, strict=True))
    source = read(tmp_path, {"labels.csv": LABELS, "images.csv": files})
    assert {sample.image.name: name for name, samples in source.samples.items() for sample in samples} == (
        {"0.jpg": "train", "1.jpg": "train", "2.jpg": "val", "3.jpg": "test"}
    )


@pytest.mark.parametrize(
    "other",
    [
        FILES.replace("image_id", "row"),  # another column
        "image_id,file_name\n11,0.jpg\n12,1.jpg\n13,2.jpg\n10,3.jpg\n",  # other ids
        f"{FILES}1,3.jpg\n",  # an id twice
        FILES.replace("file_name", "file_name,mask").replace(".jpg", ".jpg,m.png"),  # several files
        FILES.replace("file_name", "thumbnail"),
        "image_id,file_name\n1,a.jpg\n2,b.jpg\n3,c.jpg\n0,d.jpg\n",  # of files that are not there
        "image_id,width\n1,640\n2,640\n3,640\n0,640\n",
    ],
)
def test_other_tables_are_left_alone(tmp_path: Path, other: str) -> None:
    source = read(tmp_path, {"labels.csv": LABELS, "images.csv": other})
    assert labels_by_image(source) == {"1.jpg": {"cat", "dog"}, "2.jpg": {"dog"}, "3.jpg": {"cat"}, "0.jpg": {"cat"}}


def test_names_of_files_need_no_other_table(tmp_path: Path) -> None:
    names = "image_id,label\n" + "".join(f"{image},cat\n" for image in IMAGES)
    renamed = "image_id,file_name\n" + "".join(f"{image},a{image}\n" for image in IMAGES)
    assert {*labels_by_image(read(tmp_path, {"labels.csv": names, "images.csv": renamed}))} == {*IMAGES}


@pytest.mark.parametrize(("own", "other"), [("image_id", "id"), ("ImageID", "ID"), ("id", "image_id")])
def test_the_id_of_images_is_the_image_id_of_labels(tmp_path: Path, own: str, other: str) -> None:
    files = {"labels.csv": LABELS.replace("image_id", own), "images.csv": FILES.replace("image_id", other)}
    assert labels_by_image(read(tmp_path, files)) == FOUND
