"""Maps, smoothed as they are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cnnrnn.attribution.smoothing import SIGMA, smooth, smooth_pixels, smoothed_contributions
from cnnrnn.models.pooling import SpatialAttentionPool


@pytest.mark.parametrize("shape", [(14, 14), (3, 2, 5, 9), (1, 1), (1, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_a_gaussian_of_each_map_that_keeps_its_sum(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    found = smooth(maps, 0.0)
    assert (found.shape, found.dtype) == (maps.shape, maps.dtype)
    for values, expected in zip(found.reshape(-1, *shape[-2:]), maps.reshape(-1, *shape[-2:]), strict=True):
        reference = torch.from_numpy(gaussian_filter(expected.double().numpy(), SIGMA, mode="reflect")).to(dtype)
        torch.testing.assert_close(values, reference)
    torch.testing.assert_close(found.sum(dim=(-2, -1)), maps.sum(dim=(-2, -1)), rtol=1e-4, atol=1e-5)


def test_two_neighbors_outweigh_one_stronger_location() -> None:
    maps = torch.zeros(9, 9)
    maps[1, 1], maps[6, 5], maps[6, 6] = 1.2, 1.0, 1.0
    assert int(smooth(maps, 0.0).argmax()) in (6 * 9 + 5, 6 * 9 + 6)


def test_an_even_map_stays_even() -> None:
    torch.testing.assert_close(smooth(torch.full((4, 6), 0.3), 0.0), torch.full((4, 6), 0.3))


def test_the_positive_evidence_of_pixels_is_smoothed_over_their_neighbors() -> None:
    maps = torch.randn(2, 200, 200, generator=torch.Generator().manual_seed(3))
    positive = maps.clamp(min=0).double().numpy()
    expected = [gaussian_filter(values, 3, mode="mirror", truncate=3) for values in positive]
    np.testing.assert_allclose(smooth_pixels(maps), expected, atol=1e-5)
    assert smooth_pixels(torch.ones(1, 2, 2)).tolist() == [[[1, 1], [1, 1]]]


@pytest.mark.parametrize("offset", [0.5, -0.25])
def test_values_are_drawn_where_their_locations_look(offset: float) -> None:
    maps = torch.zeros(15, 15, dtype=torch.float64)
    maps[7, 4] = 1
    found = smooth(maps, offset)
    rows, columns = found.sum(dim=1), found.sum(dim=0)
    cells = torch.arange(15, dtype=torch.float64)
    assert float(rows @ cells) == pytest.approx(7 + offset, abs=1e-3)
    assert float(columns @ cells) == pytest.approx(4 + offset, abs=1e-3)
    assert float(found.sum()) == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(smooth(torch.full((4, 6), 0.3), offset), torch.full((4, 6), 0.3))


@torch.no_grad()
def test_contributions_are_drawn_there_too() -> None:
    logits = torch.zeros(15, 15)
    logits[7, 4] = 5.0
    column = logits.view(-1, 1)  # (location, label)
    for offset, row in ((0.5, (7, 8)), (1.0, (8,)), (-1.0, (6,))):
        found = smoothed_contributions(SpatialAttentionPool(), column, (15, 15), offset).view(15, 15)
        strongest = (found > 0.99 * found.max()).nonzero()
        assert sorted({int(place[0]) for place in strongest}) == sorted(row)
        torch.testing.assert_close(found.sum(), SpatialAttentionPool()(column)[0], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_contributions_are_those_of_smoothed_logits_and_add_up_to_the_logits_of_the_model() -> None:
    logits = torch.randn(2, 5 * 6, 3, generator=torch.Generator().manual_seed(1)) * 3  # (step, location, label)
    pool = SpatialAttentionPool()
    pool.peak.fill_(0.7)
    pool.sharpness.fill_(1.5)
    found = smoothed_contributions(pool, logits, (5, 6), 0.0)
    torch.testing.assert_close(found.sum(dim=1), pool(logits), rtol=1e-4, atol=1e-5)
    for step, label in np.ndindex(2, 3):
        smoothed = gaussian_filter(logits[step, :, label].view(5, 6).double().numpy(), SIGMA, mode="reflect")
        attention = np.exp(1.5 * smoothed) / np.exp(1.5 * smoothed).sum()
        weights = 1 / 30 + 0.7 * attention
        missing = float(pool(logits)[step, label]) - (weights * smoothed).sum()
        expected = weights * smoothed + missing * weights / weights.sum()
        np.testing.assert_allclose(found[step, :, label].view(5, 6), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_single_location_does_not_outweigh_its_neighbors_by_the_pooling() -> None:
    logits = torch.zeros(9, 9)
    logits[1, 1], logits[6, 5], logits[6, 6] = 4.0, 3.5, 3.5
    pool = SpatialAttentionPool()
    column = logits.flatten().unsqueeze(1)  # (location, label)
    afterwards = smooth((pool.weights(column) * column).view(9, 9), 0.0)
    before = smoothed_contributions(pool, column, (9, 9), 0.0).view(9, 9)
    assert int(before.argmax()) in (6 * 9 + 5, 6 * 9 + 6)
    assert float(afterwards.max() / afterwards[1, 1]) < float(before.max() / before[1, 1])
