"""Smoothing over the grid of a feature map, as maps are drawn and evaluated.

A location of the feature map sees much more of the image than its own cell of the grid, so what speaks for a label
there is spread over its neighbors. Without smoothing the strongest single location decides where a map points; with it,
maps point at their labels more often (docs/maps.md).

Of a model that scores labels at every location, the logits of the locations are smoothed and then pooled. The pooling
weighs a location by the exponential of its logit, so it enlarges the noise of a single one, and a map that is smoothed
only afterwards still points there.

The Gaussian is centered where a location looks, which is not the middle of its cell (`models/receptive_field.py`): the
`offset` is the backbone's `center_offset`, in cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from cnnrnn.models.pooling import GlobalPool, SpatialAttentionPool

SIGMA = 0.8  # cells of the grid; chosen on val
_PIXEL_SIGMA = 0.015  # of the side of a map of pixels, whose single pixels nobody would see


def smooth(maps: Tensor, offset: float) -> Tensor:
    """A Gaussian of `SIGMA` cells over maps (…, height, width), reflected at the borders.

    Without an offset the sum of a map stays what it was; with one, values at the borders count more or less.
    """
    rows, columns = _kernels(maps, maps.shape[-2:], offset)
    return rows @ maps @ columns.T


def smooth_pixels(maps: Tensor) -> Tensor:
    """A Gaussian over the positive evidence of square maps of pixels (step, side, side), reflected at the borders.

    Neighboring pixels speak for and against a label by turns: smoothed together, most of it would cancel.
    """
    sigma = _PIXEL_SIGMA * maps.shape[-1]
    radius = min(math.ceil(3 * sigma), maps.shape[-1] - 1)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2).to(maps)
    row = (weights / weights.sum()).view(1, 1, 1, -1)
    padded = nn.functional.pad(maps.clamp(min=0).unsqueeze(1), (radius,) * 4, mode="reflect")
    return nn.functional.conv2d(nn.functional.conv2d(padded, row), row.transpose(2, 3)).squeeze(1)


def smoothed_contributions(
    pool: SpatialAttentionPool | GlobalPool, location_logits: Tensor, grid: tuple[int, ...], offset: float
) -> Tensor:
    """What each location adds to the pooled logits once their own are smoothed: logits of the locations of a `grid`
    (height, width), (…, location, label) -> the same shape.

    The pooled logits of smoothed ones are lower. What they lack is given to the locations in proportion to their
    weights, so that the contributions add up to the logits that the model has.
    """
    rows, columns = _kernels(location_logits, grid, offset)
    smoothed = torch.kron(rows, columns) @ location_logits
    weights = pool.weights(smoothed)
    missing = (pool(location_logits) - (weights * smoothed).sum(dim=-2)).unsqueeze(-2)
    return weights * (smoothed + missing / weights.sum(dim=-2, keepdim=True))


def _kernels(like: Tensor, grid: Sequence[int], offset: float) -> tuple[Tensor, Tensor]:
    rows, columns = (torch.from_numpy(_kernel(size, offset)).to(like) for size in grid)
    return rows, columns


@lru_cache(maxsize=16)  # of the grids of a few models
def _kernel(size: int, offset: float) -> np.ndarray:
    """(size, size), rows of sum 1: the means around each position of values that lie `offset` behind their own.

    Without an offset this is scipy's `gaussian_filter1d`, whose import takes 0.2 s.
    """
    radius = round(4 * SIGMA) + math.ceil(abs(offset))
    weights = np.exp(-0.5 * ((np.arange(-radius, radius + 1) + offset) / SIGMA) ** 2)
    reflected = np.pad(np.eye(size), ((radius, radius), (0, 0)), mode="symmetric")
    return np.einsum("k,krc->rc", weights / weights.sum(), [reflected[k : k + size] for k in range(len(weights))])
