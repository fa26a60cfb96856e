"""Which columns of a table hold images, labels and splits, and the rows that follow from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cnnrnn.data.formats import prodigy
from cnnrnn.data.formats.cells import Cells
from cnnrnn.data.formats.column_names import (
    LABELS,
    ColumnNames,
    follow_each_other,
    given_name,
    key,
    known,
    share,
    shown,
    sounds_like_labels,
    without_number,
)
from cnnrnn.data.formats.denying_columns import Denying, Labels, may_deny, verdicts_of
from cnnrnn.data.formats.image_column import image_column, likely_image_column, written_image
from cnnrnn.data.formats.long_table import long_table, tell_if_all_have_all
from cnnrnn.data.formats.marks import are_marks, is_flag, mark
from cnnrnn.data.formats.one_hot import (
    hold_scores,
    labels_of_rows,
    one_hot_columns,
    refuse_unknown_marks,
)
from cnnrnn.data.formats.split_column import (
    refuse_columns_of_splits,
    split_column,
    splits_of,
    warn_if_all_are_train,
    with_split_of_vertex,
)
from cnnrnn.data.reading import Findings, Record, Row
from cnnrnn.data.split import DataError

_VIA = ("fileattributes", "regionattributes")  # columns of the VGG Image Annotator's CSV


def rows_of(
    path: Path, records: Sequence[Record], names: ColumnNames, separator: str | None, findings: Findings
) -> tuple[str, list[Row]]:
    """What the labels' columns are, for people, and the rows. Raises DataError where the columns are not clear."""
    records = with_split_of_vertex(records)
    columns = list(dict.fromkeys(name for record in records for name in record.values))
    image = image_column(path, columns, records, names.image, findings)
    named = _named(columns, names.label)
    others = [name for name in columns if name not in (image, *named)]
    splits = split_column(path, others, records, names.split)
    remaining = [name for name in columns if name not in (image, splits)]
    if choices := prodigy.are_choices(records) and named in ([], [prodigy.CHOSEN]):
        records, named = prodigy.with_names(records), [prodigy.CHOSEN]
    long = long_table(path, remaining, records, image, named)
    chosen = [long.labels] if long else _label_columns(path, remaining, records, named)
    if splits is None:
        refuse_columns_of_splits(path, [n for n in remaining if n not in chosen], records, one_hot=not chosen)
    elif names.split is None:
        warn_if_all_are_train(path, splits, records, findings)
    left_out: set[int] = set()
    told_by: list[str] = []
    if not chosen or (named and not long and _are_one_hot(chosen, records, names.numbers)):
        chosen = one_hot_columns(path, chosen or remaining, records, findings, bool(named))
        kind = f"one column for each of {len(chosen)} labels"
        labels = labels_of_rows(path, chosen, records, findings)
    else:
        if named and not names.numbers:
            refuse_unknown_marks(path, chosen, records)
        kind, found = _from_cells(path, records, chosen, names, separator, findings)
        others = [name for name in remaining if name not in chosen]
        if not named:
            _warn_of_further_labels(path, records, others, chosen, findings)
        several = len({str(record.values.get(image)) for record in records}) < len(records)
        told_by = [long.told_by] if long else [name for name in others if may_deny(name, several)]
        denying = Denying(path, told_by, several, bool(named), bool(long), choices, findings)
        labels, left_out = denying.apply(records, found)
    deciding = [name for name in told_by if False in verdicts_of(name, records)]
    if unused := [name for name in remaining if name not in (*chosen, *deciding)]:
        findings.note(f"columns of {path.name} that were not used: {', '.join(unused[:12])}")
    tell_if_all_have_all(path, records, image, labels, unused, findings)
    rows = _rows(path, records, image, labels, splits_of(path, records, splits, findings))
    return f"images in the column {image!r}, {kind}", _without_undecided(rows, left_out)


def describes_images(path: Path, records: Sequence[Record], names: ColumnNames) -> bool:
    """Whether there are columns of images and of labels, faulty or unclear as they may be."""
    columns = list(dict.fromkeys(name for record in records for name in record.values))
    if any(given and given not in columns for given in (names.image, names.label, names.split)):
        return False
    image = names.image or likely_image_column(columns, records)
    if image is None:
        return False
    others = [name for name in columns if name != image]
    if prodigy.are_choices(records):
        return True
    if names.label or known(others, LABELS) or any(map(sounds_like_labels, others)) or {*map(key, others)} & {*_VIA}:
        return True
    return any(share(records, name, lambda value: mark(value) is not None) > 0.5 for name in others)


