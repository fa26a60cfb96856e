"""The column of a table that tells the split of every image: words, or true and false."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cnnrnn.data.formats.column_names import LABELS, given_name, key, known, share
from cnnrnn.data.formats.one_hot import is_flag, mark
from cnnrnn.data.formats.splits import TEST, TRAIN, VAL, split_name
from cnnrnn.data.reading import Record
from cnnrnn.data.split import DataError

_SPLIT = ("split", "splits", "set", "subset", "partition", "datasplit")
_WORDS = f"{TRAIN}, {VAL} or {TEST}"


def is_split_column(name: str) -> bool:
    return key(name) in _SPLIT


def split_column(path: Path, columns: list[str], records: Sequence[Record], given: str | None) -> str | None:
    """The column with a known name, or the one whose values are mostly names of splits."""
    if given:
        return given_name(path, columns, given, "--split-column")
    if found := known(columns, _SPLIT):
        return found[0]
    if len(found := [name for name in columns if not split_name(name) and _split_of_flag(name)]) > 1:
        raise DataError(
            f"{path}: splits are in the columns {' and '.join(map(repr, found))}; write one column split with {_WORDS}"
        )
    if not found:
        others = [name for name in columns if key(name) not in LABELS]
        found = [name for name in others if share(records, name, split_name) > 0.5]
    if len(found) > 1:
        raise DataError(f"{path}: the splits can be in the column {' or '.join(map(repr, found))}; give --split-column")
    return found[0] if found else None


def splits_of(path: Path, records: Sequence[Record], column: str | None) -> list[str | None]:
    """The split of every row. A column that is empty throughout is none."""
    if column is None:
        return [None] * len(records)
    values = ["" if (value := record.values.get(column)) is None else str(value).strip() for record in records]
    if not any(values):
        return [None] * len(records)
    meant = _split_of_flag(column)
    flags = [mark(value) if value else None for value in values]
    wheres = [record.where for record in records]
    if meant is not None and sum(value is not None for value in flags) > len(flags) / 2:
        _refuse_unknown(path, column, wheres, values, flags, "true or false")
        return _splits_of_flags(path, [bool(value) for value in flags], column, meant)
    found = [split_name(value) for value in values]
    _refuse_unknown(path, column, wheres, values, found, _WORDS)
    return found


def _refuse_unknown(
    path: Path, column: str, wheres: Sequence[str], values: Sequence[str], read: Sequence[object], words: str
) -> None:
    """Raises DataError for values that could not be `read`, which are None there."""
    if wrong := [(where, value) for where, value, found in zip(wheres, values, read, strict=True) if found is None]:
        places = ", ".join(where for where, _ in wrong[:5])
        raise DataError(
            f"{path}: {wrong[0][1]!r} in the column {column!r} is no split ({len(wrong)} rows: {places}); "
            f"write {words}, or give the column another name if it is none of splits"
        )


def _split_of_flag(column: str) -> str | None:
    """The split that a column such as is_valid or in_test speaks of."""
    return split_name(re.sub("^i[sn]", "", key(column)))


def _splits_of_flags(path: Path, flags: list[bool], column: str, meant: str) -> list[str | None]:
    """Of a column such as is_valid or is_test; the other images are in train."""
    if meant == TRAIN and not all(flags):
        raise DataError(
            f"{path}: the column {column!r} does not tell if the other images are val or test; write a column split "
            f"with {_WORDS}"
        )
    return [meant if value else TRAIN for value in flags]


def refuse_columns_of_splits(path: Path, columns: list[str], records: Sequence[Record], one_hot: bool) -> None:
    """Columns such as valid, or train and test, that hold 0 and 1. Beside columns of labels, one may be a label."""
    found = [n for n in columns if split_name(n) and all(is_flag(record.values.get(n)) for record in records)]
    if len({split_name(name) for name in found}) > (1 if one_hot else 0):
        raise DataError(
            f"{path}: the splits can be in {' and '.join(map(repr, found))}, as true and false. Write one column split "
            f"with {_WORDS}, give --split-column, or give the column another name if it is none of splits"
        )
