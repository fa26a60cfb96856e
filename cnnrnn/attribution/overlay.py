"""Overlays of attribution maps on images, drawn with Pillow."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Like magma: monotonic in lightness, so readable without color vision. position: (red, green, blue)
_STOPS = {0.0: (0, 0, 4), 0.25: (81, 18, 124), 0.5: (183, 55, 121), 0.75: (252, 137, 97), 1.0: (252, 253, 191)}
_COLORS = np.stack(
    [np.interp(np.linspace(0, 1, 256), list(_STOPS), channel) for channel in zip(*_STOPS.values(), strict=True)],
    axis=-1,
).astype(np.uint8)  # (level, 3)


def overlay(
    image: Image.Image, values: np.ndarray, scale: float, opacity: float = 0.65, floor: float = 0.0
) -> Image.Image:
    """Draw positive evidence over an RGB image: values (height, width) on any grid -> an image of the same size.

    Values of at least `scale` are drawn with `opacity` (0 to 1), and values of at most 0 are transparent. Maps that
    are to be compared need the same scale. Values below `floor` (0 to 1) times `scale` are left out.
    """
    strength = resize_map(values, image.size) / scale if scale > 0 else np.zeros(image.size[::-1], np.float32)
    strength[strength < floor] = 0
    levels = (strength.clip(0, 1) * 255).round().astype(np.uint8)  # (height, width)
    # The square root makes weak evidence visible.
    opacities = Image.fromarray(levels).point([round(255 * opacity * (level / 255) ** 0.5) for level in range(256)])
    dimmed = image.point(lambda value: 0.8 * value)  # the image without evidence stays visible
    return Image.composite(Image.fromarray(_COLORS[levels]), dimmed, opacities)


def resize_map(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a map (any height, any width) to `size` (width, height) by bicubic interpolation: float32 (height, width).

    The backbone's input is the image stretched to a square, so the map covers the whole image.
    """
    return np.asarray(
        Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), dtype=np.float32
    )
