"""Which columns of a table hold images, labels and splits, and the rows that follow from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cnnrnn.data.formats.cells import Cells, Separator, flag
from cnnrnn.data.formats.splits import TEST, TRAIN, VAL, split_name, split_of_flag
from cnnrnn.data.images import SUFFIXES
from cnnrnn.data.reading import Findings, Record, Row
from cnnrnn.data.split import DataError

# Compared without case, blanks and punctuation; the first that a table has is taken.
_IMAGE = (
    *("image", "images", "imagefile", "imagepath", "imagefilename", "filepath", "filename", "fname", "file", "path"),
    *("imagename", "imageindex", "img", "imgpath", "imgname", "photo", "picture", "imageurl", "url", "imageid", "id"),
    "name",
)
_LABELS = (
    *("labels", "label", "tags", "tag", "classes", "class", "categories", "category", "findinglabels", "labelname"),
    *("classname", "choice", "choices", "multilabel", "labellist", "annotations", "objects"),
)
_SPLIT = ("split", "splits", "set", "subset", "partition", "isvalid")
_VIA = ("fileattributes", "regionattributes")  # columns of the VGG Image Annotator's CSV
_MOSTLY = 0.9  # share of a column's values by which its kind is told, so that the others are named as errors


@dataclass(frozen=True)
class ColumnNames:
    """Names given by a person; None for those that are to be found."""

    image: str | None = None
    label: str | None = None
    split: str | None = None


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def is_image_column(name: str, given: str | None = None) -> bool:
    return name == given if given else _key(name) in _IMAGE


def looks_like_image(value: object) -> bool:
    return isinstance(value, str) and PurePosixPath(value.strip()).suffix.lower() in SUFFIXES


def rows_of(
    path: Path, records: Sequence[Record], names: ColumnNames, separator: str | None, findings: Findings
) -> tuple[str, list[Row]]:
    """What the labels' columns are, for people, and the rows. Raises DataError where the columns are not clear."""
    columns = list(dict.fromkeys(name for record in records for name in record.values))
    image = _image_column(path, columns, records, names.image)
    splits = _split_column(path, columns, names.split)
    remaining = [name for name in columns if name not in (image, splits)]
    chosen = _label_columns(path, remaining, records, names.label)
    if chosen:
        kind, labels = _from_cells(path, records, chosen, separator, findings)
    else:
        chosen = _one_hot_columns(path, remaining, records)
        kind = f"one column for each of {len(chosen)} labels"
        labels = [_positive(path, record, chosen, findings) for record in records]
    if unused := [name for name in remaining if name not in chosen]:
        findings.note(f"columns of {path.name} that were not used: {', '.join(unused[:12])}")
    split_of = _splits(path, records, splits)
    rows = []
    for record, found, split in zip(records, labels, split_of, strict=True):
        written = record.values.get(image)
        if not isinstance(written, (str, int)) or not str(written).strip():
            raise DataError(f"{path}, {record.where}: the column {image!r} names no image")
        rows.append(Row(record.where, str(written).strip(), found, split))
    return f"images in the column {image!r}, {kind}", rows


def _image_column(path: Path, columns: list[str], records: Sequence[Record], given: str | None) -> str:
    if given:
        return _given(path, columns, given, "--image-column")
    if found := _known(columns, _IMAGE):
        naming = [name for name in found if _share(records, name, looks_like_image) > 0.5]
        return (naming or found)[0]
    naming = [name for name in columns if _share(records, name, looks_like_image) >= _MOSTLY]
    if len(naming) == 1:
        return naming[0]
    raise DataError(f"{path}: none of the columns {_shown(columns)} is known to name images; give --image-column NAME")


def _split_column(path: Path, columns: list[str], given: str | None) -> str | None:
    if given:
        return _given(path, columns, given, "--split-column")
    found = _known(columns, _SPLIT)
    return found[0] if found else None


def _label_columns(path: Path, columns: list[str], records: Sequence[Record], given: str | None) -> list[str]:
    """The column of labels, several such as label_1 and label_2, both columns of attributes of the VGG Image
    Annotator; none if there is a column for each label."""
    if given:
        return [_given(path, columns, given, "--label-column")]
    if via := [name for name in columns if _key(name) in _VIA]:
        return via
    found = _known(columns, _LABELS) or [name for name in columns if re.search("label|tag|categor|class", _key(name))]
    if len(found) > 1 and len({re.sub(r"\d+$", "", _key(name)) for name in found}) == 1:
        return found
    if len(found) > 1 and all(_is_flag(record.values.get(name)) for record in records for name in found):
        return []
    if len(found) > 1:
        raise DataError(f"{path}: the labels can be in the column {' or '.join(map(repr, found))}; give --label-column")
    return found


