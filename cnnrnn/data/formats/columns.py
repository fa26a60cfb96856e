"""Which columns of a table hold images, labels and splits, and the rows that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from cnnrnn.data.formats import prodigy
from cnnrnn.data.formats.cells import Cells
from cnnrnn.data.formats.column_names import (
    LABELS,
    ColumnNames,
    key,
    known,
    sounds_like_labels,
    without_number,
)
from cnnrnn.data.formats.denying_columns import Denying, may_deny
from cnnrnn.data.formats.image_column import image_column, likely_image_column, written_image
from cnnrnn.data.formats.label_columns import (
    VIA,
    is_of_exiftool,
    label_columns,
    warn_of_further_labels,
    warn_of_yes_and_no,
)
from cnnrnn.data.formats.long_table import long_table, tell_if_all_have_all
from cnnrnn.data.formats.one_hot import (
    hold_scores,
    labels_of_rows,
    one_hot_columns,
    refuse_unknown_marks,
    with_marks,
)
from cnnrnn.data.formats.one_per_cell import hold_one_label, point_out_split
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.separator import Separator
from cnnrnn.data.formats.split_column import (
    is_split_column,
    refuse_columns_of_splits,
    split_column,
    with_split_of_flags,
    with_split_of_vertex,
)
from cnnrnn.data.formats.split_values import split_of_flag, splits_of
from cnnrnn.data.formats.text import TABLES
from cnnrnn.data.formats.yes_no import are_marks, mark
from cnnrnn.data.reading import Labels, Record, Row
from cnnrnn.data.split import DataError


class Rows(NamedTuple):
    """The rows of a file, what it was taken for, for people, and what separates the labels in its cells."""

    kind: str
    rows: list[Row]
    separator: Separator | None = None


def rows_of(table: Table, names: ColumnNames, given: str | None) -> Rows:
    """What the columns of a table hold, with the separator that was `given`. Raises DataError where it isn't clear."""
    table = with_split_of_vertex(table)
    image = image_column(table, names.image)
    table = _without_empty_rows(table, image)
    named = _named(table.columns, names.label)
    if not names.split:
        table = with_split_of_flags(table, [name for name in table.columns if name not in (image, *named)])
    splits = split_column(table, [name for name in table.columns if name not in (image, *named)], names.split)
    remaining = [name for name in table.columns if name not in (image, splits)]
    if choices := prodigy.are_choices(table) and named in ([], [prodigy.CHOSEN]):
        table, named = prodigy.with_names(table), [prodigy.CHOSEN]
    table = with_marks(table, remaining)
    long = long_table(table, remaining, image, named)
    chosen = [long.labels] if long else label_columns(table, remaining, named, names.numbers)
    if splits is None:
        refuse_columns_of_splits(table, [n for n in remaining if n not in chosen], one_hot=not chosen)
    undecided: set[int] = set()
    separator: Separator | None = None
    told: list[str]  # columns of which a warning tells: about the review, or deciding which labels apply
    if not chosen or (named and not long and _are_one_hot(table, chosen, names.numbers)):
        chosen, told = one_hot_columns(table, chosen or remaining, bool(named))
        kind = f"one column for each of {len(chosen)} labels"
        labels = labels_of_rows(table, chosen)
    else:
        if named and not names.numbers:
            refuse_unknown_marks(table, chosen)
        separator, found = _from_cells(table, image, chosen, names, given)
        kind = f"labels in {' and '.join(map(repr, chosen))}, {separator.description}"
        others = [name for name in remaining if name not in chosen]
        if not named:
            warn_of_further_labels(table, others, chosen)
        several = len(table.texts(image)) < len(table.records)
        if not names.numbers:
            warn_of_yes_and_no(table, chosen, found)
        told_by = [long.told_by] if long else [name for name in others if may_deny(name, several)]
        labels, undecided, told = Denying(table, told_by, several, bool(named), bool(long), choices).apply(found)
    if unused := [name for name in remaining if name not in (*chosen, *told)]:
        table.findings.note(f"columns of {table.path.name} that were not used: {', '.join(unused[:12])}")
    tell_if_all_have_all(table, image, labels, unused)
    told_of_splits, split_of = splits_of(table, splits)
    rows = _rows(table, image, labels, split_of)
    kind = f"images in the column {image!r}{told_of_splits}, {kind}"
    return Rows(kind, _without_undecided(rows, undecided), separator)


