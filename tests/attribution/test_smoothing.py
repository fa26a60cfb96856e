"""Maps, smoothed as they are drawn."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter

from cnnrnn.attribution.smoothing import SIGMA, smooth


@pytest.mark.parametrize("shape", [(14, 14), (3, 2, 5, 9), (1, 1), (1, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_a_gaussian_of_each_map_that_keeps_its_sum(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    found = smooth(maps)
    assert (found.shape, found.dtype) == (maps.shape, maps.dtype)
    for values, expected in zip(found.reshape(-1, *shape[-2:]), maps.reshape(-1, *shape[-2:]), strict=True):
        reference = torch.from_numpy(gaussian_filter(expected.double().numpy(), SIGMA, mode="reflect")).to(dtype)
        torch.testing.assert_close(values, reference)
    torch.testing.assert_close(found.sum(dim=(-2, -1)), maps.sum(dim=(-2, -1)), rtol=1e-4, atol=1e-5)


def test_two_neighbors_outweigh_one_stronger_location() -> None:
    maps = torch.zeros(9, 9)
    maps[1, 1], maps[6, 5], maps[6, 6] = 1.2, 1.0, 1.0
    assert int(smooth(maps).argmax()) in (6 * 9 + 5, 6 * 9 + 6)


def test_an_even_map_stays_even() -> None:
    torch.testing.assert_close(smooth(torch.full((4, 6), 0.3)), torch.full((4, 6), 0.3))
