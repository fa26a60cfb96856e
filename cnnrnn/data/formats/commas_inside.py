"""Commas that stand inside labels, such as "tench, Tinca tinca", "Paris, TX" and "1,000 m"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

_INSIDE = re.compile(r",\s|\d,\d{3}\b")  # as in names and numbers; lists are also written without blanks
_TIMES = 3  # a text of several labels recurs less often on average


def may_be_inside(texts: Mapping[str, int]) -> bool:
    """Whether the commas of cells, counted by their text, may be parts of labels instead of separating them.

    Then the same texts recur, and no part of one stands alone, or at the beginning here and at the end there.
    """
    with_commas = [text for text in texts if "," in text]
    if not all(_INSIDE.search(text) for text in with_commas):
        return False
    parts = [[part.strip() for part in text.split(",")] for text in with_commas]
    if all(len(found) % 2 == 0 for found in parts) and max(map(len, parts), default=0) > 2:
        return may_be_inside(_pairs(texts))
    if sum(texts[text] for text in with_commas) < _TIMES * len(with_commas):
        return False
    if len(parts) < 2 and not all(re.search(r"\d,\d{3}\b", text) for text in with_commas):
        return False  # of a single list nothing can be told
    places = Counter(part for _, part in {place for found in parts for place in enumerate(found)})
    alone = {text.strip() for text in texts if "," not in text}
    apart = sum(any(part in alone or places[part] > 1 for part in found) for found in parts)
    return apart <= 0.1 * len(parts)  # of many names, some share a part


def _pairs(texts: Mapping[str, int]) -> Counter[str]:
    """Every two parts together, such as both cities of "Austin, TX, Boston, MA"."""
    pairs: Counter[str] = Counter()
    for text, count in texts.items():
        parts = [part.strip() for part in text.split(",")]
        for start in range(0, len(parts), 2):
            pairs[", ".join(parts[start : start + 2])] += count
    return pairs
