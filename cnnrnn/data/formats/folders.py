"""A folder per label, one label an image, with or without train/, val/ and test/ above."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.images import SUFFIXES
from cnnrnn.data.reading import Findings, Reading, Row

_NO_LABELS = {"images", "image", "imgs", "img", "jpegimages", "masks", "mask", "annotations", "labels", "thumbnails"}


def read(folder: Path, findings: Findings) -> Reading | None:
    """None if the folder is not laid out so: a single folder is no label, nor are images/ and masks/."""
    splits = {path: split_name(path.name) for path in _folders(folder) if next(_images(path), None)}
    if splits and all(splits.values()):
        rows = [row for place, split in splits.items() for row in _rows(place, folder, split)]
    else:
        rows = list(_rows(folder, folder, None))
    labels = {label for row in rows for label in row.labels}
    if len(labels) < 2 or {label.casefold() for label in labels} & _NO_LABELS:
        return None
    findings.note("the labels are the names of folders, so that every image has one; train with a table for several")
    return Reading("a folder per label", rows, folder, findings)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX")))


def _rows(folder: Path, root: Path, split: str | None) -> Iterator[Row]:
    for place in _folders(folder):
        for path in sorted(_images(place)):
            name = str(path.relative_to(root))
            yield Row(name, name, (place.name,), split)


def _images(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
