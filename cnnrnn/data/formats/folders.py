"""A folder per label, one label an image, with or without train/, val/ and test/ above."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.images import SUFFIXES
from cnnrnn.data.reading import Findings, Reading, Row

_CONTAINERS = {"images", "image", "imgs", "img", "photos", "pictures", "data", "jpegimages"}  # no labels


def read(folder: Path, findings: Findings) -> Reading | None:
    """None if the folder is not laid out so."""
    splits = {path: split_name(path.name) for path in _folders(folder)}
    if splits and all(splits.values()):
        rows = [row for place, split in splits.items() for row in _rows(place, folder, split)]
    else:
        rows = list(_rows(folder, folder, None))
    labels = {label for row in rows for label in row.labels}
    if not rows or (len(labels) == 1 and labels.pop().casefold() in _CONTAINERS):
        return None
    findings.note("the labels are the names of folders, so that every image has one; train with a table for several")
    return Reading("a folder per label", rows, folder, findings)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX")))


def _rows(folder: Path, root: Path, split: str | None) -> Iterator[Row]:
    for place in _folders(folder):
        for path in sorted(place.rglob("*")):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                name = str(path.relative_to(root))
                yield Row(name, name, (place.name,), split)
