"""Where names beside points can be written so that they can be read: without overlapping each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from cnnrnn.utils.style import shorten, text_columns

COLUMNS = 24  # of a name beside a point; a longer one is shortened
_COLUMN, _LINE = 6.4, 15.0  # pixels of a letter and of a line at the charts' font size
_GAP = 2.0  # pixels between a dot and its name
_TRIED = 2000  # names; a chart has room for some hundred
_SIDES = {
    "top center": (0, 1), "bottom center": (0, -1), "middle right": (1, 0), "middle left": (-1, 0),
    "top right": (1, 1), "bottom right": (1, -1), "top left": (-1, 1), "bottom left": (-1, -1),
}  # fmt: skip
_ON_LINE = 8.0  # pixels between the points of a line that names avoid


def place(
    points: np.ndarray,
    names: Sequence[str],
    order: Iterable[int],
    radii: np.ndarray,
    size: tuple[float, float],
    squares: np.ndarray | None = None,
    over_dots: int = _TRIED,
) -> dict[int, str]:
    """The index of every name that can be written, and on which side of its dot, as plotly's `textposition`.

    Points (name, 2) in pixels, the second one upwards, are the middles of dots with `radii` (name,) in a chart of a
    `size`, beyond which no name reaches; none covers the `squares` (square, 2), which a line joins. A name that comes
    earlier in `order` takes its place before the later ones. Where every side has a dot or the line, the first
    `over_dots` of them are written all the same.
    """
    line = np.zeros((0, 2)) if squares is None else _along(squares)
    avoided, distances = np.concatenate([points, line]), np.concatenate([radii, np.zeros(len(line))])
    sides = np.array(list(_SIDES.values()))  # (side, 2)
    taken = [] if squares is None else [(square, np.full(2, _LINE / 2)) for square in squares]
    placed: dict[int, str] = {}
    for rank, index in enumerate(itertools.islice(order, _TRIED)):
        reach = np.array([text_columns(shorten(names[index], COLUMNS)) * _COLUMN / 2, _LINE / 2])
        own = points[index] + sides * (reach + radii[index] + _GAP)  # (side, 2)
        clear = ((own - reach >= 0) & (own + reach <= size)).all(axis=1)  # (side,)
        if taken:
            middles, halves = (np.array(part) for part in zip(*taken, strict=True))  # (taken, 2)
            clear &= _apart(own, middles, halves + reach).all(axis=1)
        if not clear.any():  # so for most names of a full chart, whose many dots need not be looked at
            continue
        free = _apart(own, avoided, distances[:, None] + reach)  # (side, name and point of the line)
        free[:, index] = True
        best = np.flatnonzero(clear & free.all(axis=1))
        if not len(best) and rank >= over_dots:
            continue
        side = best[0] if len(best) else np.flatnonzero(clear)[0]
        placed[index] = list(_SIDES)[side]
        taken.append((own[side], reach))
    return placed


def _along(corners: np.ndarray) -> np.ndarray:
    """Points (n, 2) on the line that joins corners (corner, 2)."""
    parts = [
        np.linspace(start, end, 1 + math.ceil(math.dist(start, end) / _ON_LINE))
        for start, end in itertools.pairwise(corners)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, 2))


def _apart(centers: np.ndarray, others: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Whether boxes around centers (side, 2) and around others (n, 2) don't overlap: (side, n)."""
    return (np.abs(centers[:, None] - others) >= distances).any(axis=2)
