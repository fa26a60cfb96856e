"""The column of a table that tells the split of every image: words, or true and false."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.column_names import LABELS, given_name, key, known, sounds_like_labels, without_number
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.splits import TEST, TRAIN, VAL, split_name
from cnnrnn.data.formats.yes_no import is_mark, mark
from cnnrnn.data.split import DataError

_SPLIT = ("split", "splits", "set", "subset", "partition", "datasplit", "mluse")
_PERHAPS = r".*(split|partition|subset).*|usages?|phase|stage|part"  # if one of the values is a name of a split
_HELD_OUT = {"holdout", "heldout", "unseen", "reserved", "private", "privatetest", "publictest", "trainval"}
_UNASSIGNED = "unassigned"  # which Google's Vertex AI writes for images that it splits itself
_OF_VERTEX = "dataItemResourceLabels"
_WORDS = f"{TRAIN}, {VAL} or {TEST}"


def is_split_column(name: str) -> bool:
    return key(name) in _SPLIT


def with_split_of_vertex(table: Table) -> Table:
    """Vertex AI writes the split into an object, as aiplatform.googleapis.com/ml_use."""
    if not any(isinstance(value, dict) for value in table.values(_OF_VERTEX)):
        return table
    return replace(table, records=[replace(record, values=_flat(record.values)) for record in table.records])


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    about = values.get(_OF_VERTEX)
    inner = {key.rsplit("/")[-1]: value for key, value in about.items()} if isinstance(about, dict) else {}
    return {name: value for name, value in values.items() if name != _OF_VERTEX} | inner


def split_column(table: Table, columns: list[str], given: str | None) -> str | None:
    """The one of these columns with a known name, or whose values are mostly names of splits."""
    if given:
        return given_name(table.path, columns, given, "--split-column")
    if found := known(columns, _SPLIT):
        return found[0]
    if len(found := [name for name in columns if not split_name(name) and _split_of_flag(name)]) > 1:
        raise table.error(
            f"splits are in the columns {' and '.join(map(repr, found))}; write one column split with {_WORDS}"
        )
    if not found:
        others = [name for name in columns if not _holds_labels(table, name)]
        found = [name for name in others if table.share(name, split_name) > 0.5 or _has_splits(table, name)]
    if len(found) > 1:
        raise table.error(f"the splits can be in the column {' or '.join(map(repr, found))}; give --split-column")
    return found[0] if found else None


def warn_if_all_are_train(table: Table, column: str) -> None:
    """A column with a name that is not known may name a vehicle."""
    if re.fullmatch(_PERHAPS, key(column)) or is_split_column(column):
        return
    if len(table.records) > 1 and {*map(split_name, table.texts(column))} == {TRAIN}:
        table.findings.warning(
            f"all rows of {table.path.name} have train in {column!r}, which was taken for the split; if it names a "
            "label, give --label-column"
        )


def _holds_labels(table: Table, column: str) -> bool:
    """Whether train is a vehicle in a column such as label1, or "main class" if that has no val or test."""
    if without_number(column) in LABELS:
        return True
    found = {*map(split_name, table.texts(column))}
    return sounds_like_labels(column) and (None in found or len(found) == 1)


def _has_splits(table: Table, column: str) -> bool:
    """Whether some values are names of splits, in a column whose name says so, or beside holdout or unassigned."""
    words = {text.strip() for text in table.texts(column)} - {""}
    splits = {word for word in words if split_name(word)}
    held_out = {word for word in words - splits if key(word) in {*_HELD_OUT, _UNASSIGNED}}
    if held_out and words == splits | held_out:
        return True
    return bool(splits) and re.fullmatch(_PERHAPS, key(column)) is not None


def splits_of(table: Table, column: str | None) -> list[str | None]:
    """The split of every row. A column that is empty throughout is none."""
    if column is None:
        return [None] * len(table.records)
    values = ["" if value is None else str(value).strip() for value in table.values(column)]
    if not any(values):
        return [None] * len(values)
    meant = _split_of_flag(column)
    flags = [mark(value) if value else None for value in values]
    if meant is not None and sum(value is not None for value in flags) > len(flags) / 2:
        _refuse_unknown(table, column, values, flags, "true or false")
        return _splits_of_flags(table.path, [bool(value) for value in flags], column, meant)
    found = [split_name(value) for value in values]
    unassigned = [key(value) == _UNASSIGNED for value in values]
    read = [_UNASSIGNED if none else split for none, split in zip(unassigned, found, strict=True)]
    _refuse_unknown(table, column, values, read, _WORDS)
    if TRAIN in found or not any(unassigned):
        return found
    places = [record.where for none, record in zip(unassigned, table.records, strict=True) if none]
    table.findings.warning(
        f"{len(places)} rows of {table.path.name} have {values[unassigned.index(True)]!r} in {column!r}; as none has "
        "train, they were taken for it",
        places,
    )
    return [split or TRAIN for split in found]


def _refuse_unknown(table: Table, column: str, values: Sequence[str], read: Sequence[object], words: str) -> None:
    """Raises DataError for values that could not be `read`, which are None there."""
    if wrong := [n for n, found in enumerate(read) if found is None]:
        places = ", ".join(table.records[n].where for n in wrong[:5])
        raise table.error(
            f"{values[wrong[0]]!r} in the column {column!r} is no split ({len(wrong)} rows: {places}); "
            f"write {words}, or give the column another name if it is none of splits"
        )


def _split_of_flag(column: str) -> str | None:
    """The split that a column such as is_valid, in_test or is_training_image speaks of."""
    return split_name(re.sub("^i[sn](.+?)(images?|samples?|data)?$", r"\1", key(column)))


def _splits_of_flags(path: Path, flags: list[bool], column: str, meant: str) -> list[str | None]:
    """The splits by a column such as is_valid or is_test; the other images are in train."""
    if meant == TRAIN and not all(flags):
        raise DataError(
            f"{path}: the column {column!r} does not tell if the other images are val or test; write a column split "
            f"with {_WORDS}"
        )
    return [meant if value else TRAIN for value in flags]


def refuse_columns_of_splits(table: Table, columns: list[str], one_hot: bool) -> None:
    """Columns such as valid, or train and test, that hold 0 and 1. Beside columns of labels, train may be a vehicle."""
    flags = [name for name in columns if all(map(is_mark, table.values(name)))]
    if unclear := [name for name in flags if re.fullmatch("(i[sn])?(holdout|heldout)(set)?", key(name))]:
        raise table.error(
            f"the column {unclear[0]!r} does not tell if its images are val or test; write a column split with "
            f"{_WORDS}, or remove the column"
        )
    found = [name for name in flags if split_name(name)]
    if found and not (one_hot and [key(name) for name in found] == ["train"]):
        raise table.error(
            f"the splits can be in {' and '.join(map(repr, found))}, as true and false. Write one column split "
            f"with {_WORDS}, give --split-column, or give the column another name if it is none of splits"
        )
