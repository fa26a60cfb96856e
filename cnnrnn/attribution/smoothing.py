"""Smoothing over the grid of a feature map, as maps are drawn and evaluated.

A location of the feature map sees much more of the image than its own cell of the grid, so what speaks for a label
there is spread over its neighbors. Without smoothing the strongest single location decides where a map points; with it,
maps point at their labels more often (docs/maps.md).

Of a model that scores labels at every location, the logits of the locations are smoothed and then pooled. The pooling
weighs a location by the exponential of its logit, so it enlarges the noise of a single one, and a map that is smoothed
only afterwards still points there.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from cnnrnn.models.pooling import GlobalPool, SpatialAttentionPool

SIGMA = 0.9  # cells of the grid; chosen on val


def smooth(maps: Tensor) -> Tensor:
    """A Gaussian of `SIGMA` cells over maps (…, height, width), reflected at the borders: the sum of a map stays what
    it was."""
    rows, columns = _kernels(maps, *maps.shape[-2:])
    return rows @ maps @ columns.T


def smoothed_contributions(
    pool: SpatialAttentionPool | GlobalPool, location_logits: Tensor, grid: tuple[int, ...]
) -> Tensor:
    """What each location adds to the pooled logits once their own are smoothed: logits of the locations of a `grid`
    (height, width), (…, location, label) -> the same shape.

    The pooled logits of smoothed ones are lower. What they lack is given to the locations in proportion to their
    weights, so that the contributions add up to the logits that the model has.
    """
    rows, columns = _kernels(location_logits, *grid)
    smoothed = torch.kron(rows, columns) @ location_logits
    weights = pool.weights(smoothed)
    missing = (pool(location_logits) - (weights * smoothed).sum(dim=-2)).unsqueeze(-2)
    return weights * (smoothed + missing / weights.sum(dim=-2, keepdim=True))


def _kernels(like: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(_kernel(rows)).to(like), torch.from_numpy(_kernel(columns)).to(like)


@lru_cache(maxsize=16)  # of the grids of a few models, and of their pixels
def _kernel(size: int) -> np.ndarray:
    """(size, size), symmetric, rows and columns of sum 1: scipy's `gaussian_filter1d`, whose import takes 0.2 s."""
    radius = round(4 * SIGMA)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / SIGMA) ** 2)
    reflected = np.pad(np.eye(size), ((radius, radius), (0, 0)), mode="symmetric")
    return np.einsum("k,krc->rc", weights / weights.sum(), [reflected[k : k + size] for k in range(len(weights))])
