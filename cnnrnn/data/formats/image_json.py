"""A JSON file per image, as LabelMe, Supervisely and SuperAnnotate write them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cnnrnn.data.formats import superannotate
from cnnrnn.data.formats.json_records import read_document
from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.formats.text import are_objects
from cnnrnn.data.formats.voc_xml import image_path
from cnnrnn.data.paths import files_below, is_file, relative_name
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import Boxes, DataError, box_around

LABELME, SUPERVISELY = "LabelMe's JSON, a file per image", "Supervisely's JSON, a file per image"
SUPERANNOTATE = "SuperAnnotate's JSON, a file per image"
_LOOKED_AT = 500  # JSON files of a folder, to tell what it is


def kind_of(content: Any) -> str | None:
    """The tool that wrote the annotation of one image."""
    if not isinstance(content, dict):
        return None
    if "imagePath" in content and are_objects(content.get("shapes")) and isinstance(content.get("flags") or {}, dict):
        return LABELME
    if "size" in content and are_objects(content.get("objects")) and are_objects(content.get("tags")):
        return SUPERVISELY
    return SUPERANNOTATE if superannotate.is_entry(content) else None


def is_data_set(folder: Path) -> bool:
    return any(_kind_of_file(path) for path in itertools.islice(_files(folder), _LOOKED_AT))


def _kind_of_file(path: Path) -> str | None:
    try:
        return kind_of(read_document(path, Findings()))
    except DataError:
        return None


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in files_below(folder) if path.suffix.lower() == ".json")


def read(folder: Path, findings: Findings) -> Reading:
    """The rows of all such files of a folder. Raises DataError for damaged ones, and where several tools wrote some."""
    rows, kinds, others, entries = [], set(), [], []
    files: dict[str, Path] = {}
    for path in _files(folder):
        content = read_document(path, findings)
        kind = kind_of(content)
        if kind is None:
            others.append(path.name)
            continue
        kinds.add(kind)
        if kind == SUPERANNOTATE:
            entries.append((path.name, _image_of_entry(path, content, folder), content))
            files[entries[-1][1]] = path
        else:  # not kept, as LabelMe writes the image itself into its file
            rows.append((_labelme if kind == LABELME else _supervisely)(path, content, folder, findings))
            files[rows[-1].image] = path
    if len(kinds) > 1:
        tools = sorted(kind.partition("'")[0] for kind in kinds)
        raise DataError(f"{folder} holds annotations of {' and of '.join(tools)}; give the folder of one of them")
    if others:
        findings.note(f"{len(others)} files that hold no annotations were passed over", others)
    kind = kinds.pop()
    boxes = {LABELME: _labelme_boxes, SUPERVISELY: _supervisely_boxes, SUPERANNOTATE: superannotate.boxes}[kind]
    rows = rows or superannotate.rows(folder, entries, findings)
    return Reading(kind, rows, folder, findings, boxes=lambda image: _boxes(files[image], boxes))


def _image_of_entry(path: Path, content: dict[str, Any], folder: Path) -> str:
    """1.png.json and 1.png___objects.json of SuperAnnotate are about 1.png, which lies beside or elsewhere."""
    name = str(content["metadata"].get("name") or path.stem.partition("___")[0])
    return relative_name(path.parent / name, folder) if is_file(path.parent / name) else name


def _labelme(path: Path, content: dict[str, Any], folder: Path, findings: Findings) -> Row:
    """The labels of all shapes, and the flags of the image that are true."""
    flags = content.get("flags") or {}
    if any(flags.values()):
        findings.note("flags of images that are true were read as labels, beside those of shapes")
    labels = [shape.get("label") for shape in content["shapes"]]
    if any(isinstance(own := shape.get("flags"), dict) and any(own.values()) for shape in content["shapes"]):
        findings.warning(
            "flags of shapes are true in some files, but were not read, only the labels of shapes and the flags of "
            "images; write a table with image and labels if they are labels"
        )
    if not isinstance(content["imagePath"] or "", str):
        raise DataError(
            f"{path}: imagePath is {content['imagePath']!r:.40}; write the name of a file, or save it again"
        )
    written = str(content["imagePath"]).replace("\\", "/")
    image = path.parent / written
    if not is_file(image):  # the name inside is that of another machine
        beside = image_path(path.parent, path.stem)
        image = beside if is_file(beside) else image
    return _row(path, image, folder, [*labels, *(name for name, value in flags.items() if value)])


def _supervisely(path: Path, content: dict[str, Any], folder: Path, findings: Findings) -> Row:
    """The classes of all objects and the tags of the image; ds/ann/1.jpg.json is about ds/img/1.jpg."""
    tags = [tag.get("name") for tag in content["tags"]]
    if any(tag.get("value") is not None for tag in content["tags"]):
        findings.warning("values of tags were not read, only their names")
    splits = [tag for tag in tags if split_name(tag)]
    labels = [item.get("classTitle") for item in content["objects"]]
    labels += [tag for tag in tags if tag not in splits or len(splits) > 1]
    image = path.parent.parent / "img" / path.stem
    return _row(path, image, folder, labels, splits[0] if len(splits) == 1 else None)


def _row(path: Path, image: Path, folder: Path, labels: list[Any], split: str | None = None) -> Row:
    if wrong := [label for label in labels if not isinstance(label, str) or not label.strip()]:
        raise DataError(f"{path} has an object whose label is {wrong[0]!r}; write one, or remove the object")
    name = relative_name(Path(os.path.normpath(image)), folder)
    return Row(path.name, name, tuple(dict.fromkeys(labels)), split)


def _boxes(path: Path, read: Callable[[dict[str, Any]], Boxes]) -> Boxes:
    try:
        return read(read_document(path, Findings()))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} has an object without an outline; draw it again, or remove the object") from None


def _labelme_boxes(content: dict[str, Any]) -> Boxes:
    """Around all points of a shape; a circle has its center and a point of its rim."""
    boxes: Boxes = {}
    for shape in content["shapes"]:
        xs, ys = zip(*shape["points"], strict=True)
        if shape.get("shape_type") == "circle":
            radius = ((xs[1] - xs[0]) ** 2 + (ys[1] - ys[0]) ** 2) ** 0.5
            xs, ys = (xs[0] - radius, xs[0] + radius), (ys[0] - radius, ys[0] + radius)
        boxes.setdefault(shape["label"], []).append(box_around(xs, ys))
    return boxes


def _supervisely_boxes(content: dict[str, Any]) -> Boxes:
    """Around the outline of every object; masks, which are compressed bitmaps, have none here."""
    boxes: Boxes = {}
    for item in content["objects"]:
        if outline := (item.get("points") or {}).get("exterior"):
            xs, ys = zip(*outline, strict=True)
            boxes.setdefault(item["classTitle"], []).append(box_around(xs, ys))
    return boxes
