"""What is laid over an image: nothing, everything, and what the floor leaves out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from cnnrnn.attribution.overlay import COLORMAPS, _grown, color_bar, overlay, resize_map

PLAIN = Image.new("RGB", (40, 20), (100, 150, 200))
PIXEL = np.array([100, 150, 200])
BRIGHTEST = np.array([240, 249, 33])
# Plasma at fractions of the scale, with straight lines between them.
COLORS = {
    0.0: np.array([13, 8, 135]),
    0.2: np.array([106, 0, 168]),
    0.4: np.array([177, 42, 144]),
    0.6: np.array([225, 100, 98]),
    0.8: np.array([252, 166, 54]),
    1.0: BRIGHTEST,
}


def pixels(values: list[list[float]], **options: float) -> np.ndarray:
    return np.asarray(overlay(PLAIN, np.array(values), 2.0, **options)).astype(int)


@pytest.mark.parametrize("values", [[[0.0, 0.0], [0.0, 0.0]], [[-1.0, -5.0], [-2.0, -1.0]]])
def test_without_evidence_the_image_is_unchanged(values: list[list[float]]) -> None:
    assert (pixels(values) == PIXEL).all()
    assert (np.asarray(overlay(PLAIN, np.array(values), 0.0)) == PIXEL).all()  # no scale: no step has any


def test_without_a_scale_nothing_is_drawn_whatever_the_map_has() -> None:
    assert (np.asarray(overlay(PLAIN, np.ones((2, 2)), 0.0)) == PIXEL).all()
    assert (np.asarray(overlay(PLAIN, np.ones((2, 2)), 0.5, opacity=1.0)) == BRIGHTEST).all()


@pytest.mark.parametrize("opacity", [0.7, 0.3, 1.0])
def test_color_and_opacity_grow_with_the_evidence(opacity: float) -> None:
    """To the very pixel, but for rounding: opacity grows from 8 % of the scale to 58 %, color over all of it."""
    for level in range(0, 256, 3):
        strength = level / 255
        found = pixels([[2 * strength] * 2] * 2, opacity=opacity)
        color = [np.interp(strength, list(COLORS), [stop[channel] for stop in COLORS.values()]) for channel in range(3)]
        covered = opacity * np.clip((strength - 0.08) / 0.5, 0, 1)
        expected = (1 - covered) * PIXEL + covered * np.array(color)
        assert np.abs(found - expected).max() <= 3, level
        if opacity == 0.7:
            assert (found == pixels([[2 * strength] * 2] * 2)).all()  # by default


def test_full_strength_is_the_brightest_color_at_the_opacity_that_is_asked_for() -> None:
    assert (pixels([[2.0, 2.0], [2.0, 2.0]], opacity=1.0) == BRIGHTEST).all()
    assert (pixels([[9.0, 9.0], [9.0, 9.0]], opacity=1.0) == BRIGHTEST).all()  # beyond the scale it is full, too
    half = pixels([[2.0, 2.0], [2.0, 2.0]], opacity=0.5)
    assert np.abs(half - (PIXEL + BRIGHTEST) / 2).max() <= 1


def test_evidence_is_where_the_map_has_it_and_none_below_the_floor() -> None:
    found = pixels([[0.0, 0.0, 0.0, 2.0]], opacity=1.0)  # the map is stretched over the image
    assert (found[:, 37:] != PIXEL).all()
    assert (found[:, :15] == PIXEL).all()
    weak = [[0.5, 0.5], [0.5, 0.5]]  # a quarter of the scale
    assert (pixels(weak, floor=0.2) == pixels(weak)).all()
    assert (pixels(weak, floor=0.25) == pixels(weak)).all()  # as much as the floor is enough
    assert (pixels(weak, floor=0.3) == PIXEL).all()
    assert (pixels(weak) != PIXEL).any(axis=-1).all()


def test_a_line_surrounds_evidence_of_half_the_scale_white_inside_and_dark_outside() -> None:
    image = Image.new("RGB", (300, 60), (100, 150, 200))
    values = np.zeros((60, 300))
    values[:, 100:] = 1.2  # more than half of 2
    found = np.asarray(overlay(image, values, 2.0)).astype(int)
    assert (found[:, 100] == 255).all()
    assert (found[:, 99] == PIXEL // 4).all()
    assert (found[:, :99] == PIXEL).all()
    assert len(np.unique(found[:, 101:].reshape(-1, 3), axis=0)) == 1  # no line at the border of the image
    values[:, 100:] = 0.98  # less than half: no line
    found = np.asarray(overlay(image, values, 2.0)).astype(int)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) == 2


def test_the_line_is_wider_on_a_larger_image() -> None:
    values = np.zeros((90, 900))
    values[:, 300:] = 2.0
    found = np.asarray(overlay(Image.new("RGB", (900, 90), (100, 150, 200)), values, 2.0)).astype(int)
    assert [int((found[45] == color).all(axis=-1).sum()) for color in (255, PIXEL // 4)] == [3, 3]


def test_a_pattern_stays_the_right_way_up() -> None:
    top_right = pixels([[0.0, 0.0, 0.0, 2.0], [0.0] * 4, [0.0] * 4, [0.0] * 4], opacity=1.0)
    assert top_right.shape == (20, 40, 3)
    assert (top_right[0, -1] == BRIGHTEST).all()
    for corner in (top_right[0, 0], top_right[-1, 0], top_right[-1, -1]):
        assert (corner == PIXEL).all()


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


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_every_color_map_grows_lighter_with_the_evidence(colormap: str) -> None:
    bar = np.asarray(color_bar(colormap, size=(256, 1)).convert("L"))[0].astype(int)
    assert (np.diff(bar) >= -1).all()  # but for rounding
    assert bar[-1] - bar[0] > 150
    full = np.asarray(overlay(PLAIN, np.ones((2, 2)), 1.0, opacity=1.0, colormap=colormap))
    assert (full[0, 0] == np.asarray(color_bar(colormap))[0, -1]).all()


def test_a_signed_map_has_a_color_for_each_sign() -> None:
    values = np.array([[-2.0, -2.0, 2.0, 2.0]])
    found = np.asarray(overlay(PLAIN, values, 2.0, opacity=1.0, signed=True, contour=False)).astype(int)
    against, evidence = found[10, 2], found[10, -3]
    assert against[2] > against[0] + 50  # blue
    assert evidence[0] > evidence[2] + 50  # orange
    bar = np.asarray(color_bar(signed=True)).astype(int)
    assert np.abs(bar[0, 0] - against).max() <= 2
    assert np.abs(bar[0, -1] - evidence).max() <= 2
    unsigned = np.asarray(overlay(PLAIN, values, 2.0, opacity=1.0, contour=False)).astype(int)
    assert (unsigned[10, 2] == PIXEL).all()


@pytest.mark.parametrize(("shape", "width"), [((120, 160), 1), ((120, 160), 4), ((3, 2), 2), ((1, 40), 5)])
def test_a_region_grows_by_its_width(shape: tuple[int, int], width: int) -> None:
    region = np.random.default_rng(0).random(shape) > 0.97
    expected = ndimage.maximum_filter(region.view(np.uint8), 2 * width + 1, mode="nearest").view(bool)
    assert (_grown(region, width) == expected).all()
    assert not _grown(np.zeros(shape, bool), width).any()


def test_the_contour_can_be_left_out() -> None:
    values = np.zeros((60, 300))
    values[:, 100:] = 1.2
    found = np.asarray(overlay(Image.new("RGB", (300, 60), (100, 150, 200)), values, 2.0, contour=False)).astype(int)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) == 2
