"""One spelling for each label: those that differ by case, blanks or Unicode form are the same label."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cnnrnn.data.formats.separator import Separator
from cnnrnn.data.reading import Findings, Reading
from cnnrnn.data.split import DataError
from cnnrnn.data.unsplit_labels import point_out_unsplit

_LETTERS = 3  # so many in both cases are labels of their own
_ENDS = ".,;:!? "  # punctuation behind a label
_NUMBER = re.compile(r"\s*-?\d+(\.0*)?\s*")  # 1.0 where a table had empty cells


def split_as_given(reading: Reading, separator: str) -> None:
    """Split labels by the sign of --separator, also those in lists and objects."""
    split = Separator(separator, "").split
    if reading.labels:
        reading.labels = tuple(dict.fromkeys(part for label in reading.labels for part in split(label)))
    reading.rows = [
        replace(row, labels=tuple(part for label in row.labels for part in split(label) if part))
        for row in reading.rows
    ]


def unite_spellings(reading: Reading, path: Path, named: bool) -> None:
    """Labels that differ by case, blanks or Unicode form get the most frequent spelling, with a warning; of single
    letters not those that differ by case, if several do. With --label-names, numbers were `named` already.

    Raises DataError, about `path`, for a label that can't be saved.
    """
    rows, findings = reading.rows, reading.findings
    counts = Counter(label for row in rows for label in {*row.labels, *row.ignored})
    labels = sorted({*counts, *(reading.labels or ())})
    letters = _letters_in_both_cases(labels, findings)

    def form_of(label: str) -> str:
        return _clean(label) if _clean(label) in letters else _form(label)

    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for label in labels:
        forms[form_of(label)][_clean(label)] += counts[label]
    spelling = {form: _most_frequent(found, findings) for form, found in forms.items()}
    _point_out_garbled(path, list(spelling.values()), findings)
    if counts and not named and all(_NUMBER.fullmatch(label) for label in counts):
        findings.warning("all labels are numbers; if they stand for names, give --label-names FILE")
    _point_out_ends(spelling.values(), findings)
    images = {spelling[form]: sum(found.values()) for form, found in forms.items()}
    point_out_unsplit(images, form_of, reading.separator, findings)

    chosen = {label: spelling[form_of(label)] for label in labels}

    def united(labels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(chosen[label] for label in labels))

    if reading.labels:
        reading.labels = united(reading.labels)
    reading.rows = [replace(row, labels=united(row.labels), ignored=united(row.ignored)) for row in rows]


def _most_frequent(spellings: Counter[str], findings: Findings) -> str:
    chosen = max(sorted(spellings), key=lambda name: spellings[name])
    if len(spellings) > 1:
        differ = "case or blanks" if len({name.casefold() for name in spellings}) == 1 else "their Unicode form"
        ordered = sorted(spellings.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{name!r} ({n})" for name, n in ordered)
        findings.warning(f"labels that differ by {differ} are now {chosen!r}: {shown}")
    return chosen


def _letters_in_both_cases(labels: Iterable[str], findings: Findings) -> set[str]:
    """A, a, B, b, C, c, as of a handwriting; a single one in both cases would be a mistake."""
    letters = {label for label in map(_clean, labels) if len(label) == 1}
    both = {letter for letter in letters if letter.swapcase() != letter and letter.swapcase() in letters}
    if len(both) < 2 * _LETTERS:
        return set()
    findings.warning(
        "letters that stand in both cases are labels of their own; write them in one case if they are the same",
        sorted(both, key=lambda letter: (letter.casefold(), letter)),
    )
    return both


def _point_out_ends(labels: Iterable[str], findings: Findings) -> None:
    """The full stop behind a list, as in "cat, fish.", which makes a label of its own."""
    alike: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        if bare := label.casefold().rstrip(_ENDS):
            alike[bare].append(label)
    if pairs := [found for found in alike.values() if len({label.casefold() for label in found}) > 1]:
        findings.warning(
            "labels differ by a sign at their end only; remove it if they are the same",
            [" and ".join(map(repr, found)) for found in pairs],
        )


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
