"""Which of many names beside points can be read: those that don't overlap each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cnnrnn.utils.style import shorten, text_columns

COLUMNS = 24  # of a name beside a point; a longer one is shortened
_COLUMN, _LINE = 6.4, 15.0  # pixels of a letter and of a line at the charts' font size


def that_fit(points: np.ndarray, names: Sequence[str], order: Iterable[int]) -> set[int]:
    """The indices of the names that can be written side by side, centered at points (name, 2) in pixels.

    A name that comes earlier in `order` takes its place before the later ones.
    """
    reach = np.array([[text_columns(shorten(name, COLUMNS)) * _COLUMN / 2, _LINE / 2] for name in names])
    placed: list[int] = []
    for index in order:
        apart = np.abs(points[placed] - points[index]) >= reach[placed] + reach[index]  # (placed, 2)
        if apart.any(axis=1).all():
            placed.append(index)
    return set(placed)
