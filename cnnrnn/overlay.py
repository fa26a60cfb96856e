"""A map laid over its picture, with Pillow: small files, and the strength of the evidence stays honest."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Magma-like: dark to bright in lightness alone, so it reads without colour vision. (position, red, green, blue)
_COLOURS = np.array(
    [
        (0.00, 0, 0, 4),
        (0.25, 81, 18, 124),
        (0.50, 183, 55, 121),
        (0.75, 252, 137, 97),
        (1.00, 252, 253, 191),
    ],
    dtype=np.float32,
)


def overlay(
    picture: Image.Image, values: np.ndarray, scale: float, opacity: float = 0.65, floor: float = 0.0
) -> Image.Image:
    """Positive evidence over a picture: values (height, width) on any grid, 0 … `scale` is see-through … full.

    `scale` is the value of full strength, the same for all maps that are to be compared. Evidence below the share
    `floor` of it is left out.
    """
    strength = stretched(values, picture.size) / scale if scale > 0 else np.zeros(picture.size[::-1], np.float32)
    strength = np.where(strength < floor, 0.0, strength.clip(0, 1))
    positions, channels = _COLOURS[:, 0], _COLOURS[:, 1:].T
    colours = np.stack([np.interp(strength, positions, channel) for channel in channels], axis=-1)
    alpha = (opacity * np.sqrt(strength))[..., None]  # the root lets weak evidence be seen at all
    base = np.asarray(picture, dtype=np.float32)
    # Where there is no evidence the picture is dimmed, not hidden.
    blended = (1 - alpha) * 0.8 * base + alpha * colours
    return Image.fromarray(blended.clip(0, 255).astype(np.uint8))


def stretched(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bicubic to the picture's (width, height); the backbone saw the picture stretched to a square."""
    return np.asarray(
        Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), dtype=np.float32
    )
