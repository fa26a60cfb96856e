"""SuperAnnotate's JSON: one file for all images, or a file per image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_by_image as labels_of
from source_helpers import messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import read_source

CLASSES = {"1.png": ["cat", "dog", "cat"], "2.png": ["dog"], "3.png": []}
EXPECTED = {"1.png": {"cat", "dog"}, "2.png": {"dog"}, "3.png": set()}


def entry(image: str, tags: list[str]) -> dict[str, Any]:
    instances = [
        {"type": "bbox", "className": name, "points": {"x1": 1, "x2": 5, "y1": 2, "y2": 4}, "attributes": []}
        for name in CLASSES[image]
    ]
    return {"instances": instances, "tags": tags, "metadata": {"name": image, "width": 9, "height": 9}}


def make(root: Path, files: dict[str, Any]) -> Path:
    for name in (*CLASSES, *files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(files.get(name, "")))
    return root


def layouts(tags: list[str]) -> list[dict[str, Any]]:
    entries = {image: entry(image, tags) for image in CLASSES}
    return [
        {"annotations.json": entries},
        {"annotations.json": {"___sa_version___": "1.0.1", **entries}},
        {"annotations.json": list(entries.values())},
        {f"{image}___objects.json": found for image, found in entries.items()} | {"classes/classes.json": [{"id": 1}]},
        {f"annotations/{image}.json": found for image, found in entries.items()},
    ]


@pytest.mark.parametrize("number", range(5))
def test_the_classes_of_instances_are_the_labels(tmp_path: Path, number: int) -> None:
    source = read_source(make(tmp_path, layouts(["todo"])[number]), Options())
    assert labels_of(source) == EXPECTED
    assert "tags were not read, only the classes of instances (todo)" in messages(source)
    source = read_source(make(tmp_path, layouts([])[number]), Options())
    assert labels_of(source) == EXPECTED
    assert "tags" not in messages(source)
    assert "png.json" not in messages(source)


@pytest.mark.parametrize("number", range(5))
def test_tags_are_the_labels_where_nothing_has_instances(tmp_path: Path, number: int) -> None:
    layout = layouts(["sunny"])[number]
    text = json.dumps(layout)
    for classes in CLASSES.values():
        text = text.replace(
            json.dumps(entry(next(k for k, v in CLASSES.items() if v == classes), [])["instances"]), "[]"
        )
    source = read_source(make(tmp_path, json.loads(text)), Options())
    assert labels_of(source) == {image: {"sunny"} for image in CLASSES}


def test_boxes(tmp_path: Path) -> None:
    source = read_source(make(tmp_path, layouts([])[3]), Options())
    assert source.boxes is not None
    (sample,) = (s for split in source.samples.values() for s in split if s.image.name == "2.png")
    assert source.boxes(sample) == {"dog": [(1, 2, 5, 4)]}


def test_the_file_of_one_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is the annotation of one image, of SuperAnnotate; give the folder"):
        read_source(make(tmp_path, {"1.png.json": entry("1.png", [])}) / "1.png.json", Options())


def test_an_instance_without_a_class(tmp_path: Path) -> None:
    content = {"1.png": entry("1.png", [])}
    content["1.png"]["instances"][0]["className"] = None
    with pytest.raises(DataError, match=r"an instance without className; give it a class"):
        read_source(make(tmp_path, {"a.json": content}), Options())
