"""Which columns of a table hold images, labels and splits, and the rows that follow from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cnnrnn.data.formats.cells import Cells, Separator
from cnnrnn.data.formats.column_names import (
    IMAGE,
    LABELS,
    MOSTLY,
    ColumnNames,
    given_name,
    key,
    known,
    looks_like_image,
    share,
    shown,
)
from cnnrnn.data.formats.one_hot import is_flag, mark, one_hot_columns, positive_labels
from cnnrnn.data.formats.split_column import refuse_columns_of_splits, split_column, splits_of
from cnnrnn.data.reading import Findings, Record, Row
from cnnrnn.data.split import DataError

_VIA = ("fileattributes", "regionattributes")  # columns of the VGG Image Annotator's CSV


def rows_of(
    path: Path, records: Sequence[Record], names: ColumnNames, separator: str | None, findings: Findings
) -> tuple[str, list[Row]]:
    """What the labels' columns are, for people, and the rows. Raises DataError where the columns are not clear."""
    columns = list(dict.fromkeys(name for record in records for name in record.values))
    image = _image_column(path, columns, records, names.image)
    others = [name for name in columns if name not in (image, *_named(columns, names.label))]
    splits = split_column(path, others, records, names.split)
    remaining = [name for name in columns if name not in (image, splits)]
    chosen = _label_columns(path, remaining, records, names.label)
    if splits is None:
        refuse_columns_of_splits(path, [n for n in remaining if n not in chosen], records, one_hot=not chosen)
    if chosen:
        kind, labels = _from_cells(path, records, chosen, names.numbers, separator, findings)
        labels = _without_rejected(path, records, remaining, labels, findings)
    else:
        chosen = one_hot_columns(path, remaining, records, findings)
        kind = f"one column for each of {len(chosen)} labels"
        labels = [positive_labels(path, record, chosen, findings) for record in records]
    if unused := [name for name in remaining if name not in chosen]:
        findings.note(f"columns of {path.name} that were not used: {', '.join(unused[:12])}")
    split_of = splits_of(path, records, splits)
    rows = []
    for record, found, split in zip(records, labels, split_of, strict=True):
        written = record.values.get(image)
        if isinstance(written, dict):  # of Hugging Face
            written = written.get("path") or written.get("src")
        if not isinstance(written, (str, int)) or not str(written).strip():
            raise DataError(
                f"{path}, {record.where}: the column {image!r} names no image; write the name of one file (of merged "
                "cells, only the first row has it)"
            )
        rows.append(Row(record.where, str(written).strip(), found, split))
    return f"images in the column {image!r}, {kind}", rows


def describes_images(path: Path, records: Sequence[Record], names: ColumnNames) -> bool:
    """Whether there are columns of images and of labels, faulty or unclear as they may be."""
    columns = list(dict.fromkeys(name for record in records for name in record.values))
    if any(given and given not in columns for given in (names.image, names.label, names.split)):
        return False
    try:
        image = _image_column(path, columns, records, names.image)
    except DataError:
        return False
    others = [name for name in columns if name != image]
    if names.label or known(others, LABELS) or _sounding_like_labels(others) or {*map(key, others)} & {*_VIA}:
        return True
    return any(share(records, name, lambda value: mark(value) is not None) > 0.5 for name in others)


def _image_column(path: Path, columns: list[str], records: Sequence[Record], given: str | None) -> str:
    if given:
        return given_name(path, columns, given, "--image-column")
    if found := known(columns, IMAGE):
        naming = [name for name in found if share(records, name, looks_like_image) > 0.5]
        return (naming or found)[0]
    naming = [name for name in columns if share(records, name, looks_like_image) >= MOSTLY]
    if len(naming) == 1:
        return naming[0]
    raise DataError(f"{path}: none of the columns {shown(columns)} is known to name images; give --image-column NAME")


def _label_columns(path: Path, columns: list[str], records: Sequence[Record], given: str | None) -> list[str]:
    """The column of labels, several such as label_1 and label_2, both columns of attributes of the VGG Image
    Annotator; none if there is a column for each label."""
    if given:
        return [given_name(path, columns, name, "--label-column") for name in _named(columns, given)]
    if via := [name for name in columns if key(name) in _VIA]:
        return via
    exact = known(columns, LABELS)
    found = exact or _sounding_like_labels(columns)
    if len(found) > 1 and len({re.sub(r"\d+$", "", key(name)) for name in found}) == 1:
        return found
    if (len(found) > 1 or not exact) and all(is_flag(record.values.get(name)) for record in records for name in found):
        return []
    if len(found) > 1:
        raise DataError(
            f"{path}: the labels can be in the column {' or '.join(map(repr, found))}; give --label-column, several of "
            "them with commas between"
        )
    return found


def _named(columns: Sequence[str], given: str | None) -> list[str]:
    """The columns of --label-column: one, or several with commas between."""
    if given is None:
        return []
    return [given] if given in columns else [part.strip() for part in given.split(",")]


def _sounding_like_labels(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if re.search("label|tag|categor|class", key(name))]


def _from_cells(
    path: Path,
    records: Sequence[Record],
    columns: list[str],
    numbers: bool,
    separator: str | None,
    findings: Findings,
) -> tuple[str, list[tuple[str, ...]]]:
    if lacking := [record.where for record in records if not any(name in record.values for name in columns)]:
        findings.warning(f"{len(lacking)} objects of {path.name} have no {columns[0]!r}; taken for no labels", lacking)
    values = [(record.where, record.values.get(name)) for record in records for name in columns]
    cells = Cells(path, values, findings, numbers)
    used: Separator = cells.separator(separator)
    flat = cells.labels(used)
    labels = [
        tuple(label for part in flat[start : start + len(columns)] for label in part)
        for start in range(0, len(flat), len(columns))
    ]
    return f"labels in {' and '.join(map(repr, columns))}, {used.description}", labels


def _without_rejected(
    path: Path,
    records: Sequence[Record],
    columns: list[str],
    labels: list[tuple[str, ...]],
    findings: Findings,
) -> list[tuple[str, ...]]:
    """Without the labels that Open Images lists as verified to be absent, by a confidence of 0."""
    for name in columns:
        if key(name) == "confidence" and all(is_flag(record.values.get(name)) for record in records):
            absent = [record.where for record in records if not mark(record.values.get(name))]
            if absent and len(absent) < len(records):
                findings.warning(
                    f"{len(absent)} rows of {path.name} have 0 in {name!r}; their labels are absent", absent
                )
                return [
                    found if mark(record.values.get(name)) else ()
                    for record, found in zip(records, labels, strict=True)
                ]
    return labels
