"""The column of a table that tells the split of every image, by its name or by the words in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cnnrnn.data.formats.column_names import LABELS, given_name, key, known, sounds_like_labels, without_number
from cnnrnn.data.formats.records import MOSTLY, Table
from cnnrnn.data.formats.split_values import UNASSIGNED, WORDS, split_of_flag, splits_by_flags
from cnnrnn.data.formats.splits import TRAIN, split_in_name, split_name, splits_in
from cnnrnn.data.formats.yes_no import is_mark, mark
from cnnrnn.data.reading import Record

_SPLIT = ("split", "splits", "set", "subset", "partition", "datasplit", "mluse")
_NAMED = r".*(split|partition|subset).*"  # one of splits if it has one word for a split
_PERHAPS = r"usages?|phase|stage|part|dataset"  # one of splits if its words are mostly, or all, those of splits
_HELD_OUT = {"holdout", "heldout", "unseen", "unused", "reserved", "private", "privatetest", "publictest", "trainval"}
_OF_VERTEX = "dataItemResourceLabels"


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


def with_split_of_flags(table: Table, columns: list[str]) -> Table:
    """Columns such as is_valid and is_test, or train, val and test of 0 and 1, as one column of splits: no row has two
    of them, and those without a split are train, unless this has a column, too."""
    told = {name: split for name in columns if (split := split_of_flag(name))}
    flags = {name: split for name, split in told.items() if all(map(is_mark, table.values(name)))}
    if known(columns, _SPLIT) or len(flags) < 2 or len({*flags.values()}) < len(flags):
        return table
    complete = TRAIN in flags.values() or any(map(split_name, flags))
    splits = splits_by_flags([record.values for record in table.records], flags, complete)
    if splits is None:
        return table
    joined = " and ".join(flags)

    def values(record: Record, split: str) -> dict[str, Any]:
        return {name: value for name, value in record.values.items() if name not in flags} | {joined: split}

    records = [replace(record, values=values(record, own)) for record, own in zip(table.records, splits, strict=True)]
    return replace(table, records=records)


def split_column(table: Table, columns: list[str], given: str | None) -> str | None:
    """The one of these columns that tells the split: by its name, or by the words that it holds."""
    if given:
        return given_name(table.path, columns, given, "--split-column")
    if found := known(columns, _SPLIT):
        return found[0]
    if len(found := [name for name in columns if not split_name(name) and split_of_flag(name)]) > 1:
        raise table.error(
            f"splits are in the columns {' and '.join(map(repr, found))}; write one column split with {WORDS}"
        )
    if not found:
        others = [name for name in columns if not _holds_labels(table, name)]
        found = [name for name in others if _has_splits(table, name)]
        _tell_of_words(table, [name for name in others if name not in found])
    if len(found) > 1:
        raise table.error(f"the splits can be in the column {' or '.join(map(repr, found))}; give --split-column")
    return found[0] if found else None


def _holds_labels(table: Table, column: str) -> bool:
    """Whether train is a vehicle in a column such as label1, or "main class" if that has no val or test."""
    if without_number(column) in LABELS:
        return True
    found = {*map(split_name, table.texts(column))}
    return sounds_like_labels(column) and (None in found or len(found) == 1)


def _has_splits(table: Table, column: str) -> bool:
    """Whether a column's words are those of splits. Many of these have other meanings (a valid ticket, a train, a dev
    server), so that a column with any name needs train beside another split, and hardly a word that is none."""
    words = {text.strip() for text in table.texts(column)} - {"", "None"}
    splits = {word for word in words if split_name(word)}
    held_out = {word for word in words - splits if key(word) in {*_HELD_OUT, UNASSIGNED}}
    if held_out and words == splits | held_out:
        return True
    if not splits or re.fullmatch(_NAMED, key(column)):
        return bool(splits)
    perhaps = re.fullmatch(_PERHAPS, key(column)) is not None
    if perhaps and words == splits:
        return True
    found = splits_in(splits)
    of_all, of_filled = _shares_of_splits(table, column)
    return len(found) > 1 and TRAIN in found and of_all > 0.5 and (perhaps or of_filled >= MOSTLY)


def _shares_of_splits(table: Table, column: str) -> tuple[float, float]:
    """The share of all rows, and of those with a value, in which a column has a word for a split."""
    share, filled = table.share(column, split_name), table.filled(column)
    return share, share / filled if filled else 0


def _tell_of_words(table: Table, columns: Sequence[str]) -> None:
    """About columns with words for splits that were not taken for splits: a warning where most of the words are such,
    and a split for evaluation would be trained on."""
    for name in columns:
        texts = table.texts(name)
        words = sorted(filter(split_name, texts))
        if not words:
            continue
        of_all, of_filled = _shares_of_splits(table, name)
        if of_all <= 0.5 and not re.fullmatch(_PERHAPS, key(name)):
            continue
        found = splits_in(words)
        spoken = sorted(text for text in texts.difference(words) if split_in_name(text))  # such as "held-out test"
        likely = found != {TRAIN} and (of_filled >= MOSTLY or (len(found) > 1 and TRAIN in found))
        shown = " and ".join(map(repr, (words + spoken)[:3]))
        table.findings.add(
            "warning" if likely or spoken else "note",
            f"the column {name!r} of {table.path.name} holds {shown}, but was not taken for the splits; if it has "
            f"them, give --split-column {name!r}",
        )


def refuse_columns_of_splits(table: Table, columns: list[str], one_hot: bool) -> None:
    """Columns such as valid, or train and test, that hold 0 and 1. Beside columns of labels, train may be a vehicle,
    but not in most images."""
    flags = [name for name in columns if all(map(is_mark, table.values(name)))]
    if unclear := [name for name in flags if re.fullmatch("(i[sn])?(holdout|heldout)(set)?", key(name))]:
        raise table.error(
            f"the column {unclear[0]!r} does not tell if its images are val or test; write a column split with "
            f"{WORDS}, or remove the column"
        )
    opposites = {f"{no}{split}" for no in ("in", "not", "non") for split in map(key, columns)} & {*map(key, flags)}
    found = [name for name in flags if split_name(name) and not any(word.endswith(key(name)) for word in opposites)]
    may_be_vehicle = one_hot and [key(name) for name in found] == ["train"] and table.share(found[0], mark) <= 0.5
    if found and not may_be_vehicle:
        raise table.error(
            f"the splits can be in {' and '.join(map(repr, found))}, as true and false. Write one column split "
            f"with {WORDS}, give --split-column, or give the column another name if it is none of splits (or "
            "--label-column with all columns of labels)"
        )
