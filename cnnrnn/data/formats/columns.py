"""Which columns of a table hold images, labels and splits, and the rows that follow from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cnnrnn.data.formats.cells import Cells, Separator
from cnnrnn.data.formats.column_names import (
    LABELS,
    ColumnNames,
    given_name,
    key,
    known,
    share,
    shown,
    sounds_like_labels,
    without_number,
)
from cnnrnn.data.formats.image_column import has_image_column, image_column, written_image
from cnnrnn.data.formats.label_flags import applies, applies_to_label, is_about_one_label, is_low_score
from cnnrnn.data.formats.marks import are_marks, is_flag, mark
from cnnrnn.data.formats.one_hot import (
    hold_scores,
    one_hot_columns,
    positive_labels,
    refuse_unknown_marks,
    warn_of_absent,
)
from cnnrnn.data.formats.split_column import refuse_columns_of_splits, split_column, splits_of, warn_if_all_are_train
from cnnrnn.data.reading import Findings, Record, Row
from cnnrnn.data.split import DataError

_VIA = ("fileattributes", "regionattributes")  # columns of the VGG Image Annotator's CSV


def rows_of(
    path: Path, records: Sequence[Record], names: ColumnNames, separator: str | None, findings: Findings
) -> tuple[str, list[Row]]:
    """What the labels' columns are, for people, and the rows. Raises DataError where the columns are not clear."""
    columns = list(dict.fromkeys(name for record in records for name in record.values))
    image = image_column(path, columns, records, names.image, findings)
    others = [name for name in columns if name not in (image, *_named(columns, names.label))]
    splits = split_column(path, others, records, names.split)
    remaining = [name for name in columns if name not in (image, splits)]
    chosen = _label_columns(path, remaining, records, names.label)
    if splits is None:
        refuse_columns_of_splits(path, [n for n in remaining if n not in chosen], records, one_hot=not chosen)
    elif names.split is None:
        warn_if_all_are_train(path, splits, records, findings)
    given = names.label is not None
    if not chosen or (given and _are_one_hot(chosen, records, names.numbers)):
        chosen = one_hot_columns(path, chosen or remaining, records, findings, given)
        kind = f"one column for each of {len(chosen)} labels"
        labels = [positive_labels(path, record, chosen) for record in records]
        warn_of_absent(path, chosen, records, findings)
    else:
        if given and not names.numbers:
            refuse_unknown_marks(path, chosen, records)
        kind, labels = _from_cells(path, records, chosen, names, separator, findings)
        others = [name for name in remaining if name not in chosen]
        if not given:
            _warn_of_further_labels(path, records, others, chosen, findings)
        several = len({str(record.values.get(image)) for record in records}) < len(records)
        for name in filter(applies_to_label, others):
            labels = _without_rejected(path, records, name, labels, several, given, findings)
    if unused := [name for name in remaining if name not in chosen]:
        findings.note(f"columns of {path.name} that were not used: {', '.join(unused[:12])}")
    split_of = splits_of(path, records, splits)
    rows = []
    for record, found, split in zip(records, labels, split_of, strict=True):
        written = written_image(record.values.get(image))
        if written is None:
            raise DataError(
                f"{path}, {record.where}: the column {image!r} names no image; write the name of one file (of merged "
                "cells, only the first row has it)"
            )
        rows.append(Row(record.where, written, found, split))
    return f"images in the column {image!r}, {kind}", rows


def describes_images(path: Path, records: Sequence[Record], names: ColumnNames) -> bool:
    """Whether there are columns of images and of labels, faulty or unclear as they may be."""
    columns = list(dict.fromkeys(name for record in records for name in record.values))
    if any(given and given not in columns for given in (names.image, names.label, names.split)):
        return False
    if not names.image and not has_image_column(columns, records):
        return False
    others = [name for name in columns if name != names.image]
    if names.label or known(others, LABELS) or any(map(sounds_like_labels, others)) or {*map(key, others)} & {*_VIA}:
        return True
    return any(share(records, name, lambda value: mark(value) is not None) > 0.5 for name in others)


def _label_columns(path: Path, columns: list[str], records: Sequence[Record], given: str | None) -> list[str]:
    """The column of labels, several such as label_1 and label_2, both columns of attributes of the VGG Image
    Annotator; none if there is a column for each label."""
    if given:
        return [given_name(path, columns, name, "--label-column") for name in _named(columns, given)]
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
    if len({without_number(name) for name in found}) == 1 and not {*found} & {*marked}:
        return found
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
    name: str,
    labels: list[tuple[str, ...]],
    several: bool,
    given: bool,
    findings: Findings,
) -> list[tuple[str, ...]]:
    """Without the labels that another column denies: by a confidence of 0 in Open Images, by present or value, by
    Prodigy's answer. Where no image has `several` rows, a column such as verified may be about the whole image.

    Raises DataError for scores and for words that are not known, unless a person has `given` the column of labels.
    """
    values = [record.values.get(name) for record in records]
    verdicts = [applies(name, value if (marked := mark(value)) is None else marked) for value in values]
    absent = [record.where for record, applied in zip(records, verdicts, strict=True) if applied is False]
    about_labels = several or is_about_one_label(name)
    if about_labels and (unclear := _unclear(path, name, records, verdicts, several)):
        if not given:
            raise DataError(f"{unclear}; keep the rows whose labels apply, remove the column, or give --label-column")
        findings.warning(f"{unclear}; all labels were read")
        return labels
    if not absent or None in verdicts or all(value is None or value == "" for value in values):
        return labels
    if len(absent) == len(records):
        findings.warning(f"all rows of {path.name} have {values[0]!r} in {name!r}; the labels were read all the same")
        return labels
    example = str(values[verdicts.index(False)]) or "nothing"
    if about_labels or key(name) == "value":
        what = "their labels are absent"
        labels = [() if applied is False else found for found, applied in zip(labels, verdicts, strict=True)]
    else:
        what = "their labels were read, so remove the rows if that is wrong"
    findings.warning(f"{len(absent)} rows of {path.name} have {example} in {name!r}; {what}", absent)
    return labels


def _unclear(
    path: Path, name: str, records: Sequence[Record], verdicts: Sequence[bool | None], several: bool
) -> str | None:
    """What is wrong with a column that tells of some rows only if their label applies, or that has low scores."""
    for record, applied in zip(records, verdicts, strict=True):
        value = record.values.get(name)
        if several and is_low_score(name, value):
            return f"{path}, {record.where}: {value!r} in the column {name!r} is the score of a prediction"
        if applied is None and False in verdicts:
            return f"{path}, {record.where}: {value!r} in the column {name!r} does not tell if the label applies"
    return None
