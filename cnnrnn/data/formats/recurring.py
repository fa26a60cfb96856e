"""Whether the cells of a column recur, as the names of labels do and captions don't."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cnnrnn.data.formats.numbers import number
from cnnrnn.data.formats.yes_no import BLANK, filled, mark, plain

_LONGEST = 60  # characters of a label


def recurring_words(values: Sequence[object]) -> bool:
    """Whether a column has words, each in two rows on average."""
    words = {plain(str(value)) for value in values} - BLANK
    texts = [word for word in words if re.search(r"[^\W\d_]", word)]
    return 2 <= len(words) <= max(2, len(values) / 2) and len(texts) > len(words) / 2


def recurring_labels(values: Sequence[object]) -> bool:
    """Whether all cells hold words, or several with a sign between, of which many stand in more than one row."""
    cells = filled(values)
    parts = [plain(part) for value in cells for part in re.split(r"[;,|\n]", str(value)) if part.strip()]
    words = {*parts}
    if not all(isinstance(value, str) for value in cells) or all(mark(word) is not None for word in words):
        return False
    if any(number(word) is not None or len(word) > _LONGEST for word in words):
        return False
    return 2 <= len(words) <= max(2, 0.75 * len(parts))
