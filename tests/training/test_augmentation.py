"""The augmentation, seen in images whose crop, mirroring and colors can be read off."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cnnrnn.training.augmentation import Augmentation

# Smaller than any crop of the images below, and larger: a crop is reduced or enlarged.
SIZES = (32, 600)


def augmented(image: Image.Image, draws: int, size: int = 64) -> np.ndarray:
    """`draws` augmentations of an image with values 0 to 1: (draw, size, size, 3)."""
    torch.manual_seed(0)
    transform = Augmentation(size)
    pixels = torch.stack([transform(image) for _ in range(draws)])
    assert pixels.shape == (draws, 3, size, size)
    assert pixels.dtype == torch.uint8
    return pixels.permute(0, 2, 3, 1).numpy().astype(np.float32) / 255


def test_crops_at_least_half_of_the_image_in_nearly_its_shape() -> None:
    """In an image of stripes, half as many stripes are half of its width."""
    stripes = (np.arange(480) // 15 % 2).astype(np.uint8) * 255
    upright = np.broadcast_to(stripes, (480, 480))
    image = Image.fromarray(np.stack([upright, upright.T, upright], axis=-1))  # red across, green down

    def share(line: np.ndarray) -> float:
        bright = line > (line.min() + line.max()) / 2
        return (bright[1:] != bright[:-1]).sum() / 31

    boxes = []
    for pixels in augmented(image, 100):
        green = pixels[..., 1] - pixels[..., 2]  # blue is as red; a change of saturation mixes the channels
        boxes.append((share(pixels[:, :, 0].mean(axis=0)), share(green.mean(axis=1))))
    width, height = np.array(boxes).T
    assert (width * height).min() == pytest.approx(0.5, abs=0.06)
    assert (width * height).max() > 0.93
    assert np.median(width * height) == pytest.approx(0.72, abs=0.06)  # not always the same
    assert 0.68 < (width / height).min() < 0.8
    assert 1.25 < (width / height).max() < 1.45


@pytest.mark.parametrize("size", SIZES)
def test_mirrors_half_of_the_images_and_turns_none_upside_down(size: int) -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 96).astype(np.uint8), (96, 96))
    across = augmented(Image.fromarray(ramp).convert("RGB"), 100, size)
    down = augmented(Image.fromarray(ramp.T).convert("RGB"), 100, size)
    assert 30 < (np.diff(across, axis=2).mean(axis=(1, 2, 3)) < 0).sum() < 70
    assert (np.diff(down, axis=1).mean(axis=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("size", SIZES)
def test_changes_brightness_contrast_and_saturation_by_up_to_a_fifth(size: int) -> None:
    def spread(values: np.ndarray) -> tuple[float, float]:
        return values.min(), values.max()

    grey = augmented(Image.new("RGB", (96, 96), (128, 128, 128)), 150, size)
    np.testing.assert_allclose(grey[..., 0], grey[..., 2], atol=1e-6)  # the hue stays
    brightness = grey.mean(axis=(1, 2, 3)) / (128 / 255)
    assert spread(brightness) == pytest.approx((0.8, 1.2), abs=0.02)

    chequered = (np.indices((96, 96)).sum(axis=0) // 24 % 2 * 64 + 64).astype(np.uint8)
    pixels = augmented(Image.fromarray(chequered).convert("RGB"), 150, size)
    low, high = (np.percentile(pixels, q, axis=(1, 2, 3)) for q in (10, 90))
    contrast = (high - low) / (high + low) * 3  # 64 and 128 differ by a third of their sum
    assert spread(contrast) == pytest.approx((0.8, 1.2), abs=0.06)

    pale = augmented(Image.new("RGB", (96, 96), (140, 110, 110)), 150, size).mean(axis=(1, 2))
    saturation = (pale[:, 0] - pale[:, 1]) / (pale @ [0.2989, 0.587, 0.114]) / (30 / 119)  # contrast changes it, too
    assert spread(saturation)[0] < 0.75
    assert spread(saturation)[1] > 1.25
    assert spread(saturation) == pytest.approx((0.7, 1.35), abs=0.1)
