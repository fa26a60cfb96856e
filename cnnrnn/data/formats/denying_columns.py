"""Columns that tell whether the labels of a row apply: by 0 and 1, by words, or by counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnrnn.data.formats.column_names import key
from cnnrnn.data.formats.label_flags import (
    applies,
    applies_to_label,
    is_about_one_label,
    is_count,
    is_low_score,
    is_rejection,
    is_score,
    is_undecided,
)
from cnnrnn.data.formats.marks import mark, number
from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

Labels = Sequence[tuple[str, ...]]  # of each row
_OUTLINES = {"encodedpixels", "rle", "encodedmask"}  # empty where the label is absent, in Kaggle's tables


@dataclass(frozen=True)
class Denying:
    """The columns of a table that may deny the labels of its rows, and what is known about the table."""

    path: Path
    columns: Sequence[str]
    several: bool  # whether images have several rows; if not, a column such as verified may be about the whole image
    given: bool  # whether a person has named the column of labels
    told: bool  # whether the table shows that the labels are told by the only one of these columns
    choices: bool  # whether the labels are Prodigy's choices
    findings: Findings

    def apply(self, records: Sequence[Record], labels: Labels) -> tuple[Labels, set[int]]:
        """The labels that no column denies, and the rows about which nobody decided.

        Raises DataError for scores and for words that are not known, unless a person has named the labels.
        """
        left_out: set[int] = set()
        for name in self.columns:
            left_out |= _undecided_rows(self, records, name)
        kept = [n for n in range(len(records)) if n not in left_out]
        decided, found = [records[n] for n in kept], [labels[n] for n in kept]
        for name in self.columns:
            found = [*_without_denied(self, decided, name, found)]
        applying = dict(zip(kept, found, strict=True))
        return [applying.get(n, labels[n]) for n in range(len(records))], left_out


def may_deny(name: str, several: bool) -> bool:
    """Whether a column is about the labels of its row. Outlines are where images have `several` rows."""
    return applies_to_label(name) or (several and key(name) in _OUTLINES)


def verdicts_of(name: str, records: Sequence[Record]) -> list[bool | None]:
    written = [str(record.values.get(name)) for record in records]
    verdicts = {text: _verdict(name, text) for text in {*written}}  # of millions of cells, few differ
    return [verdicts[text] for text in written]


def _verdict(name: str, value: str) -> bool | None:
    if key(name) in _OUTLINES:
        return mark(value) is not False
    if is_count(name) and value.strip() in ("", "None"):
        return None  # nobody counted
    marked = mark(value)
    found = applies(name, value if marked is None else marked)
    if found is None and (marked := mark(value, words=True)) is not None:
        found = applies(name, marked)
    return found


def _undecided_rows(table: Denying, records: Sequence[Record], name: str) -> set[int]:
    """The rows that people skipped. Of Prodigy's choices, a rejection is about the task and not about the labels."""
    found: set[int] = set()
    for test in (is_undecided, is_rejection if table.choices and key(name) == "answer" else None):
        rows = {n for n, record in enumerate(records) if test and test(record.values.get(name))}
        if not rows:
            continue
        wheres = [records[n].where for n in sorted(rows)]
        word = records[min(rows)].values.get(name)
        table.findings.warning(
            f"{len(rows)} rows of {table.path.name} have {word!r} in {name!r} and were left out", wheres
        )
        found |= rows
    if found and len(found) == len(records):
        raise DataError(f"{table.path}: nobody decided about any row, says {name!r}; keep the rows that apply")
    return found


def _without_denied(table: Denying, records: Sequence[Record], name: str, labels: Labels) -> Labels:
    """Without the labels that a column denies: by a confidence of 0 in Open Images, by present or value, by Prodigy's
    answer."""
    findings, file = table.findings, table.path.name
    verdicts = verdicts_of(name, records)
    about_labels = table.several or table.told or is_about_one_label(name)
    if about_labels and (unclear := _unclear(name, records, verdicts, table.several)):
        where, value, what = unclear
        message = f"{table.path}, {where}: {value!r} in the column {name!r} {what}"
        if not table.given:
            raise DataError(f"{message}; keep the rows whose labels apply, remove the column, or give --label-column")
        findings.warning(f"{message}; all labels were read, but for those of rejected rows")
        verdicts = [not is_rejection(record.values.get(name)) for record in records]
    if table.several and is_score(name) and not any(v is not None for v in verdicts):
        _warn_of_words(table, name, records)
    values = [record.values.get(name) for record in records]
    absent = [record.where for record, applied in zip(records, verdicts, strict=True) if applied is False]
    if not absent or None in verdicts or all(value is None or value == "" for value in values):
        return labels
    if len(absent) == len(records):
        findings.warning(f"all rows of {file} have {values[0]!r} in {name!r}; the labels were read all the same")
        return labels
    denied = dict.fromkeys(str(v) or "nothing" for v, applied in zip(values, verdicts, strict=True) if applied is False)
    example = " or ".join([*denied][:3])
    if about_labels or key(name) == "value":
        what = "their labels are absent"
        labels = [() if applied is False else found for found, applied in zip(labels, verdicts, strict=True)]
    else:
        what = "their labels were read, so remove the rows if that is wrong"
    findings.warning(f"{len(absent)} rows of {file} have {example} in {name!r}; {what}", absent)
    return labels


def _unclear(
    name: str, records: Sequence[Record], verdicts: Sequence[bool | None], several: bool
) -> tuple[str, object, str] | None:
    """The first value of a column that tells of some rows only if their label applies, or that has low scores: its
    place, and what is wrong with it."""
    numbers = [found for record in records if (found := number(record.values.get(name))) is not None]
    full = 100 if is_score(name) and 50 < max(numbers, default=0) <= 100 else 1
    # Empty cells deny nothing where others have texts, such as the state in which a photograph was taken.
    filled = [record.values.get(name) not in (None, "") for record in records]
    denied = (False, True) in zip(verdicts, filled, strict=True)
    for record, applied in zip(records, verdicts, strict=True):
        value = record.values.get(name)
        if several and is_low_score(name, value, full):
            return record.where, value, "is the score of a prediction"
        if applied is None and denied:
            return record.where, value, "does not tell if the label applies"
    return None


def _warn_of_words(table: Denying, name: str, records: Sequence[Record]) -> None:
    words = {str(value) for record in records if number(value := record.values.get(name)) is None}
    if len(words) > 1:
        table.findings.warning(
            f"{name!r} of {table.path.name} has words such as {' and '.join(map(repr, sorted(words)[:2]))}; all labels "
            "were read, so remove the rows whose labels don't apply"
        )
