"""The names of a table's columns: those that are known, and those that a person gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cnnrnn.data.images import SUFFIXES
from cnnrnn.data.reading import Record
from cnnrnn.data.split import DataError

# Compared without case, blanks and punctuation; the first that a table has is taken.
IMAGE = (
    *("image", "images", "imagefile", "imagepath", "imagefilename", "filepath", "filename", "fname", "file", "path"),
    *("imagename", "imageindex", "img", "imgpath", "imgname", "photo", "picture", "imageurl", "url", "imageid", "id"),
    "name",
)
LABELS = (
    *("labels", "label", "tags", "tag", "classes", "class", "categories", "category", "findinglabels", "labelname"),
    *("classname", "choice", "choices", "multilabel", "labellist", "annotations", "objects"),
    *("target", "targets"),
)


MOSTLY = 0.9  # share of a column's values by which its kind is told, so that the others are named as errors


@dataclass(frozen=True)
class ColumnNames:
    """Names given by a person; None for those that are to be found. `numbers` stand for labels if those have names."""

    image: str | None = None
    label: str | None = None
    split: str | None = None
    numbers: bool = False


def key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def is_image_column(name: str, given: str | None = None) -> bool:
    return name == given if given else key(name) in IMAGE


def is_label_column(name: str) -> bool:
    return key(name) in LABELS


def looks_like_image(value: object) -> bool:
    return isinstance(value, str) and PurePosixPath(value.strip()).suffix.lower() in SUFFIXES


def known(columns: list[str], names: Sequence[str]) -> list[str]:
    return sorted((name for name in columns if key(name) in names), key=lambda name: names.index(key(name)))


def given_name(path: Path, columns: list[str], name: str, option: str) -> str:
    if name not in columns:
        raise DataError(f"{path} has no column {name!r} for {option}; it has {shown(columns)}")
    return name


def shown(columns: list[str]) -> str:
    return ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")


def share(records: Sequence[Record], column: str, test: Callable[[object], object]) -> float:
    return sum(bool(test(record.values.get(column))) for record in records) / max(1, len(records))
