"""Columns that tell whether the labels of a row apply: by 0 and 1, by words, or by counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from cnnrnn.data.formats.column_names import key
from cnnrnn.data.formats.numbers import number
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.yes_no import (
    applies,
    applies_to_label,
    holds_low_scores,
    is_about_one_label,
    is_count,
    is_low_score,
    is_rejection,
    is_score,
    is_undecided,
    is_vote,
    mark,
)
from cnnrnn.data.reading import Labels, Record
from cnnrnn.data.split import DataError

_OUTLINES = {"encodedpixels", "rle", "encodedmask"}  # empty where the label is absent, in Kaggle's tables
Verdict = bool | None  # whether the labels of a row apply; None where its value does not tell


class Applying(NamedTuple):
    labels: Labels  # that no column denies
    undecided: set[int]  # the rows about which nobody decided
    deciding: list[str]  # the columns of which a warning tells that they deny the labels of some rows


@dataclass(frozen=True)
class Denying:
    """The columns of a table that may deny the labels of its rows, and what is known about the table."""

    table: Table
    columns: Sequence[str]
    several: bool  # whether images have several rows; if not, a column such as verified may be about the whole image
    given: bool  # whether a person has named the column of labels
    told: bool  # whether the table shows that the labels are told by the only one of these columns
    choices: bool  # whether the labels are Prodigy's choices

    def apply(self, labels: Labels) -> Applying:
        """Raises DataError for scores and for words that are not known, unless a person has named the labels."""
        records = self.table.records
        undecided_by = {name: self._undecided_rows(name) for name in self.columns}
        undecided = set().union(*undecided_by.values())
        kept = [n for n in range(len(records)) if n not in undecided]
        decided = replace(self.table, records=[records[n] for n in kept])
        found: Labels = [labels[n] for n in kept]
        deciding = []
        for name in self.columns:
            verdicts = self._verdicts(name)
            found = self._without_denied(decided, name, [verdicts[n] for n in kept], found)
            if undecided_by[name] or (False in verdicts and None not in verdicts):
                deciding.append(name)
        applying = dict(zip(kept, found, strict=True))
        return Applying([applying.get(n, labels[n]) for n in range(len(records))], undecided, deciding)

    def _verdicts(self, name: str) -> list[Verdict]:
        """None where no is a name among others, as that of Norway in the column state, and not the opposite of yes."""
        table, verdicts = self.table, verdicts_of(name, self.table.records)
        values = [str(value) for value in table.values(name)]
        denying = [value for value, applied in zip(values, verdicts, strict=True) if applied is False and value.strip()]
        names = [value for value, applied in zip(values, verdicts, strict=True) if applied is None]
        if is_about_one_label(name) or not denying or not names or True in verdicts:
            return verdicts
        if not all(value.isalpha() and not is_rejection(value) for value in (*denying, *names)):
            return verdicts
        table.findings.note(
            f"{denying[0]!r} in {name!r} of {table.path.name} was not taken for a denial of the labels, as "
            f"{names[0]!r} affirms none; remove these rows if it is one"
        )
        return [None] * len(verdicts)

    def _undecided_rows(self, name: str) -> set[int]:
        """The rows that people skipped. A rejection is about the task, not about the labels, of Prodigy's choices, and
        where it stands beside skipped rows in a column about the whole image."""
        found: set[int] = set()
        values = self.table.values(name)
        about_image = not self.several and not is_about_one_label(name) and any(map(is_undecided, values))
        about_task = about_image or (self.choices and key(name) == "answer")
        for test in (is_undecided, is_rejection if about_task else None):
            rows = [n for n, value in enumerate(values) if test and test(value)]
            found |= {*rows}
            if rows:
                file, word = self.table.path.name, values[rows[0]]
                self.table.findings.warning(
                    f"{len(rows)} rows of {file} have {word!r} in {name!r} and were left out; remove the column to "
                    "keep them",
                    [self.table.records[n].where for n in rows],
                )
        if found and len(found) == len(values):
            raise self.table.error(f"nobody decided about any row, says {name!r}; keep the rows that apply")
        return found

    def _without_denied(self, table: Table, name: str, verdicts: Sequence[Verdict], labels: Labels) -> Labels:
        """The labels that a column does not deny: by a confidence of 0 in Open Images, by present or value, by
        Prodigy's answer. `table` has the rows that are decided, `verdicts` and `labels` are theirs."""
        findings, file, values = table.findings, table.path.name, table.values(name)
        about_labels = self.several or self.told or is_about_one_label(name)
        about_labels |= is_score(name) and any(holds_low_scores(value) for value in values)
        if about_labels and (unclear := _unclear(table, name, verdicts, self.several)):
            message = f"{table.path}, {unclear}"
            if not self.given:
                raise DataError(
                    f"{message}; keep the rows whose labels apply, remove the column, or give --label-column"
                )
            verdicts = [not is_rejection(value) for value in values]
            but = "" if all(verdicts) else ", but for those of rejected rows"
            findings.warning(f"{message}; all labels were read{but}")
        if self.several and is_score(name) and all(applied is None for applied in verdicts):
            _warn_of_words(table, name)
        absent = [n for n, applied in enumerate(verdicts) if applied is False]
        if not absent or None in verdicts or all(value is None or value == "" for value in values):
            return labels
        if len(absent) == len(values):
            findings.warning(f"all rows of {file} have {values[0]!r} in {name!r}; the labels were read all the same")
            return labels
        what = "their labels were read, so remove the rows if that is wrong"
        if about_labels or key(name) == "value":
            what = "their labels are absent" + ("" if self.several else "; remove the column if that is wrong")
            labels = [() if applied is False else found for found, applied in zip(labels, verdicts, strict=True)]
        denying = [*dict.fromkeys(str(values[n]) or "nothing" for n in absent)]
        findings.warning(
            f"{len(absent)} rows of {file} have {' or '.join(denying[:3])} in {name!r}; {what}",
            [table.records[n].where for n in absent],
        )
        return labels


