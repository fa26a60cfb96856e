"""The steps as a strip of small maps, each with a bar for the strength of its evidence."""

from __future__ import annotations

import math

from PIL import Image, ImageOps

SIDE = 92  # pixels, of a small map on the page
_DENSITY = 2  # pixels of the file for one on the page
_BAR = 5  # pixels
_FILLED, _EMPTY = (200, 80, 15), (190, 190, 190)
_MARGIN = (128, 128, 128)  # beside a narrow image, seen in both themes
_MOST_CUT = 1.5  # how many times wider or higher than a small map an image may be to fill it


def reduced(image: Image.Image) -> Image.Image:
    """A copy that is just large enough for `thumbnail`: a map is drawn over it in a moment. A tiny image is enlarged,
    since the map's contour would be, too."""
    width = SIDE * _DENSITY
    largest = max(1.0, width / max(image.size))
    factor = min(largest, max(width / image.width, (width * 3 // 4 + _BAR * _DENSITY) / image.height))
    return image.resize((math.ceil(image.width * factor), math.ceil(image.height * factor)))


def thumbnail(image: Image.Image, strength: float | None = None) -> Image.Image:
    """An image, and below it a bar that `strength` (0 to 1) fills from the left, if it has one."""
    width, bar = SIDE * _DENSITY, _BAR * _DENSITY
    height = width * 3 // 4
    if strength is None:
        return _fitted(image, (width, height + bar))
    sheet = Image.new("RGB", (width, height + bar), _EMPTY)
    sheet.paste(_fitted(image, (width, height)))
    sheet.paste(_FILLED, (0, height, round(width * strength), height + bar))
    return sheet


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of the image that fills the size, or all of an image that is much wider or higher."""
    shape = image.width / image.height / (size[0] / size[1])
    if 1 / _MOST_CUT <= shape <= _MOST_CUT:
        return ImageOps.fit(image, size)
    return ImageOps.pad(image, size, color=_MARGIN)