def describes_images(table: Table, names: ColumnNames) -> bool:
    """Whether there are columns of images and of labels, faulty or unclear as they may be."""
    if any(given and given not in table.columns for given in (names.image, names.label, names.split)):
        return False
    image = names.image or likely_image_column(table)
    if image is None:
        return False
    others = [name for name in table.columns if name != image]
    if prodigy.are_choices(table) or names.label or known(others, LABELS):
        return True
    if any(sounds_like_labels(name) or key(name) in VIA for name in others):
        return True
    others = [name for name in others if not is_split_column(name) and not split_of_flag(name)]
    return any(table.share(name, lambda value: mark(value) is not None) > 0.5 for name in others)


def _without_empty_rows(table: Table, image: str) -> Table:
    """Without rows that name no image and say nothing else, such as those of Google Sheets below its last one, where
    boxes to tick stand: FALSE,FALSE."""

    def is_empty(record: Record) -> bool:
        if written_image(record.values.get(image)) is not None:
            return False
        return all(mark(value) is False for name, value in record.values.items() if name != image)

    empty = {n: record.where for n, record in enumerate(table.records) if is_empty(record)}
    if not empty or len(empty) == len(table.records):
        return table
    table.findings.note(f"{len(empty)} rows without an image were not read, as nothing else is in them", empty.values())
    return replace(table, records=[record for n, record in enumerate(table.records) if n not in empty])


def _rows(table: Table, image: str, labels: Labels, split_of: Sequence[str | None]) -> list[Row]:
    rows = []
    for record, found, split in zip(table.records, labels, split_of, strict=True):
        if (written := written_image(record.values.get(image))) is None:
            merged = " (of merged cells, only the first row has it)" if table.path.suffix.lower() in TABLES else ""
            raise DataError(
                f"{table.path}, {record.where}: the column {image!r} names no image; write the name of one file{merged}"
            )
        rows.append(Row(record.where, written, found, split))
    return rows


def _without_undecided(rows: list[Row], left_out: set[int]) -> list[Row]:
    """Labels about which nobody decided are neither right nor wrong; an image with no others is left out."""
    decided = {row.image for n, row in enumerate(rows) if n not in left_out}
    return [
        replace(row, labels=(), ignored=row.labels) if n in left_out else row
        for n, row in enumerate(rows)
        if row.image in decided
    ]


def _named(columns: Sequence[str], given: str | None) -> list[str]:
    """The columns of --label-column: one, or several with commas between."""
    if given is None:
        return []
    return [given] if given in columns else [part.strip() for part in given.split(",")]


def _are_one_hot(table: Table, columns: Sequence[str], numbers: bool) -> bool:
    """Whether a person has named columns of 0 and 1. One that is called label may hold the numbers of labels."""
    if numbers or (len(columns) == 1 and without_number(columns[0]) in LABELS):
        return False
    several = len(columns) > 1
    values = map(table.values, columns)
    return any(are_marks(cells, words=several) or (several and hold_scores(cells)) for cells in values)


def _tell_of_missing(table: Table, columns: list[str]) -> None:
    """Objects without the columns of labels, and null in all of them, which is NaN where numpy writes it."""
    lacking, null = [], []
    for record in table.records:
        values = [record.values[name] for name in columns if name in record.values]
        if not values:
            lacking.append(record.where)
        elif all(value is None or value != value for value in values):
            null.append(record.where)
    for where, what in ((lacking, "objects of {} have no"), (null, "rows of {} have null in")):
        if where:
            told = f"{len(where)} {what.format(table.path.name)} {columns[0]!r}; taken for no labels"
            table.findings.warning(told, where)


def _from_cells(
    table: Table, image: str, columns: list[str], names: ColumnNames, given: str | None
) -> tuple[Separator, list[tuple[str, ...]]]:
    """What separates the labels in the cells, and the labels of every row."""
    path, findings = table.path, table.findings
    _tell_of_missing(table, columns)
    values = [(record.where, record.values.get(name)) for record in table.records for name in columns]
    numbers = names.numbers or is_of_exiftool(table)  # keywords such as 2019
    cells = Cells(path, values, findings, numbers, any_score=names.label is not None)
    one_label = hold_one_label(table, image, columns)
    used = cells.separator(given, one_label)
    if given is None:
        point_out_split(table, columns, used, one_label)
    flat = cells.labels(used)
    labels = [
        tuple(label for part in flat[start : start + len(columns)] for label in part)
        for start in range(0, len(flat), len(columns))
    ]
    return used, labels
