"""Attribution maps drawn over images. How every map of the project looks is decided here."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor, ImageFilter

OPACITY = 0.7  # of the strongest evidence
_CONTOUR = 0.5  # a line surrounds evidence of at least this fraction of the scale
_ABOVE_ZERO = [0, *[255] * 255]  # of every value of a pixel
_FAINT, _FULL = 0.08, 0.58  # fractions of the scale below which nothing is drawn and from which opacity is full

# Perceptually uniform color maps of matplotlib, from weak to strong evidence, at evenly spaced fractions of the scale.
# Their lightness grows with the evidence, so they read without color vision; cividis looks nearly the same with it.
_STOPS = {
    "plasma": ("#0d0887", "#6a00a8", "#b12a90", "#e16462", "#fca636", "#f0f921"),
    "viridis": ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"),
    "cividis": ("#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838"),
}
COLORMAPS = tuple(_STOPS)
_AGAINST = ("#b3d9ff", "#2166ac")  # evidence against, of a signed map, from weak to strong
_FOR = ("#ffd9b3", "#d95f02")


def _gradient(stops: tuple[str, ...]) -> np.ndarray:
    """(256, 3) uint8, with straight lines between the stops."""
    channels = np.array([ImageColor.getrgb(stop) for stop in stops]).T  # (3, stop)
    positions = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(np.linspace(0, 1, 256), positions, channel) for channel in channels], axis=-1).astype(
        np.uint8
    )


_COLORS = {name: _gradient(stops) for name, stops in _STOPS.items()}
_SIGNED = {sign: _gradient(stops) for sign, stops in ((1, _FOR), (-1, _AGAINST))}


def overlay(
    image: Image.Image,
    values: np.ndarray,
    scale: float,
    opacity: float = OPACITY,
    floor: float = 0.0,
    colormap: str = COLORMAPS[0],
    contour: bool = True,
    signed: bool = False,
) -> Image.Image:
    """Evidence over an RGB image: values (height, width) on any grid -> an image of the same size.

    A value of `scale` or more is drawn in the last color of the `colormap` with `opacity` (0 to 1), and a line, unless
    there is to be no `contour`, surrounds all values of at least half of it. Where there is no evidence, the image is
    unchanged. Values below the fraction `floor` of the scale are left out. Negative values are as well, unless the map
    is `signed`: then evidence for and against has two colors of its own.
    """
    strength = resize_map(values, image.size) / scale if scale > 0 else np.zeros(image.size[::-1], np.float32)
    against = strength < 0  # drawn of a signed map only
    strength = np.abs(strength) if signed else strength
    strength[strength < floor] = 0
    strength = strength.clip(0, 1)  # (height, width)
    levels = (strength * 255).round().astype(np.uint8)
    colors = _colored(levels, _SIGNED[1] if signed else _COLORS[colormap])
    if signed:
        colors.paste(_colored(levels, _SIGNED[-1]), mask=Image.fromarray(against))
    opacities = 255 * opacity * ((strength - _FAINT) / (_FULL - _FAINT)).clip(0, 1)
    heat = Image.composite(colors, image, Image.fromarray(opacities.round().astype(np.uint8)))
    return _with_contour(heat, strength >= _CONTOUR) if contour else heat


def _colored(levels: np.ndarray, gradient: np.ndarray) -> Image.Image:
    """levels: uint8 (height, width), indices of the gradient's 256 colors. Pillow looks them up faster than numpy."""
    image = Image.fromarray(levels)
    image.putpalette(gradient.tobytes())
    return image.convert("RGB")


def color_bar(colormap: str = COLORMAPS[0], signed: bool = False, size: tuple[int, int] = (256, 8)) -> Image.Image:
    """The colors of a map from no evidence to the full scale, of a signed map from evidence against to evidence for."""
    colors = np.concatenate([_SIGNED[-1][::-1], _SIGNED[1]]) if signed else _COLORS[colormap]
    return Image.fromarray(colors[None]).resize(size, Image.Resampling.BILINEAR)


def _with_contour(image: Image.Image, inside: np.ndarray) -> Image.Image:
    """A white line along the inner edge of a region (height, width), and a dark one outside, so that one of them shows
    on any image."""
    if not inside.any():
        return image
    width = max(1, round(max(image.size) / 300))  # pixels
    pixels = np.array(image)  # (height, width, 3)
    pixels[_grown(inside, width) & ~inside] //= 4
    pixels[inside & _grown(~inside, width)] = 255
    return Image.fromarray(pixels)


def _grown(region: np.ndarray, width: int) -> np.ndarray:
    """A region (height, width) and all pixels within a square of `width` around each of its own.

    Pillow takes as long as scipy's maximum filter, whose import takes 0.2 s of the dashboard's start.
    """
    image = Image.fromarray(region).convert("L")
    for radius in ((width, 0), (0, width)):  # a mean over one line is above zero where one pixel is
        image = image.filter(ImageFilter.BoxBlur(radius)).point(_ABOVE_ZERO)
    return np.asarray(image).astype(bool)


def resize_map(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (any height, any width) at the image's `size` (width, height), bicubic: float32 (height, width).

    The backbone saw the image stretched to a square, so the map covers all of it.
    """
    return np.asarray(
        Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), dtype=np.float32
    )
