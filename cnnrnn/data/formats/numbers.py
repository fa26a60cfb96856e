"""Numbers that are written as texts."""

from __future__ import annotations

import re
from collections.abc import Iterable


def number(value: object) -> float | None:
    """0.93 of the texts 0.93, 0,93 and 93 %; None for what is no number."""
    text = str(value).strip()
    if re.fullmatch(r"[-+]?\d*,\d+\s*%?", text):
        text = text.replace(",", ".")
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


def all_numbers(values: Iterable[object]) -> list[float] | None:
    """The numbers; None if one of the values is none."""
    found = list(map(number, values))
    return [one for one in found if one is not None] if None not in found else None


def whole_number(text: str) -> str:
    """906 of the texts 000906, 906 and 906.0, as spreadsheets drop and add zeros; empty for other texts."""
    found = re.fullmatch(r"0*(\d+?)(\.0)?", text)
    return found.group(1) if found else ""


def is_fraction(text: str) -> bool:
    """Whether a text is a score as predictions have: 0.93, 0,93 or 93 %."""
    return re.fullmatch(r"\s*(\d*[.,]\d+|\d+(\.\d*)?\s*%)\s*", text) is not None
