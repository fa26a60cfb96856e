"""Numbers in place of labels, or beside them, which counts and predictions have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnnrnn.data.formats.numbers import is_fraction
from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError

_SCORE = r".+([:=(]\s*(\d*\.\d+|[01]|\d+\s*%)\)?|\s(\d*\.\d+|\d+(\.\d+)?\s*%))"  # cat:0.93, dog=0, cow 12%
_FRACTION = r".*[^\W\d].*[:=(]\s*\d*[.,]\d+\)?"  # cat:0.93
_COUNT = r".*[^\W\d].*[:=]\s*\d+"  # cat:3, but not 16:9
_TIMES = re.compile(r"^\d+\s?[x×]\s+|(\s[x×]\s?\d+|\s*\(\d{1,2}\))$")  # 3x cat, cat x3, cat (3)


def refuse_numbers(
    path: Path,
    rows: Sequence[tuple[str, Sequence[str]]],
    labels: Mapping[str, str],
    given: bool,
    findings: Findings,
) -> None:
    """Raises DataError if all of the different `labels`, given with their places, have numbers behind them, if some are
    counts of others, or if all rows are 0 and 1."""
    if not labels:
        return
    _refuse_zeros_and_ones(path, [row for row in rows if row[1]], given)
    first, where = next(iter(labels.items()))
    names = {label: label.strip() for label in labels}
    if all(re.fullmatch(_SCORE, label) for label in names.values()):
        raise DataError(
            f"{path}, {where}: {first!r} has a number behind it, as predictions do; write the names of labels only"
        )
    if not given and (counted := _counted([*names.values()])):
        where = next(labels[label] for label in labels if label.strip() == counted)
        raise DataError(
            f"{path}, {where}: {counted!r} has a number, as counts and predictions do; write the names of labels only, "
            "or give --separator if it belongs to the name"
        )
    scores = [label for label, name in names.items() if is_fraction(name) or re.fullmatch(_FRACTION, name)]
    if scores and len(scores) < len(names):
        findings.warning(
            f"labels such as {scores[0]!r} of {path.name} have numbers as predictions do; write names of labels only",
            [labels[label] for label in scores],
        )


def _counted(labels: Sequence[str]) -> str | None:
    """The first label with a count, if all have one, or it stands without one elsewhere: 2x dog beside dog."""
    if all(re.fullmatch(_COUNT, label) for label in labels):
        return labels[0]
    bare = {label: _TIMES.sub("", label) for label in labels}
    counted = [label for label in labels if bare[label] and bare[label] != label]
    beside = [label for label in counted if bare[label] in bare]
    return next(iter(counted if len(counted) == len(labels) else beside), None)


def _refuse_zeros_and_ones(path: Path, rows: Sequence[tuple[str, Sequence[str]]], given: bool) -> None:
    """Where every row has as many entries, and all are 0 or 1, each entry is about another label."""
    if len(rows[0][1]) < 2 or len({len(parts) for _, parts in rows}) > 1:
        return
    if not all(re.fullmatch(r"[01](\.0*)?", part.strip()) for _, parts in rows for part in parts):
        return
    repeated = any(len({*parts}) < len(parts) for _, parts in rows)
    if not repeated and (given or len(rows) == 1):  # the numbers of two labels
        return
    where, parts = rows[0]
    raise DataError(
        f"{path}, {where}: {' '.join(parts)[:40]!r} seems to be 0 or 1 for each label, as in all rows; "
        "write a column for each label, or the names of the labels"
    )


def refuse_strings_of_bits(path: Path, texts: Sequence[tuple[str, str]]) -> None:
    """Raises DataError for texts such as 0011 and 1100, each sign of which is about another label."""
    different = {text.strip() for _, text in texts}
    if len(different) < 2 or len({*map(len, different)}) > 1:
        return
    if all(re.fullmatch("[01]{3,}", text) for text in different):
        where, text = texts[0]
        raise DataError(
            f"{path}, {where}: {text[:40]!r} seems to be 0 or 1 for each label, as in all rows; write a column for "
            "each label, or the names of the labels; give --separator ';' if it is a name"
        )
