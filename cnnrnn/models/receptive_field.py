"""Where the locations of a feature map look in the image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_LAYERS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@torch.no_grad()
def center_offset(network: nn.Module, feature_map: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """How far right of and below the middle of its cell the center of a location's receptive field lies, in cells.

    `images` (1, 3, size, size) are given to `feature_map`, which runs the layers of the `network`. A feature map is
    drawn as a grid of cells that cover the image, but a layer of stride 2 has no input in the middle of each two: with
    a kernel of 3 and a padding of 1 on both sides, as torch has it, output i is centered at input 2i, half a pixel
    before the middle of 2i and 2i + 1; with padding behind only, as TensorFlow has it, half a pixel after it. Five such
    layers add up to 15.5 of the 32 pixels of a cell.
    """
    shifts: dict[tuple[int, int], list[float]] = defaultdict(list)  # by the sizes before and after a layer

    def measure(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        before, after = inputs[0].shape[-1], output.shape[-1]
        if after < before:
            shifts[before, after].append(_shift(layer, before, after))

    hooks = [layer.register_forward_hook(measure) for layer in network.modules() if isinstance(layer, _LAYERS)]
    try:
        cells = feature_map(images).shape[-1]
    finally:
        for hook in hooks:
            hook.remove()
    size = images.shape[-1]
    # Layers of the same sizes are beside each other, such as a block and its shortcut.
    pixels = sum(size / before * sum(found) / len(found) for (before, _), found in shifts.items())
    return pixels * cells / size


def _shift(layer: Any, before: int, after: int) -> float:
    """How far the middle of a layer's output looks from the middle of its input, in pixels of the input."""
    kernel, stride, padding, dilation = (
        _last(getattr(layer, name, 1)) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    extent = dilation * (kernel - 1)
    if type(layer).__name__.endswith("Same"):  # timm's, padded as in TensorFlow: an odd pixel goes behind
        padding = max((after - 1) * stride + extent + 1 - before, 0) // 2
    return (after - 1) / 2 * stride - padding + extent / 2 - (before - 1) / 2


def _last(value: Any) -> int:
    return value if isinstance(value, int) else value[-1]