def _label_columns(path: Path, columns: list[str], records: Sequence[Record], given: Sequence[str]) -> list[str]:
    """The column of labels, several such as label_1 and label_2, both columns of attributes of the VGG Image
    Annotator; none if there is a column for each label."""
    if given:
        return [given_name(path, columns, name, "--label-column") for name in given]
    if via := [name for name in columns if key(name) in _VIA]:
        return via
    exact = known(columns, LABELS)
    if len(found := exact) == 1:  # label, label2 and label.1 are read together
        found = [name for name in columns if without_number(name) == key(exact[0])]
        if len(found) == 1:
            return found
    found = found or [name for name in columns if sounds_like_labels(name)]
    if (len(found) > 1 or not exact) and all(is_flag(record.values.get(name)) for record in records for name in found):
        return []
    marked = [name for name in columns if are_marks([record.values.get(name) for record in records])]
    if found and not exact and (others := [name for name in marked if name not in found]):
        raise DataError(
            f"{path}: the labels can be in the column {' or '.join(map(repr, found))}, or be columns of 0 and 1 such "
            f"as {shown(others)}; give --label-column, with commas between several"
        )
    together = len({without_number(name) for name in found}) == 1 and follow_each_other(found)
    if together and not {*found} & {*marked}:
        return found
    if len(found) > 1:
        raise DataError(
            f"{path}: the labels can be in the column {' or '.join(map(repr, found))}; give --label-column, several of "
            "them with commas between"
        )
    return found


def _rows(
    path: Path, records: Sequence[Record], image: str, labels: Labels, split_of: Sequence[str | None]
) -> list[Row]:
    rows = []
    for record, found, split in zip(records, labels, split_of, strict=True):
        if (written := written_image(record.values.get(image))) is None:
            raise DataError(
                f"{path}, {record.where}: the column {image!r} names no image; write the name of one file (of merged "
                "cells, only the first row has it)"
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


def _are_one_hot(columns: Sequence[str], records: Sequence[Record], numbers: bool) -> bool:
    """Whether a person has named columns of 0 and 1. One that is called label may hold the numbers of labels."""
    if numbers or (len(columns) == 1 and without_number(columns[0]) in LABELS):
        return False
    several = len(columns) > 1
    values = [[record.values.get(name) for record in records] for name in columns]
    return any(are_marks(cells, words=several) or (several and hold_scores(cells)) for cells in values)


def _warn_of_further_labels(
    path: Path, records: Sequence[Record], others: Sequence[str], chosen: Sequence[str], findings: Findings
) -> None:
    """Columns such as secondary_label beside label, which may be as good."""
    for name in others:
        texts = share(records, name, lambda value: isinstance(value, str) and re.search(r"[^\W\d]", value))
        if sounds_like_labels(name) and texts and share(records, name, is_flag) < 1:
            findings.warning(
                f"the column {name!r} of {path.name} was not read; if it holds labels as well, give --label-column "
                f"'{','.join([*chosen, name])}'"
            )


def _from_cells(
    path: Path,
    records: Sequence[Record],
    columns: list[str],
    names: ColumnNames,
    separator: str | None,
    findings: Findings,
) -> tuple[str, list[tuple[str, ...]]]:
    if lacking := [record.where for record in records if not any(name in record.values for name in columns)]:
        findings.warning(f"{len(lacking)} objects of {path.name} have no {columns[0]!r}; taken for no labels", lacking)
    values = [(record.where, record.values.get(name)) for record in records for name in columns]
    cells = Cells(path, values, findings, names.numbers, any_score=names.label is not None)
    used = cells.separator(separator)
    flat = cells.labels(used)
    labels = [
        tuple(label for part in flat[start : start + len(columns)] for label in part)
        for start in range(0, len(flat), len(columns))
    ]
    return f"labels in {' and '.join(map(repr, columns))}, {used.description}", labels
