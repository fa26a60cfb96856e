"""Which columns of a table hold images, labels and splits, and the rows that follow from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cnnrnn.data.formats.cells import Cells, Separator, flag
from cnnrnn.data.formats.splits import TEST, TRAIN, VAL, split_name
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
    *("target", "targets"),
)
_SPLIT = ("split", "splits", "set", "subset", "partition", "datasplit")
_NO_LABEL = r"unnamed\d*|level\d|index|rownames?|k?folds?"  # numbers of rows and of parts for cross-validation
# What people write into a column of a label, besides what `flag` knows. German, French, Spanish and Italian
# spreadsheets have words of their own for true and false.
_YES = {"x", "y", "t", "✓", "✔", "wahr", "vrai", "verdadero", "vero", "1,0"}
_NO = {"n", "f", "falsch", "faux", "falso", "0,0", "na", "n/a", "#n/a", "<na>"}
_VIA = ("fileattributes", "regionattributes")  # columns of the VGG Image Annotator's CSV
_WORDS = f"{TRAIN}, {VAL} or {TEST}"
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


def is_label_column(name: str) -> bool:
    return _key(name) in _LABELS


def looks_like_image(value: object) -> bool:
    return isinstance(value, str) and PurePosixPath(value.strip()).suffix.lower() in SUFFIXES


def rows_of(
    path: Path, records: Sequence[Record], names: ColumnNames, separator: str | None, findings: Findings
) -> tuple[str, list[Row]]:
    """What the labels' columns are, for people, and the rows. Raises DataError where the columns are not clear."""
    columns = list(dict.fromkeys(name for record in records for name in record.values))
    image = _image_column(path, columns, records, names.image)
    splits = _split_column(path, [name for name in columns if name != image], records, names.split)
    remaining = [name for name in columns if name not in (image, splits)]
    chosen = _label_columns(path, remaining, records, names.label)
    if splits is None:
        _refuse_columns_of_splits(path, [n for n in remaining if n not in chosen], records, one_hot=not chosen)
    if chosen:
        kind, labels = _from_cells(path, records, chosen, separator, findings)
        labels = _without_rejected(path, records, remaining, labels, findings)
    else:
        chosen = _one_hot_columns(path, remaining, records, findings)
        kind = f"one column for each of {len(chosen)} labels"
        labels = [_positive(path, record, chosen, findings) for record in records]
    if unused := [name for name in remaining if name not in chosen]:
        findings.note(f"columns of {path.name} that were not used: {', '.join(unused[:12])}")
    split_of = _splits(path, records, splits)
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
    if names.label or _known(others, _LABELS) or _sounding_like_labels(others) or {*map(_key, others)} & {*_VIA}:
        return True
    return any(_share(records, name, lambda value: _mark(value) is not None) > 0.5 for name in others)


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


def _split_column(path: Path, columns: list[str], records: Sequence[Record], given: str | None) -> str | None:
    """The column with a known name, or the one whose values are mostly names of splits."""
    if given:
        return _given(path, columns, given, "--split-column")
    if found := _known(columns, _SPLIT):
        return found[0]
    if len(found := [name for name in columns if not split_name(name) and _split_of_flag(name)]) > 1:
        raise DataError(
            f"{path}: splits are in the columns {' and '.join(map(repr, found))}; write one column split with {_WORDS}"
        )
    if not found:
        others = [name for name in columns if _key(name) not in _LABELS]
        found = [name for name in others if _share(records, name, split_name) > 0.5]
    if len(found) > 1:
        raise DataError(f"{path}: the splits can be in the column {' or '.join(map(repr, found))}; give --split-column")
    return found[0] if found else None


def _label_columns(path: Path, columns: list[str], records: Sequence[Record], given: str | None) -> list[str]:
    """The column of labels, several such as label_1 and label_2, both columns of attributes of the VGG Image
    Annotator; none if there is a column for each label."""
    if given:
        parts = [given] if given in columns else [part.strip() for part in given.split(",")]
        return [_given(path, columns, part, "--label-column") for part in parts]
    if via := [name for name in columns if _key(name) in _VIA]:
        return via
    known = _known(columns, _LABELS)
    found = known or _sounding_like_labels(columns)
    if len(found) > 1 and len({re.sub(r"\d+$", "", _key(name)) for name in found}) == 1:
        return found
    if (len(found) > 1 or not known) and all(_is_flag(record.values.get(name)) for record in records for name in found):
        return []
    if len(found) > 1:
        raise DataError(
            f"{path}: the labels can be in the column {' or '.join(map(repr, found))}; give --label-column, several of "
            "them with commas between"
        )
    return found


def _sounding_like_labels(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if re.search("label|tag|categor|class", _key(name))]


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


def _without_rejected(
    path: Path,
    records: Sequence[Record],
    columns: list[str],
    labels: list[tuple[str, ...]],
    findings: Findings,
) -> list[tuple[str, ...]]:
    """Without the labels that Open Images lists as verified to be absent, by a confidence of 0."""
    for name in columns:
        if _key(name) == "confidence" and all(_is_flag(record.values.get(name)) for record in records):
            absent = [record.where for record in records if not _mark(record.values.get(name))]
            if absent and len(absent) < len(records):
                findings.warning(
                    f"{len(absent)} rows of {path.name} have 0 in {name!r}; their labels are absent", absent
                )
                return [
                    found if _mark(record.values.get(name)) else ()
                    for record, found in zip(records, labels, strict=True)
                ]
    return labels


