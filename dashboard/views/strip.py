"""The steps as a strip of small maps, each with a bar for the strength of its evidence."""

from __future__ import annotations

import math

from PIL import Image, ImageOps

SIDE = 92  # pixels, of a small map on the page
_DENSITY = 2  # pixels of the file for one on the page
_BAR = 5  # pixels
_FILLED, _EMPTY = (200, 80, 15), (190, 190, 190)


def reduced(image: Image.Image) -> Image.Image:
    """A copy that is just large enough for `thumbnail`: a map is drawn over it in a moment."""
    width = SIDE * _DENSITY
    factor = min(1.0, max(width / image.width, (width * 3 // 4 + _BAR * _DENSITY) / image.height))
    return image.resize((math.ceil(image.width * factor), math.ceil(image.height * factor)))


def thumbnail(image: Image.Image, strength: float | None = None) -> Image.Image:
    """The middle of an image, and below it a bar that `strength` (0 to 1) fills from the left, if it has one."""
    width, bar = SIDE * _DENSITY, _BAR * _DENSITY
    height = width * 3 // 4
    if strength is None:
        return ImageOps.fit(image, (width, height + bar))
    sheet = Image.new("RGB", (width, height + bar), _EMPTY)
    sheet.paste(ImageOps.fit(image, (width, height)))
    sheet.paste(_FILLED, (0, height, round(width * strength), height + bar))
    return sheet