def _known(columns: list[str], names: Sequence[str]) -> list[str]:
    return sorted((name for name in columns if _key(name) in names), key=lambda name: names.index(_key(name)))


def _given(path: Path, columns: list[str], name: str, option: str) -> str:
    if name not in columns:
        raise DataError(f"{path} has no column {name!r} for {option}; it has {_shown(columns)}")
    return name


def _shown(columns: list[str]) -> str:
    return ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")


def _share(records: Sequence[Record], column: str, test: Any) -> float:
    return sum(bool(test(record.values.get(column))) for record in records) / max(1, len(records))


def _from_cells(
    path: Path, records: Sequence[Record], columns: list[str], separator: str | None, findings: Findings
) -> tuple[str, list[tuple[str, ...]]]:
    if lacking := [record.where for record in records if not any(name in record.values for name in columns)]:
        findings.warning(f"{len(lacking)} objects of {path.name} have no {columns[0]!r}; taken for no labels", lacking)
    cells = Cells(path, [(record.where, record.values.get(name)) for record in records for name in columns], findings)
    used: Separator = cells.separator(separator)
    flat = cells.labels(used)
    labels = [
        tuple(label for part in flat[start : start + len(columns)] for label in part)
        for start in range(0, len(flat), len(columns))
    ]
    return f"labels in {' and '.join(map(repr, columns))}, {used.description}", labels


def _one_hot_columns(path: Path, columns: list[str], records: Sequence[Record]) -> list[str]:
    """Columns of 0 and 1, true and false, or −1 and 1. A column that has something else in some rows is an error;
    one that mostly has something else, such as a width, is no label."""
    labels = []
    for name in columns:
        odd = [record for record in records if not _is_flag(record.values.get(name))]
        if not odd:
            labels.append(name)
        elif len(odd) <= (1 - _MOSTLY) * len(records):
            value = odd[0].values.get(name)
            raise DataError(
                f"{path}, {odd[0].where}: {value!r} in the column {name!r}; 0 or 1 was expected. "
                "Correct it, or remove the column if it is no label"
            )
    if not any(flag(record.values.get(name)) for record in records for name in labels):
        raise DataError(
            f"{path}: none of the columns {_shown(columns)} is known to hold labels, nor are they columns of 0 and 1; "
            "give --label-column NAME"
        )
    return labels


def _is_flag(value: object) -> bool:
    return value is None or flag(value) is not None


def _positive(path: Path, record: Record, columns: list[str], findings: Findings) -> tuple[str, ...]:
    values = {name: str(record.values.get(name, "")).strip().casefold() for name in columns}
    if {"-1", "0"} <= {value.removesuffix(".0") for value in values.values()}:
        findings.warning(f"{path.name} has 0 and -1; both were taken for a label that is absent")
    if "" in values.values() or "none" in values.values():
        findings.warning(f"{path.name} has empty cells in columns of labels; they were taken for absent labels")
    return tuple(name for name, value in values.items() if flag(value))


def _splits(path: Path, records: Sequence[Record], column: str | None) -> list[str | None]:
    """The split of every row. A column that is empty throughout is none."""
    if column is None:
        return [None] * len(records)
    values = ["" if (value := record.values.get(column)) is None else str(value).strip() for record in records]
    if not any(values):
        return [None] * len(records)
    read = split_of_flag if _key(column) == "isvalid" else split_name
    found = [read(value) for value in values]
    if wrong := [(record.where, value) for record, value, name in zip(records, values, found, strict=True) if not name]:
        allowed = "true or false" if read is split_of_flag else f"{TRAIN}, {VAL} or {TEST}"
        places = ", ".join(where for where, _ in wrong[:5])
        raise DataError(
            f"{path}: {wrong[0][1]!r} in the column {column!r} is no split ({len(wrong)} rows: {places}); "
            f"write {allowed}, or give the column another name if it is none of splits"
        )
    return list(found)