def _one_hot_columns(path: Path, columns: list[str], records: Sequence[Record], findings: Findings) -> list[str]:
    """Columns of 0 and 1, true and false, or −1 and 1. A column that has something else in some rows is an error;
    one that mostly has something else, such as a width, is no label."""
    labels = []
    for name in columns:
        values = [record.values.get(name) for record in records]
        odd = [record for record, value in zip(records, values, strict=True) if not _is_flag(value)]
        if re.fullmatch(_NO_LABEL, _key(name)):
            continue
        if not odd:
            labels.append(name)
        elif len(odd) <= (1 - _MOSTLY) * len(records) or _counts_or_probabilities(values, len(odd)):
            value = odd[0].values.get(name)
            raise DataError(
                f"{path}, {odd[0].where}: {value!r} in the column {name!r}; 0 or 1 was expected. "
                "Correct it, or remove the column if it is no label"
            )
    constant = [name for name in labels if all(_mark(record.values.get(name)) for record in records)]
    if not any(_mark(record.values.get(name)) for record in records for name in labels) or (
        len(constant) == len(labels) and len(records) > 1
    ):
        if not columns:
            raise DataError(f"{path} names images, but has no column of labels; add one")
        raise DataError(
            f"{path}: none of the columns {_shown(columns)} is known to hold labels, nor are they columns of 0 and 1; "
            "give --label-column NAME"
        )
    if constant and len(records) > 1:
        findings.warning(
            f"all images have what these columns name; remove them if they are no labels: {_shown(constant)}"
        )
    return labels


def _counts_or_probabilities(values: Sequence[object], odd: int) -> bool:
    """Whether the numbers of a column are likely meant for a label, though they are not 0 and 1."""
    numbers = [number for value in values if (number := _number(value)) is not None]
    return len(numbers) == len(values) and (odd < len(values) / 2 or all(0 <= number <= 1 for number in numbers))


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _is_flag(value: object) -> bool:
    return value is None or _mark(value) is not None


def _mark(value: object) -> bool | None:
    """`flag`, and the marks and words of spreadsheets."""
    word = str(value).strip().casefold()
    return True if word in _YES else False if word in _NO else flag(value)


def _positive(path: Path, record: Record, columns: list[str], findings: Findings) -> tuple[str, ...]:
    values = {name: str(record.values.get(name, "")).strip().casefold() for name in columns}
    if {"-1", "0"} <= {value.removesuffix(".0") for value in values.values()}:
        findings.warning(f"{path.name} has 0 and -1; both were taken for a label that is absent")
    if {"", "none", "nan", "na", "n/a", "#n/a", "<na>"} & {*values.values()}:
        findings.warning(f"{path.name} has empty cells in columns of labels; they were taken for absent labels")
    return tuple(name for name, value in values.items() if _mark(value))


def _splits(path: Path, records: Sequence[Record], column: str | None) -> list[str | None]:
    """The split of every row. A column that is empty throughout is none."""
    if column is None:
        return [None] * len(records)
    values = ["" if (value := record.values.get(column)) is None else str(value).strip() for record in records]
    if not any(values):
        return [None] * len(records)
    meant = _split_of_flag(column)
    if meant and all(_mark(value) is not None for value in values):
        return _splits_of_flags(path, [bool(_mark(value)) for value in values], column, meant)
    found = [split_name(value) for value in values]
    if wrong := [(record.where, value) for record, value, name in zip(records, values, found, strict=True) if not name]:
        places = ", ".join(where for where, _ in wrong[:5])
        raise DataError(
            f"{path}: {wrong[0][1]!r} in the column {column!r} is no split ({len(wrong)} rows: {places}); "
            f"write {_WORDS}, or give the column another name if it is none of splits"
        )
    return list(found)


def _split_of_flag(column: str) -> str | None:
    """The split that a column such as is_valid or in_test speaks of."""
    return split_name(re.sub("^i[sn]", "", _key(column)))


def _splits_of_flags(path: Path, flags: list[bool], column: str, meant: str) -> list[str | None]:
    """Of a column such as is_valid or is_test; the other images are in train."""
    if meant == TRAIN and not all(flags):
        raise DataError(
            f"{path}: the column {column!r} does not tell if the other images are val or test; write a column split "
            f"with {_WORDS}"
        )
    return [meant if value else TRAIN for value in flags]


def _refuse_columns_of_splits(path: Path, columns: list[str], records: Sequence[Record], one_hot: bool) -> None:
    """Columns such as valid, or train and test, that hold 0 and 1. Beside columns of labels, one may be a label."""
    found = [n for n in columns if split_name(n) and all(_is_flag(record.values.get(n)) for record in records)]
    if len({split_name(name) for name in found}) > (1 if one_hot else 0):
        raise DataError(
            f"{path}: the splits can be in {' and '.join(map(repr, found))}, as true and false. Write one column split "
            f"with {_WORDS}, give --split-column, or give the column another name if it is none of splits"
        )
