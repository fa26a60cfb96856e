"""Maps, smoothed as they are drawn.

A location of the feature map sees much more of the image than its own cell of the grid, so what it contributes is
spread over its neighbors. Without it the strongest single location decides where a map points; with it, maps point at
their labels more often (docs/maps.md).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

SIGMA = 0.7  # cells of the map's grid; chosen on val


def smooth(maps: Tensor) -> Tensor:
    """A Gaussian of `SIGMA` cells over maps (…, height, width), reflected at the borders: the sum of a map stays what
    it was."""
    rows, columns = (torch.from_numpy(_kernel(size)).to(maps) for size in maps.shape[-2:])
    return rows @ maps @ columns.T


@lru_cache(maxsize=16)  # of the grids of a few models, and of their pixels
def _kernel(size: int) -> np.ndarray:
    """(size, size), symmetric, rows and columns of sum 1: scipy's `gaussian_filter1d`, whose import takes 0.2 s."""
    radius = round(4 * SIGMA)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / SIGMA) ** 2)
    reflected = np.pad(np.eye(size), ((radius, radius), (0, 0)), mode="symmetric")
    return np.einsum("k,krc->rc", weights / weights.sum(), [reflected[k : k + size] for k in range(len(weights))])
