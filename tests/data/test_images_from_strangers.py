"""Whatever the bytes: an image or one line, soon, without much memory, and the process lives on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fuzz_images import MEGABYTES, SECONDS, answers, broken, open_alone
from PIL import Image
from pillow_heif import register_heif_opener

from cnnrnn.data.images import MAX_PIXELS, MAX_PIXELS_HEIF, MAX_PIXELS_SCALED, MAX_SIDE

register_heif_opener()  # to write such files
pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is told by Linux's /proc")

COUNT = int(os.environ.get("CNNRNN_MUTANTS", "3000"))  # the CI has 20,000 made


def test_mutants_are_images_or_image_errors() -> None:
    every = list(answers(COUNT))
    assert [answer["number"] for answer in every] == list(range(COUNT))
    assert [answer for answer in every if broken(answer)] == []
    images = sum(answer["outcome"] == "image" for answer in every)
    print(f"\n{COUNT} mutants: {images} images, {COUNT - images} errors")
    assert 0.2 < images / COUNT < 0.8  # else the mutants are too tame, or nothing gets past the door


TURNED = Image.Exif()
TURNED[0x0112] = 6

# What took more than 500 MB, or came near it, in its format and mode.
LARGEST: dict[str, tuple[str, int, int | None, dict[str, Any]]] = {
    "JPEG": ("RGB", MAX_PIXELS_SCALED, MAX_SIDE, {"progressive": True, "subsampling": 0}),
    "PNG": ("LA", MAX_PIXELS, None, {"compress_level": 1, "exif": TURNED}),
    "TIFF": ("F", MAX_PIXELS, None, {"compression": "tiff_lzw", "exif": TURNED}),
    "AVIF": ("RGBA", MAX_PIXELS, MAX_SIDE, {"speed": 10, "exif": TURNED}),
    "HEIF": ("RGB", MAX_PIXELS_HEIF, MAX_SIDE, {"exif": TURNED}),
    "WEBP": ("RGBA", MAX_PIXELS, None, {"lossless": True, "method": 0, "exif": TURNED}),
}


@pytest.mark.parametrize("format", LARGEST)
def test_the_largest_images_allowed_take_less_than_half_a_gigabyte(format: str, tmp_path: Path) -> None:
    mode, pixels, max_side, options = LARGEST[format]
    height = int((pixels * 3 / 4) ** 0.5)
    large = Image.radial_gradient("L").resize((pixels // height, height)).convert(mode)
    if mode == "RGBA":
        large.putalpha(large.getchannel("R"))
    path = tmp_path / f"large.{format}"
    large.save(path, format, **options)
    answer = open_alone(path, max_side)
    print(f"\n{format} {mode} of {pixels / 1e6:g} megapixels: {answer}")
    assert answer["outcome"] == "image"
    assert answer["seconds"] < SECONDS
    assert answer["megabytes"] < MEGABYTES
