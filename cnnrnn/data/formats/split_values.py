"""The split of every row, by the words of a column, or by a flag such as is_valid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cnnrnn.data.formats.column_names import key, listed_words
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.splits import TEST, TRAIN, VAL, numbered_splits, split_name
from cnnrnn.data.formats.yes_no import mark

UNASSIGNED = "unassigned"  # which Google's Vertex AI writes for images that it splits itself
WORDS = f"{TRAIN}, {VAL} or {TEST}"
_OF_IMAGES = {"image", "images", "sample", "samples", "data"}
# After "in", these tell of something else: InValid is a spelling of invalid, and a house is in development.
_NOT_AFTER_IN = {"valid", "development", "evaluation"}


def splits_of(table: Table, column: str | None) -> tuple[str, list[str | None]]:
    """What the column tells, for people, and the split of every row. A column that is empty throughout is none."""
    if column is None or not any(values := table.written(column)):
        return "", [None] * len(table.records)
    meant = split_of_flag(column)
    flags = _flags(values)
    if meant is not None and sum(value is not None for value in flags) > len(flags) / 2:
        _refuse_unknown(table, column, values, flags, "true or false")
        return f", {column!r} tells {meant}", _splits_of_flags(table, [bool(value) for value in flags], column, meant)
    if numbers := numbered_splits(values):
        told = ", ".join(f"{number} {split}" for number, split in numbers.items())
        return f", splits in the column {column!r} ({told})", [numbers[value] for value in values]
    return f", splits in the column {column!r}", _splits_of_words(table, column, values)


def _flags(values: Sequence[str]) -> list[bool | None]:
    """Empty cells mean no beside a sign for yes, but beside yes and no they tell nothing."""
    flags = [mark(value) if value else None for value in values]
    empty = False if {flag for flag, value in zip(flags, values, strict=True) if value} == {True} else None
    return [flag if value else empty for flag, value in zip(flags, values, strict=True)]


def _splits_of_words(table: Table, column: str, values: Sequence[str]) -> list[str | None]:
    found = [split_name(value) for value in values]
    unassigned = [key(value) == UNASSIGNED for value in values]
    read = [UNASSIGNED if none else split for none, split in zip(unassigned, found, strict=True)]
    _refuse_unknown(table, column, values, read, WORDS)
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
            f"write {words}, or remove the column if it is none of splits"
        )


def split_of_flag(column: str) -> str | None:
    """The split that a column such as is_valid, "in test", isTest, istest or is_training_image speaks of."""
    first, *others = listed_words(column) or [""]
    if first in ("is", "in") and others:
        word = "".join(others[:-1] if others[-1] in _OF_IMAGES else others)
        return None if first == "in" and word in _NOT_AFTER_IN else split_name(word)
    if others:
        return split_name(column)
    # Without a sign between, "in" also begins the words invalid and invalidation.
    joined = re.fullmatch(r"is(\w+?)(images?|samples?|data)?|in((?:train|test)(?:ing)?(?:set)?)", first)
    return split_name((joined[1] or joined[3]) if joined else column)


def splits_by_flags(rows: Sequence[Mapping[str, Any]], flags: Mapping[str, str], complete: bool) -> list[str] | None:
    """The split of every row by columns such as is_val and is_test, with the split of each. Rows with none are train,
    unless the flags are `complete`. None where a row has several of them, or has none of complete ones."""
    found = [{split for name, split in flags.items() if mark(row.get(name))} for row in rows]
    if any(len(splits) > 1 or (complete and not splits) for splits in found):
        return None
    return [next(iter(splits), TRAIN) for splits in found]


def _splits_of_flags(table: Table, flags: list[bool], column: str, meant: str) -> list[str | None]:
    """The splits by a column such as is_valid or is_test; the other images are in train."""
    if meant == TRAIN and not all(flags):
        raise table.error(
            f"the column {column!r} does not tell if the other images are val or test; write a column split with "
            f"{WORDS}, or give this one another name if it tells no split"
        )
    return [meant if value else TRAIN for value in flags]
