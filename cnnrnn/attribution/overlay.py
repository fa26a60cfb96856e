"""Attribution maps drawn over images, on a scale that several maps can share."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Magma-like: dark to bright in lightness alone, so it reads without colour vision. position: (red, green, blue)
_STOPS = {0.0: (0, 0, 4), 0.25: (81, 18, 124), 0.5: (183, 55, 121), 0.75: (252, 137, 97), 1.0: (252, 253, 191)}
_COLORS = np.stack(
    [np.interp(np.linspace(0, 1, 256), list(_STOPS), channel) for channel in zip(*_STOPS.values(), strict=True)],
    axis=-1,
).astype(np.uint8)  # (level, 3)


def overlay(
    image: Image.Image, values: np.ndarray, scale: float, opacity: float = 0.65, floor: float = 0.0
) -> Image.Image:
    """Positive evidence over an RGB image: values (height, width) on any grid -> an image of the same size.

    A value of `scale` or more is drawn at full strength with `opacity` (0 to 1), 0 or less not at all; the same
    scale for all maps that are to be compared. Values below the fraction `floor` of it are left out.
    """
    strength = resize_map(values, image.size) / scale if scale > 0 else np.zeros(image.size[::-1], np.float32)
    strength[strength < floor] = 0
    levels = (strength.clip(0, 1) * 255).round().astype(np.uint8)  # (height, width)
    # The root lets weak evidence be seen at all.
    opacities = Image.fromarray(levels).point([round(255 * opacity * (level / 255) ** 0.5) for level in range(256)])
    dimmed = image.point(lambda value: 0.8 * value)  # where there is no evidence; not hidden
    return Image.composite(Image.fromarray(_COLORS[levels]), dimmed, opacities)


def resize_map(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (any height, any width) at the image's `size` (width, height), bicubic: float32 (height, width).

    The backbone saw the image stretched to a square, so the map covers all of it.
    """
    return np.asarray(
        Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), dtype=np.float32
    )