def may_deny(name: str, several: bool) -> bool:
    """Whether a column is about the labels of its row. Outlines are where images have `several` rows."""
    return applies_to_label(name) or (several and key(name) in _OUTLINES)


def verdicts_of(name: str, records: Sequence[Record]) -> list[Verdict]:
    """What a column says of the labels of each row."""
    written = [str(record.values.get(name)) for record in records]
    verdicts = {text: _verdict(name, text) for text in {*written}}  # of millions of cells, few differ
    return [verdicts[text] for text in written]


def _verdict(name: str, value: str) -> Verdict:
    if key(name) in _OUTLINES:
        return mark(value) is not False
    if is_count(name) and value.strip() in ("", "None"):
        return None  # nobody counted
    marked = mark(value)
    found = applies(name, value if marked is None else marked)
    if found is None and (marked := mark(value, words=True)) is not None:
        found = applies(name, marked)
    return found


def _unclear(table: Table, name: str, verdicts: Sequence[Verdict], several: bool) -> str:
    """What is wrong with the first value of a column that tells of some rows only if their label applies, or that has
    low scores, and where it is; empty if nothing is."""
    values = table.values(name)
    numbers = [found for value in values if (found := number(value)) is not None]
    most = max(numbers, default=0)
    full = 100 if is_score(name) and 50 < most <= 100 else 1
    # Empty cells deny nothing where others have texts, such as the state in which a photograph was taken.
    denied = any(applied is False and value not in (None, "") for value, applied in zip(values, verdicts, strict=True))
    for record, value, applied in zip(table.records, values, verdicts, strict=True):
        place = f"{record.where}: {value!r} in the column {name!r}"
        if (several and is_low_score(name, value, full)) or (is_score(name) and holds_low_scores(value)):
            return f"{place} is the score of a prediction"
        if several and is_vote(name) and 0 < (number(value) or 0) < most / 2:
            return f"{place} is fewer than half of {most:g}"
        if applied is None and denied:
            return f"{place} does not tell if the label applies"
    return ""


def _warn_of_words(table: Table, name: str) -> None:
    words = {text for text in table.texts(name) if number(text) is None}
    if len(words) > 1:
        table.findings.warning(
            f"{name!r} of {table.path.name} has words such as {' and '.join(map(repr, sorted(words)[:2]))}; all labels "
            "were read, so remove the rows whose labels don't apply"
        )
