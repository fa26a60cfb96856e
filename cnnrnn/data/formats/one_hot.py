"""Tables with a column for each label: 0 and 1, true and false, or the marks of spreadsheets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cnnrnn.data.formats.cells import flag
from cnnrnn.data.formats.column_names import MOSTLY, key, shown
from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

_NO_LABEL = r"unnamed\d*|level\d|index|rownames?|k?folds?"  # numbers of rows and of parts for cross-validation
# What people write into a column of a label, besides what `flag` knows. German, French, Spanish and Italian
# spreadsheets have words of their own for true and false.
_YES = {"x", "y", "t", "✓", "✔", "wahr", "vrai", "verdadero", "vero", "1,0"}
_NO = {"n", "f", "falsch", "faux", "falso", "0,0", "na", "n/a", "#n/a", "<na>"}


def one_hot_columns(path: Path, columns: list[str], records: Sequence[Record], findings: Findings) -> list[str]:
    """Columns of 0 and 1, true and false, or −1 and 1. A column that has something else in some rows is an error;
    one that mostly has something else, such as a width, is no label."""
    labels = []
    for name in columns:
        if re.fullmatch(_NO_LABEL, key(name)):
            continue
        values = [record.values.get(name) for record in records]
        odd = [record for record, value in zip(records, values, strict=True) if not is_flag(value)]
        if not odd:
            labels.append(name)
        elif len(odd) <= (1 - MOSTLY) * len(records) or _counts_or_probabilities(values, len(odd)):
            value = odd[0].values.get(name)
            raise DataError(
                f"{path}, {odd[0].where}: {value!r} in the column {name!r}; 0 or 1 was expected. "
                "Correct it, or remove the column if it is no label"
            )
    constant = [name for name in labels if all(mark(record.values.get(name)) for record in records)]
    if not any(mark(record.values.get(name)) for record in records for name in labels) or (
        len(constant) == len(labels) and len(records) > 1
    ):
        if not columns:
            raise DataError(f"{path} names images, but has no column of labels; add one, or give --label-column NAME")
        raise DataError(
            f"{path}: none of the columns {shown(columns)} is known to hold labels, nor are they columns of 0 and 1; "
            "give --label-column NAME"
        )
    if constant and len(records) > 1:
        findings.warning(
            f"all images have what these columns name; remove them if they are no labels: {shown(constant)}"
        )
    return labels


def _counts_or_probabilities(values: Sequence[object], odd: int) -> bool:
    """Whether the numbers of a column are likely meant for a label, though they are not 0 and 1."""
    numbers = [number for value in values if (number := _number(value)) is not None]
    return len(numbers) == len(values) and (odd < len(values) / 2 or all(0 <= number <= 1 for number in numbers))


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def is_flag(value: object) -> bool:
    return value is None or mark(value) is not None


def mark(value: object) -> bool | None:
    """`flag`, and the marks and words of spreadsheets."""
    return _mark(str(value))


@lru_cache(maxsize=10_000)  # of millions of cells, few differ
def _mark(text: str) -> bool | None:
    word = text.strip().casefold()
    return True if word in _YES else False if word in _NO else flag(word)


def positive_labels(path: Path, record: Record, columns: list[str], findings: Findings) -> tuple[str, ...]:
    values = {name: str(record.values.get(name, "")).strip().casefold() for name in columns}
    if {"-1", "0"} <= {value.removesuffix(".0") for value in values.values()}:
        findings.warning(f"{path.name} has 0 and -1; both were taken for a label that is absent")
    if {"", "none", "nan", "na", "n/a", "#n/a", "<na>"} & {*values.values()}:
        findings.warning(f"{path.name} has empty cells in columns of labels; they were taken for absent labels")
    return tuple(name for name, value in values.items() if mark(value))
