"""LabelMe's and Supervisely's annotations: a JSON file per image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source


def make(root: Path, files: dict[str, Any], *images: str) -> Path:
    for name in (*files, *images):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        content = files.get(name, "")
        (root / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return root


def labels_of(source: Source) -> dict[str, dict[str, set[str]]]:
    return {name: {s.image.name: set(s.labels) for s in split} for name, split in source.samples.items()}


def shape(label: Any, *points: tuple[float, float], kind: str = "polygon") -> dict[str, Any]:
    return {"label": label, "points": points or [(10, 40), (30, 20)], "group_id": None, "shape_type": kind, "flags": {}}


def labelme(image: str, *shapes: dict[str, Any], **flags: bool) -> dict[str, Any]:
    return {"version": "5.4.1", "flags": flags, "shapes": shapes, "imagePath": image, "imageData": "aGk="}


def supervisely(*classes: str, tags: tuple[str, ...] = (), value: Any = None) -> dict[str, Any]:
    objects = [{"classTitle": name, "points": {"exterior": [[1, 2], [5, 9]], "interior": []}} for name in classes]
    tag_list = [{"name": name, "value": value} for name in tags]
    return {"description": "", "tags": tag_list, "size": {"height": 9, "width": 9}, "objects": objects}


EXPECTED = {"train": {"1.jpg": {"cat", "dog"}, "2.jpg": {"dog"}}, "val": {"3.jpg": set()}}


def test_labelme_beside_the_images(tmp_path: Path) -> None:
    files = {
        "train/1.json": labelme("1.jpg", shape("cat"), shape("cat"), shape("dog")),
        "train/2.json": labelme("C:\\photos\\2.jpg", shape("dog")),
        "val/3.json": labelme("3.jpg"),
        "labels.txt": "__ignore__\ncat\n",
    }
    source = read_source(make(tmp_path, files, "train/1.jpg", "train/2.jpg", "val/3.jpg"), Options())
    assert labels_of(source) == EXPECTED
    assert source.kind == "LabelMe's JSON, a file per image"
    assert not source.errors


def test_labelme_in_a_folder_of_its_own_and_flags(tmp_path: Path) -> None:
    files = {"json/1.json": labelme("..\\photos\\1.jpg", cat=True, dog=True, cow=False)}
    files |= {"json/2.json": labelme("../photos/2.jpg", shape("dog")), "json/about.json": {"a": 1}}
    source = read_source(make(tmp_path, files, "photos/1.jpg", "photos/2.jpg"), Options())
    found = {image: labels for split in labels_of(source).values() for image, labels in split.items()}
    assert found == EXPECTED["train"]
    assert {s.image for split in source.samples.values() for s in split} == {
        tmp_path / "photos/1.jpg",
        tmp_path / "photos/2.jpg",
    }
    messages = [str(found) for found in source.findings]
    assert "flags of images that are true were read as labels, beside those of shapes" in messages
    assert "1 files that hold no annotations were passed over (about.json)" in messages


def test_supervisely_with_splits_of_folders_and_of_tags(tmp_path: Path) -> None:
    meta = {"classes": [{"title": "cat"}], "tags": [], "projectType": "images"}
    files = {
        "meta.json": meta,
        "train/ann/1.jpg.json": supervisely("cat", "cat", tags=("dog",)),
        "train/ann/2.jpg.json": supervisely("dog"),
        "val/ann/3.jpg.json": supervisely(),
    }
    source = read_source(make(tmp_path / "a", files, "train/img/1.jpg", "train/img/2.jpg", "val/img/3.jpg"), Options())
    assert labels_of(source) == EXPECTED
    assert source.kind == "Supervisely's JSON, a file per image"
    files = {
        "ds0/ann/1.jpg.json": supervisely("cat", "dog", tags=("train",)),
        "ds0/ann/2.jpg.json": supervisely("dog", tags=("train",)),
        "ds0/ann/3.jpg.json": supervisely(tags=("Val",)),
    }
    source = read_source(make(tmp_path / "b", files, *(f"ds0/img/{n}.jpg" for n in (1, 2, 3))), Options())
    assert labels_of(source) == EXPECTED


def test_values_of_tags_are_pointed_out(tmp_path: Path) -> None:
    files = {"ds/ann/1.jpg.json": supervisely(tags=("color",), value="red"), "ds/ann/2.jpg.json": supervisely("cat")}
    source = read_source(make(tmp_path, files, "ds/img/1.jpg", "ds/img/2.jpg"), Options())
    assert "values of tags were not read, only their names" in map(str, source.findings)


def test_boxes_around_shapes(tmp_path: Path) -> None:
    circle = shape("sun", (10, 10), (13, 14), kind="circle")
    files = {"1.json": labelme("1.jpg", shape("cat"), circle), "2.json": labelme("2.jpg", shape("cat"))}
    source = read_source(make(tmp_path / "a", files, "1.jpg", "2.jpg"), Options())
    assert source.boxes is not None
    boxes = {s.image.name: source.boxes(s) for split in source.samples.values() for s in split}
    assert boxes["1.jpg"] == {"cat": [(10, 20, 30, 40)], "sun": [(5, 5, 15, 15)]}
    files = {f"ds/ann/{n}.jpg.json": supervisely("cat") for n in (1, 2)}
    source = read_source(make(tmp_path / "b", files, "ds/img/1.jpg", "ds/img/2.jpg"), Options())
    assert source.boxes is not None
    assert source.boxes(next(iter(source.samples["train"]))) == {"cat": [(1, 2, 5, 9)]}


def test_an_object_without_an_outline_is_told(tmp_path: Path) -> None:
    files = {"1.json": labelme("1.jpg", {"label": "cat", "points": [[1]]}), "2.json": labelme("2.jpg", shape("cat"))}
    source = read_source(make(tmp_path, files, "1.jpg", "2.jpg"), Options(val_fraction=0.5))
    (sample,) = (s for split in source.samples.values() for s in split if s.image.name == "1.jpg")
    assert source.boxes is not None
    with pytest.raises(DataError, match=r"1\.json has an object without an outline; draw it again"):
        source.boxes(sample)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1.json": labelme("1.jpg", shape(" "))}, r"1\.json has an object whose label is ' '"),
        ({"1.json": labelme("1.jpg", shape(None))}, r"1\.json has an object whose label is None"),
        ({"ann/2.jpg.json": supervisely("cat")}, "of LabelMe and of Supervisely; give the folder of one"),
        ({"3.json": "{"}, r"3\.json is no JSON"),
        (
            {"3.json": labelme("3.jpg") | {"imagePath": ["3.jpg"]}},
            r"3\.json: imagePath is \['3\.jpg'\]; write the name",
        ),
    ],
)
def test_faults(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    good = {"1.json": labelme("1.jpg", shape("cat")), "2.json": labelme("2.jpg", shape("dog"))}
    with pytest.raises(DataError, match=message):
        read_source(make(tmp_path, good | files, "1.jpg", "2.jpg"), Options())


def test_flags_of_shapes_are_pointed_out(tmp_path: Path) -> None:
    files = {f"{n}.json": labelme(f"{n}.jpg", shape("animal") | {"flags": {"cat": n == 1}}) for n in (1, 2)}
    source = read_source(make(tmp_path, files, "1.jpg", "2.jpg"), Options())
    assert source.labels == ("animal",)
    assert any("flags of shapes are true in some files, but were not read" in str(found) for found in source.findings)
    files = {f"{n}.json": labelme(f"{n}.jpg", shape("animal") | {"flags": {"cat": False}}) for n in (1, 2)}
    assert not any("flags" in str(found) for found in read_source(make(tmp_path, files), Options()).findings)
