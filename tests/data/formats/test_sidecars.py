"""A text or JSON file beside each image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from source_helpers import folder_with, labels_by_image, labels_in_order, messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

LABELS = [["cat", "long hair"], ["dog"], ["cat", "dog", "sky"], ["sky"]] * 6
IMAGES = [f"{n:02}.jpg" for n in range(len(LABELS))]


def read(folder: Path, files: dict[str, Any], images: list[str] = IMAGES, **options: Any) -> Source:
    return read_source(folder_with(folder, files, images), Options(**options))


@pytest.mark.parametrize("name", ["{}.txt", "{}.TXT", "{}.jpg.txt", "{}.caption", "{}.json", "{}.jpg.json"])
@pytest.mark.parametrize("place", ["", "10_style/", "a/b/"])
def test_tags_in_a_file_beside_each_image(tmp_path: Path, name: str, place: str) -> None:
    def content(labels: list[str]) -> Any:
        return {"id": 7, "tags": labels, "width": 640} if name.endswith(".json") else ", ".join(labels) + "\n"

    files = {place + name.format(f"{n:02}"): content(labels) for n, labels in enumerate(LABELS)}
    source = read(tmp_path, files, [place + image for image in IMAGES])
    assert labels_in_order(source) == [set(labels) for labels in LABELS]
    assert "beside each image" in source.kind
    assert not source.errors
    assert "passed over" not in messages(source)


def test_labels_on_lines_of_their_own_and_none(tmp_path: Path) -> None:
    texts = ["\n".join(labels) for labels in LABELS]
    texts[5] = ""
    source = read(tmp_path, {image.replace("jpg", "txt"): text for image, text in zip(IMAGES, texts, strict=True)})
    assert labels_in_order(source) == [set(labels) if n != 5 else set() for n, labels in enumerate(LABELS)]
    assert "separated by line breaks" in source.kind


def test_json_that_is_a_list(tmp_path: Path) -> None:
    source = read(tmp_path, {f"{n:02}.json": labels for n, labels in enumerate(LABELS)})
    assert labels_in_order(source) == [set(labels) for labels in LABELS]


def test_images_without_such_a_file_are_named(tmp_path: Path) -> None:
    files = {f"{n:02}.txt": ", ".join(labels) for n, labels in enumerate(LABELS) if n > 2}
    source = read(tmp_path, files)
    assert set(labels_by_image(source)) == {*IMAGES[3:]}
    assert "3 of the 24 images" in messages(source)


def test_captions_are_refused(tmp_path: Path) -> None:
    files = {f"{n:02}.txt": f"a photograph of {n} cats that sit on a bench, and a dog" for n in range(24)}
    with pytest.raises(DataError, match="seem to hold captions, such as 'a photograph of 0 cats"):
        read(tmp_path, files)


def test_folders_called_like_labels_do_not_hide_the_labels_of_files(tmp_path: Path) -> None:
    places = [f"{'cat' if n % 2 else 'dog'}/{n:02}" for n in range(len(LABELS))]
    files = {f"{place}.txt": ", ".join(labels) for place, labels in zip(places, LABELS, strict=True)}
    images = [f"{place}.jpg" for place in places]
    with pytest.raises(DataError, match=r"a folder per label \(cat, dog\), but the files .*such as 03.jpg: sky\. "):
        read(tmp_path / "both", files, images)
    assert read(tmp_path / "folders", {}, images).labels == ("cat", "dog")  # as the error advises
    one_folder = read(tmp_path / "files", {Path(file).name: text for file, text in files.items()}, IMAGES)
    assert labels_in_order(one_folder) == [set(labels) for labels in LABELS]


@pytest.mark.parametrize("text", ["{label}", "a {label} that sits on the grass in summer", "id{n}"])
def test_files_without_other_labels_are_pointed_out(tmp_path: Path, text: str) -> None:
    images = [f"{label}/{n}.jpg" for label in ("cat", "dog") for n in range(8)]
    files = {image.replace("jpg", "txt"): text.format(label=image[:3], n=n) for n, image in enumerate(images)}
    source = read(tmp_path, files, images)
    assert source.labels == ("cat", "dog")
    assert "16 files called like images were not read" in messages(source)


def test_folders_that_tell_how_often_training_repeats_their_images_are_no_labels(tmp_path: Path) -> None:
    places = [f"{'10_anna woman' if n % 2 else '5_style'}/{n:02}" for n in range(len(LABELS))]
    files = {f"{place}.txt": ", ".join(labels) for place, labels in zip(places, LABELS, strict=True)}
    source = read(tmp_path, files, [f"{place}.jpg" for place in places])
    found = labels_by_image(source)
    assert [found[f"{n:02}.jpg"] for n in range(len(LABELS))] == [set(labels) for labels in LABELS]


def test_texts_beside_few_of_the_images_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no annotations"):
        read(tmp_path, {f"{n:02}.txt": "cat, dog" for n in range(11)})


def test_masks_beside_the_images_have_no_labels_of_their_own(tmp_path: Path) -> None:
    files = {f"{n:02}.txt": ", ".join(labels) for n, labels in enumerate(LABELS)}
    source = read(tmp_path, files, [*IMAGES, *(f"{n:02}_mask.jpg" for n in range(24))])
    assert labels_in_order(source) == [set(labels) for labels in LABELS]
    assert "24 of the 48 images" in messages(source)


def test_a_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    files: dict[str, Any] = {f"{n:02}.json": {"labels": labels} for n, labels in enumerate(LABELS)}
    with pytest.raises(DataError, match=r"03\.json holds no object with labels"):
        read(tmp_path, files | {"03.json": 5})


def test_a_table_is_read_whatever_lies_beside_the_images(tmp_path: Path) -> None:
    files = {f"{n:02}.txt": "furry, indoors" for n in range(24)}
    rows = [f"{image},{'cat' if n % 2 else 'dog'}\n" for n, image in enumerate(IMAGES)]
    table = "image,labels\n" + "".join(rows)
    assert read(tmp_path, files | {"labels.csv": table}).labels == ("cat", "dog")
    chart = read(tmp_path / "chart", {"labels.txt": table}, [*IMAGES, "labels.jpg"])  # called as the table is
    assert chart.labels == ("cat", "dog")


@pytest.mark.parametrize("place", ["{}/{}", "{}/train/{}", "train/{}/{}"])
@pytest.mark.parametrize("other", ["labels", "Tags", "annotations"])
def test_texts_in_a_folder_beside_that_of_the_images(tmp_path: Path, place: str, other: str) -> None:
    files = {place.format(other, f"{n:02}.txt"): ", ".join(labels) for n, labels in enumerate(LABELS)}
    source = read(tmp_path, files, [place.format("images", image) for image in IMAGES])
    assert labels_in_order(source) == [set(labels) for labels in LABELS]


def test_texts_of_another_split_are_not_taken(tmp_path: Path) -> None:
    files = {f"labels/train/{n:02}.txt": ", ".join(labels) for n, labels in enumerate(LABELS)}
    with pytest.raises(DataError):
        read(tmp_path, files, [f"images/test/{image}" for image in IMAGES])
