"""Tables with a column for each label: 0 and 1, true and false, or the marks of spreadsheets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cnnrnn.data.formats.column_names import MOSTLY, key, shown, words_of
from cnnrnn.data.formats.label_flags import flag
from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

# Numbers of rows, parts for cross-validation, and what is told about the labels, such as num_labels.
_NO_LABEL = (
    r"unnamed\d*|(index)?level\d+|index|rownames?|k?folds?|(num|number|n|count)(of)?(label|tag|object|class)e?s?|"
    r"(label|tag|object|class)s?(count|confidence|conf|score|prob|probability)"
)
# Words in the names of columns whose small numbers are no counts of a label.
_MEASURES = {
    *("id", "ids", "age", "year", "month", "day", "hour", "minute", "second", "width", "height", "size", "angle", "x"),
    *("y", "z", "xmin", "ymin", "xmax", "ymax", "rotation", "number", "nr", "rank", "group", "patient", "site", "view"),
    *("camera", "session", "batch", "level", "grade", "version", "weight", "count", "length", "depth", "area", "score"),
    *("rating", "temperature", "lat", "lon", "sex", "gender", "side", "eye"),
}
# What people write into a column of a label, besides what `flag` knows. German, French, Spanish and Italian
# spreadsheets have words of their own for true and false.
_YES = {"x", "y", "t", "✓", "✔", "wahr", "vrai", "verdadero", "vero", "1,0", "ja", "oui", "si", "sí", "sì"}
_NO = {"n", "f", "falsch", "faux", "falso", "0,0", "na", "n/a", "#n/a", "<na>", "nein", "non"}
_BLANK = {"", "none", "nan", "na", "n/a", "#n/a", "<na>"}


def one_hot_columns(
    path: Path, columns: list[str], records: Sequence[Record], findings: Findings, given: bool = False
) -> list[str]:
    """Columns of 0 and 1, true and false, or −1 and 1. A column that has something else in some rows is an error;
    one that mostly has something else, such as a width, is no label, unless a person has `given` these columns."""
    labels = []
    for name in columns:
        if re.fullmatch(_NO_LABEL, key(name)) and not given:
            continue
        values = [record.values.get(name) for record in records]
        odd = [record for record, value in zip(records, values, strict=True) if not is_flag(value)]
        if not odd:
            labels.append(name)
        elif given or len(odd) <= (1 - MOSTLY) * len(records) or _meant_for_a_label(name, values, len(odd)):
            value = odd[0].values.get(name)
            raise DataError(
                f"{path}, {odd[0].where}: {value!r} in the column {name!r}; 0 or 1 was expected. "
                "Correct it; if the column is no label, remove it, or give --label-column with those that are"
            )
    constant = [name for name in labels if all(mark(record.values.get(name)) for record in records)]
    if not any(mark(record.values.get(name)) for record in records for name in labels) or (
        len(constant) == len(labels) and len(records) > 1 and not given
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


def are_marks(values: Sequence[object]) -> bool:
    """Whether a column has nothing but marks such as 0 and 1, and not only those for absent labels."""
    return all(map(is_flag, values)) and any(map(mark, values))


def _meant_for_a_label(name: str, values: Sequence[object], odd: int) -> bool:
    """Whether a column is likely meant for a label, though it has counts, percents or 1 and 2, or signs of doubt."""
    filled = [value for value in values if str(value).strip().casefold() not in _BLANK]
    numbers = [number for value in filled if (number := _number(value)) is not None]
    if len(numbers) == len(filled):
        if odd < len(values) / 2 or all(0 <= number <= 1 for number in numbers):
            return True
        codes = {*numbers}
        counted = 0 in codes and all(0 <= number <= 100 and number.is_integer() for number in codes)
        numbered = codes == {*range(len(values))}  # the rows
        return (counted or codes == {1, 2}) and not numbered and not _MEASURES & words_of(name)
    words = {str(value).strip().casefold() for value in filled}
    marks = [found for value in filled if (found := mark(value)) is not None]
    return any(marks) and (len(marks) >= len(filled) / 2 or (len(words) <= 4 and False in marks))


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
    if _BLANK & {*values.values()}:
        findings.warning(f"{path.name} has empty cells in columns of labels; they were taken for absent labels")
    return tuple(name for name, value in values.items() if mark(value))
