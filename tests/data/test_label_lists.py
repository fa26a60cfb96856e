"""A list of images for each label."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import folder_with, labels_by_image, messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import read_source

IMAGES = [f"im{n}.jpg" for n in range(1, 21)]
LISTS = {"animals": range(1, 14), "sky": range(8, 21), "sky_r1": (9, 20)}
LABELS = {image: {label for label, of in LISTS.items() if n in of} for n, image in enumerate(IMAGES, start=1)}


@pytest.mark.parametrize("line", ["{}", "im{}", "im{}.jpg", "./im{}.jpg", "C:\\photos\\im{}.jpg"])
@pytest.mark.parametrize("place", ["annotations/", ""])
def test_lists_named_like_labels(tmp_path: Path, line: str, place: str) -> None:
    files = {f"{place}{label}.txt": "".join(line.format(n) + "\n" for n in of) for label, of in LISTS.items()}
    source = read_source(folder_with(tmp_path, files, IMAGES), Options())
    assert source.kind == "a list of images for each label"
    assert labels_by_image(source) == LABELS
    assert not source.errors
    assert "several rows" not in messages(source)


def test_images_in_no_list_are_named(tmp_path: Path) -> None:
    files = {f"{label}.txt": "".join(f"{n}\n" for n in of) for label, of in LISTS.items()}
    source = read_source(folder_with(tmp_path, files, [*IMAGES, "im21.jpg"]), Options())
    assert labels_by_image(source) == LABELS
    assert "im21.jpg" in messages(source)


def test_splits_of_lists_beside_them(tmp_path: Path) -> None:
    files = {f"annotations/{label}.txt": "".join(f"im{n}.jpg\n" for n in of) for label, of in LISTS.items()}
    files |= {"train.txt": "\n".join(IMAGES[:12]), "val.txt": "\n".join(IMAGES[12:])}
    source = read_source(folder_with(tmp_path, files, IMAGES), Options())
    assert {split: len(samples) for split, samples in source.samples.items()} == {"train": 12, "val": 8}


@pytest.mark.parametrize(
    "files",
    [
        {"train.txt": "im1.jpg\nim2.jpg\n", "test.txt": "im3.jpg\n"},  # no labels at all
        {"cat.txt": "im1.jpg\nim2.jpg\n"},  # one alone may be any list
        {"cat.txt": "im1.jpg\nnothing\n", "dog.txt": "of this\nis an image\n"},
        {"1.txt": "a b c\n", "2.txt": "d e f\n"},
        {"ages.txt": "7\n8\n7\n", "heights.txt": "17\n18\n19\n"},
    ],
)
def test_other_texts_are_no_lists_of_labels(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(DataError, match="holds no annotations"):
        read_source(folder_with(tmp_path, files, IMAGES), Options())


def test_numbers_that_several_images_have_are_not_guessed(tmp_path: Path) -> None:
    files = {"cat.txt": "1\n2\n", "dog.txt": "2\n3\n"}
    with pytest.raises(DataError, match="holds no annotations"):
        read_source(folder_with(tmp_path, files, ["a1.jpg", "b1.jpg", "a2.jpg", "a3.jpg"]), Options())


def test_lists_of_images_in_one_json(tmp_path: Path) -> None:
    """Only of the file itself: in a folder, they may be the images of folds."""
    lists = {label: [f"im{n}.jpg" for n in of] for label, of in LISTS.items()}
    folder = folder_with(tmp_path, {"lists.json": lists}, IMAGES)
    assert labels_by_image(read_source(folder / "lists.json", Options())) == LABELS
    with pytest.raises(DataError, match=r"lists.json names no images with labels; if it does, give this file itself"):
        read_source(folder, Options())
