"""One spelling for each label: those that differ by case, blanks or Unicode form are the same label."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from cnnrnn.data.formats.separator import Separator
from cnnrnn.data.reading import Findings, Reading
from cnnrnn.data.split import DataError

_SEPARATORS = ";|,/+&"  # that a label may be a list of labels by


def split_as_given(reading: Reading, separator: str) -> None:
    """Split labels by the sign of --separator, also those in lists and objects."""
    split = Separator(separator, "").split
    if reading.labels:
        reading.labels = tuple(dict.fromkeys(part for label in reading.labels for part in split(label)))
    reading.rows = [
        replace(row, labels=tuple(part for label in row.labels for part in split(label) if part))
        for row in reading.rows
    ]


def unite_spellings(reading: Reading, path: Path) -> None:
    """Labels that differ by case, blanks or Unicode form get the most frequent spelling, with a warning.

    Raises DataError, about `path`, for a label that can't be saved.
    """
    rows, findings = reading.rows, reading.findings
    counts = Counter(label for row in rows for label in {*row.labels, *row.ignored})
    listed = Counter(reading.labels or ())
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for label in sorted({*counts, *listed}):
        forms[_form(label)][_clean(label)] += counts[label]
    spelling = {form: max(sorted(found), key=lambda name: found[name]) for form, found in forms.items()}
    for form, found in forms.items():
        if len(found) > 1:
            ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
            shown = ", ".join(f"{name!r} ({n})" for name, n in ordered)
            findings.warning(f"labels that differ by case or blanks are now {spelling[form]!r}: {shown}")
    _point_out_garbled(path, list(spelling.values()), findings)
    if counts and all(label.strip().lstrip("-").isdigit() for label in counts):
        findings.warning("all labels are numbers; if they stand for names, give --label-names FILE")
    _point_out_lists(spelling, findings)

    def united(labels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(spelling[_form(label)] for label in labels))

    if reading.labels:
        reading.labels = united(reading.labels)
    reading.rows = [replace(row, labels=united(row.labels), ignored=united(row.ignored)) for row in rows]


def _point_out_lists(spelling: dict[str, str], findings: Findings) -> None:
    """`spelling` has the labels by their form."""
    for name in spelling.values():
        for sign in _SEPARATORS:
            parts = [_form(part) for part in name.split(sign)]
            if len(parts) > 1 and any(part in spelling for part in parts):
                findings.warning(f"the label {name!r} looks like several; give --separator {sign!r} if it is")


def _point_out_garbled(path: Path, labels: list[str], findings: Findings) -> None:
    """Text that was saved in one encoding and read in another before it came here.

    Raises DataError for half of a sign, which can be neither shown nor saved.
    """
    if halves := [label for label in labels if re.search("[\ud800-\udfff]", label)]:
        raise DataError(f"{path}: the label {halves[0]!r} has half of a sign; save the annotations as UTF-8")
    if garbled := [label for label in labels if "\ufffd" in label or _twice_encoded(label)]:
        findings.warning(f"{len(garbled)} labels look garbled; save the annotations as UTF-8 again", garbled)


def _clean(label: str) -> str:
    return " ".join(unicodedata.normalize("NFC", label).split())


def _twice_encoded(label: str) -> bool:
    try:
        return label.encode("cp1252").decode() != label
    except UnicodeError:
        return False


def _form(label: str) -> str:
    """What labels are compared by: full-width letters are letters, and signs that can't be seen don't count."""
    visible = "".join(sign for sign in label if unicodedata.category(sign) != "Cf")
    return _clean(unicodedata.normalize("NFKC", visible)).casefold()
