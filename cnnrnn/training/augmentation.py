"""What training changes in every image, at random."""

from __future__ import annotations

from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from cnnrnn.models.backbone import uint8_pixels


class Augmentation:
    """A random crop, perhaps mirrored, with slightly changed colors: RGB image -> uint8 (3, size, size)."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.crop = v2.RandomResizedCrop(size, scale=(0.5, 1.0), ratio=(0.75, 4 / 3))
        self.resize = v2.Resize([size, size])
        self.colors = v2.ColorJitter(0.2, 0.2, 0.2)
        self.mirror = v2.RandomHorizontalFlip()

    def __call__(self, image: Image.Image) -> Tensor:
        crop = v2.functional.crop(image, **self.crop.make_params([image]))
        # The colors of a small crop are changed before it is enlarged, those of a large one after it was reduced.
        if crop.width * crop.height < self.size**2:
            pixels = self.resize(uint8_pixels(self.colors(crop)))
        else:
            pixels = uint8_pixels(self.colors(self.resize(crop)))
        return self.mirror(pixels)
