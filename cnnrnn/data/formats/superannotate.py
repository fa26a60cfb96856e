"""SuperAnnotate's JSON: the instances of an image with their classes, and tags of the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.text import are_objects
from cnnrnn.data.reading import Findings, Row
from cnnrnn.data.split import Boxes, DataError, box_around

Entry = tuple[str, str, dict[str, Any]]  # the place, the image and its annotation


def is_entry(content: Any) -> bool:
    """Whether an object is about one image."""
    if not isinstance(content, dict) or not isinstance(content.get("metadata"), dict):
        return False
    return are_objects(content.get("instances")) and isinstance(content.get("tags") or [], list)


def is_export(content: Any) -> bool:
    """Whether a document is about several images: {image: entry}, or a list of entries."""
    entries = _by_image(content).values() if isinstance(content, dict) else content
    return isinstance(entries, (list, type({}.values()))) and bool(entries) and all(map(is_entry, entries))


def _by_image(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if not name.startswith("___")}  # such as ___sa_version___


def read(path: Path, content: Any, findings: Findings) -> list[Row]:
    """Raises DataError for an instance without a class."""
    if isinstance(content, dict):
        return rows(path, [(f"entry {name}", name, item) for name, item in _by_image(content).items()], findings)
    named = [(number, str(item["metadata"].get("name") or "")) for number, item in enumerate(content, start=1)]
    if unnamed := [number for number, name in named if not name]:
        raise DataError(f"{path}, entry {unnamed[0]}: metadata has no name of an image; export it again")
    entries = [(f"entry {number}", name, item) for (number, name), item in zip(named, content, strict=True)]
    return rows(path, entries, findings)


def rows(path: Path, entries: Sequence[Entry], findings: Findings) -> list[Row]:
    """Tags are labels if no image has an instance; beside instances, they may tell the state of the work."""
    tags = list(dict.fromkeys(str(tag) for _, _, item in entries for tag in item.get("tags") or ()))
    drawn = any(item["instances"] for _, _, item in entries)
    if drawn and tags:
        findings.warning("tags were not read, only the classes of instances", tags)
    found = []
    for where, image, item in entries:
        labels = [instance.get("className") for instance in item["instances"]] if drawn else item.get("tags") or []
        if not all(isinstance(label, str) and label.strip() for label in labels):
            raise DataError(f"{path}, {where}: an instance without className; give it a class, and export it again")
        found.append(Row(where, image, tuple(dict.fromkeys(labels))))
    return found


def boxes(content: dict[str, Any]) -> Boxes:
    """Around the points of an instance: two corners, or a list x, y, x, y …"""
    found: Boxes = {}
    for instance in content["instances"]:
        points = instance["points"]
        if isinstance(points, dict):
            xs, ys = (points["x1"], points["x2"]), (points["y1"], points["y2"])
        else:
            xs, ys = points[::2], points[1::2]
        found.setdefault(instance["className"], []).append(box_around(xs, ys))
    return found
