"""Lists in the cells of a table whose lines begin with a bullet or a number, as people write them with Alt-Enter."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BULLET = re.compile(r"\s*[-–—*•·‣▪◦●○]\s+(?=\S)")
_ANY = re.compile(r"\s*(?:[-–—*•·‣▪◦●○]|\d+[.)]\s)\s*(?=\S)")  # with which labels may begin, too


def without_bullets(texts: Sequence[Sequence[str]], in_lines: bool) -> list[list[str]]:
    """The parts of all texts, without a bullet where all have one, or each stands in a line of its own."""
    parts = [part for text in texts for part in text if part.strip()]
    if in_lines:
        bullet = _ANY if all(map(_ANY.match, parts)) else _BULLET
    elif all(map(_BULLET.match, parts)):
        bullet = _BULLET
    else:
        return [list(text) for text in texts]
    return [[bullet.sub("", part, count=1) for part in text] for text in texts]
