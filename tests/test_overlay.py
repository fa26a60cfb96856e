"""What is laid over a picture: nothing, everything, and what the floor leaves out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cnnrnn.overlay import overlay

GREY = Image.new("RGB", (40, 20), (100, 150, 200))


def pixels(values: list[list[float]], **options: float) -> np.ndarray:
    return np.asarray(overlay(GREY, np.array(values), 2.0, **options)).astype(int)


@pytest.mark.parametrize("values", [[[0.0, 0.0], [0.0, 0.0]], [[-1.0, -5.0], [-2.0, -1.0]]])
def test_without_evidence_the_picture_is_dimmed_not_hidden(values: list[list[float]]) -> None:
    assert (pixels(values) == [80, 120, 160]).all()
    assert (np.asarray(overlay(GREY, np.array(values), 0.0)) == [80, 120, 160]).all()  # no scale: no step has any


def test_full_strength_is_the_brightest_colour_at_the_opacity_that_is_asked_for() -> None:
    assert (pixels([[9.0, 9.0], [9.0, 9.0]], opacity=1.0) == [252, 253, 191]).all()  # beyond the scale it is full, too
    half = pixels([[2.0, 2.0], [2.0, 2.0]], opacity=0.5)
    assert np.abs(half - [(80 + 252) / 2, (120 + 253) / 2, (160 + 191) / 2]).max() <= 2


def test_evidence_is_where_the_map_has_it_and_none_below_the_floor() -> None:
    shown = pixels([[0.0, 0.0, 0.0, 2.0]], opacity=1.0)  # the map is stretched over the picture
    assert shown[:, 35:].min() > 180
    assert (shown[:, :15] == [80, 120, 160]).all()
    weak = [[0.5, 0.5], [0.5, 0.5]]  # a quarter of the scale
    assert (pixels(weak, floor=0.2) != [80, 120, 160]).any()
    assert (pixels(weak, floor=0.3) == [80, 120, 160]).all()
