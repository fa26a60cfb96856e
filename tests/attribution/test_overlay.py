"""What is laid over an image: nothing, everything, and what the floor leaves out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cnnrnn.attribution.overlay import overlay, resize_map

GREY = Image.new("RGB", (40, 20), (100, 150, 200))
DIMMED = np.array([80, 120, 160])  # four fifths of it
BRIGHTEST = np.array([252, 253, 191])
# Of the colour scale, a quarter of the evidence each.
COLOURS = {
    0.25: np.array([81, 18, 124]),
    0.5: np.array([183, 55, 121]),
    0.75: np.array([252, 137, 97]),
    1.0: BRIGHTEST,
}


def pixels(values: list[list[float]], **options: float) -> np.ndarray:
    return np.asarray(overlay(GREY, np.array(values), 2.0, **options)).astype(int)


@pytest.mark.parametrize("values", [[[0.0, 0.0], [0.0, 0.0]], [[-1.0, -5.0], [-2.0, -1.0]]])
def test_without_evidence_the_image_is_dimmed_not_hidden(values: list[list[float]]) -> None:
    assert (pixels(values) == DIMMED).all()
    assert (np.asarray(overlay(GREY, np.array(values), 0.0)) == DIMMED).all()  # no scale: no step has any


def test_without_a_scale_nothing_is_drawn_whatever_the_map_has() -> None:
    assert (np.asarray(overlay(GREY, np.ones((2, 2)), 0.0)) == DIMMED).all()
    assert (np.asarray(overlay(GREY, np.ones((2, 2)), 0.5, opacity=1.0)) == BRIGHTEST).all()


@pytest.mark.parametrize("strength", COLOURS)
@pytest.mark.parametrize("opacity", [0.65, 0.3, 1.0])
def test_colour_and_opacity_grow_with_the_evidence(strength: float, opacity: float) -> None:
    """The colour by the evidence itself, the opacity by its root; nothing of the colour where there is none."""
    shown = pixels([[2 * strength] * 2] * 2, opacity=opacity)
    covered = opacity * strength**0.5
    expected = (1 - covered) * DIMMED + covered * COLOURS[strength]
    assert np.abs(shown - expected).max() <= 2
    if opacity == 0.65:
        assert (shown == pixels([[2 * strength] * 2] * 2)).all()  # by default


def test_every_level_of_the_evidence_has_its_colour_between_black_and_the_next() -> None:
    """Straight lines between the colours above, from (0, 0, 4) on, to the very pixel."""
    stops = {0.0: np.array([0, 0, 4]), **COLOURS}
    for level in range(1, 256, 2):
        strength = level / 255
        shown = pixels([[2 * strength] * 2] * 2, opacity=1.0)
        colour = [np.interp(strength, list(stops), [stop[channel] for stop in stops.values()]) for channel in range(3)]
        covered = round(255 * strength**0.5) / 255
        expected = (1 - covered) * DIMMED + covered * np.floor(np.array(colour) + 1e-9)
        assert np.abs(shown - expected).max() <= 0.6  # rounding


def test_full_strength_is_the_brightest_colour_at_the_opacity_that_is_asked_for() -> None:
    assert (pixels([[2.0, 2.0], [2.0, 2.0]], opacity=1.0) == BRIGHTEST).all()
    assert (pixels([[9.0, 9.0], [9.0, 9.0]], opacity=1.0) == BRIGHTEST).all()  # beyond the scale it is full, too
    half = pixels([[2.0, 2.0], [2.0, 2.0]], opacity=0.5)
    assert np.abs(half - (DIMMED + BRIGHTEST) / 2).max() <= 2


def test_evidence_is_where_the_map_has_it_and_none_below_the_floor() -> None:
    shown = pixels([[0.0, 0.0, 0.0, 2.0]], opacity=1.0)  # the map is stretched over the image
    assert shown[:, 35:].min() > 180
    assert (shown[:, :15] == DIMMED).all()
    weak = [[0.5, 0.5], [0.5, 0.5]]  # a quarter of the scale
    assert (pixels(weak, floor=0.2) == pixels(weak)).all()
    assert (pixels(weak, floor=0.25) == pixels(weak)).all()  # as much as the floor is enough
    assert (pixels(weak, floor=0.3) == DIMMED).all()
    assert (pixels(weak) != DIMMED).any(axis=-1).all()


def test_a_pattern_stays_the_right_way_up() -> None:
    top_right = pixels([[0.0, 0.0, 0.0, 2.0], [0.0] * 4, [0.0] * 4, [0.0] * 4], opacity=1.0)
    assert top_right.shape == (20, 40, 3)
    assert (top_right[0, -1] == BRIGHTEST).all()
    for corner in (top_right[0, 0], top_right[-1, 0], top_right[-1, -1]):
        assert (corner == DIMMED).all()


def test_a_map_at_the_images_size_is_bicubic_and_keeps_its_values() -> None:
    values = np.array([[0.0, 4.0], [0.0, 0.0], [-8.0, 0.0]])
    large = resize_map(values, (6, 9))  # width, height
    assert large.shape == (9, 6)
    assert large.dtype == np.float32
    assert (resize_map(values, (2, 3)) == values).all()
    assert resize_map(np.full((2, 2), 0.3), (5, 4)) == pytest.approx(0.3)
    assert np.unravel_index(large.argmax(), large.shape) == (0, 5)
    assert np.unravel_index(large.argmin(), large.shape) == (8, 0)
    assert large.max() > 4  # bicubic goes beyond the values, linear stays between them
