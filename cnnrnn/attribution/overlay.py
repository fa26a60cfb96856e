"""Attribution maps drawn over images. How every map of the project looks is decided here."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

OPACITY = 0.7  # of the strongest evidence
_CONTOUR = 0.5  # a line surrounds evidence of at least this fraction of the scale
_FAINT, _FULL = 0.08, 0.58  # fractions of the scale below which nothing is drawn and from which opacity is full

# Violet over red to yellow: light grows with the evidence, so it reads without color vision, and even the weakest
# color differs from a dark and from a bright image. fraction of the scale: (red, green, blue)
_STOPS = {0.0: (48, 18, 130), 0.35: (190, 30, 120), 0.7: (255, 90, 40), 1.0: (255, 225, 60)}
_COLORS = np.stack(
    [np.interp(np.linspace(0, 1, 256), list(_STOPS), channel) for channel in zip(*_STOPS.values(), strict=True)],
    axis=-1,
).astype(np.uint8)  # (level, 3)


def overlay(
    image: Image.Image, values: np.ndarray, scale: float, opacity: float = OPACITY, floor: float = 0.0
) -> Image.Image:
    """Positive evidence over an RGB image: values (height, width) on any grid -> an image of the same size.

    A value of `scale` or more is drawn in the brightest color with `opacity` (0 to 1), and a line surrounds all
    values of at least half of it. Where there is no evidence, the image is unchanged. Values below the fraction `floor`
    of the scale are left out.
    """
    strength = resize_map(values, image.size) / scale if scale > 0 else np.zeros(image.size[::-1], np.float32)
    strength[strength < floor] = 0
    strength = strength.clip(0, 1)  # (height, width)
    levels = (strength * 255).round().astype(np.uint8)
    opacities = 255 * opacity * ((strength - _FAINT) / (_FULL - _FAINT)).clip(0, 1)
    heat = Image.composite(Image.fromarray(_COLORS[levels]), image, Image.fromarray(opacities.round().astype(np.uint8)))
    return _with_contour(heat, strength >= _CONTOUR)


def _with_contour(image: Image.Image, inside: np.ndarray) -> Image.Image:
    """A white line along the inner edge of a region (height, width), and a dark one outside, so that one of them shows
    on any image."""
    if not inside.any():
        return image
    width = max(1, round(max(image.size) / 300))  # pixels
    region = Image.fromarray(255 * inside.astype(np.uint8))
    grown = region.filter(ImageFilter.MaxFilter(2 * width + 1))
    shrunk = region.filter(ImageFilter.MinFilter(2 * width + 1))
    pixels = np.array(image)  # (height, width, 3)
    pixels[(np.asarray(grown) > 0) & ~inside] //= 4
    pixels[inside & (np.asarray(shrunk) == 0)] = 255
    return Image.fromarray(pixels)


def resize_map(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (any height, any width) at the image's `size` (width, height), bicubic: float32 (height, width).

    The backbone saw the image stretched to a square, so the map covers all of it.
    """
    return np.asarray(
        Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), dtype=np.float32
    )
