"""Metrics that compare an attribution map with boxes, or with another map.

A map is float (height, width), signed: positive values are evidence for the step's choice. A box is (left, top,
right, bottom) in pixels of the same grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnrnn.data import Box

TOLERANCE = 15 / 500  # of the longer side: 15 px at VOC's scale, as in the pointing game of Zhang et al. (ECCV 2016)


def peak(values: np.ndarray) -> tuple[float, float] | None:
    """Centre (x, y) of the pixel with the strongest evidence in (height, width); None where none is positive."""
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return (column + 0.5, row + 0.5) if values[row, column] > 0 else None


def pointing_hit(point: tuple[float, float] | None, boxes: Sequence[Box], tolerance: float) -> bool:
    """The pointing game (Zhang et al., ECCV 2016): whether a point (x, y) is inside any box, or at most `tolerance`
    pixels outside of it. Without a point there is no hit."""
    if point is None:
        return False
    x, y = point
    return any(
        left - tolerance <= x <= right + tolerance and top - tolerance <= y <= bottom + tolerance
        for left, top, right, bottom in boxes
    )


def box_mask(boxes: Sequence[Box], size: tuple[int, int]) -> np.ndarray:
    """The pixels inside any box, for an image of `size` (width, height): bool (height, width)."""
    mask = np.zeros(size[::-1], dtype=bool)
    for left, top, right, bottom in boxes:
        mask[round(top) : round(bottom), round(left) : round(right)] = True
    return mask


def energy_inside(values: np.ndarray, mask: np.ndarray) -> float:
    """Fraction, 0 to 1, of the positive evidence that is inside the mask; 0 without positive evidence.

    The energy-based pointing game of Score-CAM (Wang et al., CVPR workshops 2020).
    """
    evidence = values.clip(min=0)
    total = evidence.sum()
    return float(evidence[mask].sum() / total) if total > 0 else 0.0


def prefers_own_mask(values: np.ndarray, own: np.ndarray, other: np.ndarray) -> bool | None:
    """Whether the mean positive evidence per pixel is higher where only `own` is than where only `other` is, both bool
    (height, width); None if there are no such pixels of one of them."""
    only_own, only_other = own & ~other, other & ~own
    if not only_own.any() or not only_other.any():
        return None
    evidence = values.clip(min=0)
    return bool(evidence[only_own].mean() > evidence[only_other].mean())


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation of two maps of the same shape, -1 to 1; 0 if one of them is constant."""
    from scipy.stats import spearmanr

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first.ravel(), second.ravel()).statistic)


def top_fraction_masks(values: np.ndarray, parts: int) -> list[np.ndarray]:
    """Growing masks of the pixels with the most evidence, 1/parts, 2/parts … of all: bool (height, width) each."""
    order = np.argsort(-values, axis=None, kind="stable")
    rank = np.empty(values.size, dtype=np.int64)
    rank[order] = np.arange(values.size)
    return [(rank < values.size * part / parts).reshape(values.shape) for part in range(1, parts + 1)]
