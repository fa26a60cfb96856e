"""Real files of every kind that people upload: the right image, or one line that says what to do."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

from cnnrnn.data.images import FORMATS, LIMIT, MAX_PIXELS, ImageError, open_image

register_heif_opener()  # to write such files
Encoded = Callable[..., bytes]


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("format", FORMATS)
def test_every_allowed_format_gives_the_image(format: str, encoded: Encoded, gradient_image: Image.Image) -> None:
    options = {"quality": 95} if format in ("JPEG", "WEBP", "AVIF", "HEIF") else {}
    difference = np.abs(pixels(open_image(encoded(format, **options))) - pixels(gradient_image))
    assert difference.mean() < (12 if format == "GIF" else 4)  # a GIF has 256 colours


def test_a_path_reads_like_its_bytes(tmp_path: Path, encoded: Encoded) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encoded("PNG"))
    assert open_image(path).tobytes() == open_image(encoded("PNG")).tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])  # a HEIF file turns its pixels itself
@pytest.mark.parametrize("max_side", [None, 30])
def test_exif_rotation_is_applied(
    format: str, max_side: int | None, encoded: Encoded, gradient_image: Image.Image
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    upright = open_image(encoded(format, exif=exif), max_side)
    expected = gradient_image.rotate(-90, expand=True)
    assert upright.height > upright.width
    difference = np.abs(pixels(upright) - pixels(expected.resize(upright.size)))
    assert difference.mean() < 8


def test_cmyk_keeps_its_colours(encoded: Encoded, gradient_image: Image.Image) -> None:
    data = encoded("JPEG", gradient_image.convert("CMYK"), quality=95)
    assert np.abs(pixels(open_image(data)) - pixels(gradient_image)).mean() < 4


def test_sixteen_bit_grey_is_rescaled_not_clipped(encoded: Encoded) -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (8, 1))
    opened = pixels(open_image(encoded("PNG", Image.fromarray(ramp))))[0, :, 0]
    assert np.abs(opened - np.linspace(0, 255, 64)).max() <= 1


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_fewer_bits_in_sixteen_are_not_dark(bits: int, encoded: Encoded) -> None:
    """Microscopes and X-ray machines keep 12 bits in files of 16."""
    ramp = np.tile(np.linspace(0, 2**bits - 1, 64).astype(np.uint16), (8, 1))
    for max_side in (None, 32):
        opened = pixels(open_image(encoded("TIFF", Image.fromarray(ramp)), max_side))[0, :, 0]
        assert np.abs(opened - np.linspace(0, 255, len(opened))).max() <= (1 if max_side is None else 8)


def swapped_profile(space: str = "RGB") -> bytes:
    """A profile with red and blue swapped, which changes every color so much that nobody misses it."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")  # the table of tags: signature, offset, size
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    description = data.index(b"s\0R\0G\0B")  # else it would be taken for sRGB
    data[description] = ord("x")
    return bytes(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_an_embedded_profile_is_converted_to_srgb(format: str, encoded: Encoded) -> None:
    image = Image.new("RGB", (32, 32), (200, 80, 20))
    opened = pixels(open_image(encoded(format, image, icc_profile=swapped_profile())))[16, 16]
    assert np.abs(opened - [20, 80, 200]).max() <= 25
    for profile in (b"no profile at all", swapped_profile()[:200]):
        plain = pixels(open_image(encoded(format, image, icc_profile=profile)))[16, 16]
        assert np.abs(plain - [200, 80, 20]).max() <= 12


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_a_profile_holds_for_palettes_and_below_transparency(mode: str, encoded: Encoded) -> None:
    image = Image.new("RGB", (32, 32), (200, 80, 20)).convert(mode)
    if mode == "RGBA":
        image.putpixel((0, 0), (200, 80, 20, 0))
    opened = pixels(open_image(encoded("PNG", image, icc_profile=swapped_profile())))
    assert np.abs(opened[16, 16] - [20, 80, 200]).max() <= 25
    if mode == "RGBA":
        assert np.abs(opened[0, 0] - 255).max() <= 2


def test_a_grey_image_with_a_color_profile_stays_grey(encoded: Encoded) -> None:
    opened = pixels(open_image(encoded("PNG", Image.new("L", (8, 8), 77), icc_profile=swapped_profile())))
    assert (opened == 77).all()


def test_floating_point_grey_is_stretched(encoded: Encoded) -> None:
    ramp = np.tile(np.linspace(-3.0, 5.0, 64, dtype=np.float32), (8, 1))
    opened = pixels(open_image(encoded("TIFF", Image.fromarray(ramp))))[0, :, 0]
    assert opened[0] == 0
    assert opened[-1] == 255


def test_transparency_lies_on_white(encoded: Encoded) -> None:
    hidden = Image.new("RGBA", (8, 8), (255, 0, 0, 0))  # red that nobody is meant to see
    assert (pixels(open_image(encoded("PNG", hidden))) == 255).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 255, 0, 255, 0])
    palette.putpixel((0, 0), 1)
    opened = pixels(open_image(encoded("PNG", palette, transparency=0)))
    assert opened[4, 4].tolist() == [255, 255, 255]
    assert opened[0, 0].tolist() == [0, 255, 0]


def test_an_animation_gives_its_first_frame(encoded: Encoded) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
    opened = pixels(open_image(encoded("GIF", frames[0], save_all=True, append_images=frames[1:])))
    assert opened[4, 4].tolist() == [255, 0, 0]


def test_a_forty_megapixel_photograph_is_read_small(encoded: Encoded) -> None:
    large = encoded("JPEG", Image.new("RGB", (8000, 5000), "teal"))
    opened = open_image(large, max_side=1024)
    assert opened.size == (1024, 640)
    assert np.abs(pixels(opened)[9, 9] - [0, 128, 128]).max() <= 4


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that unpacks to width x height pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * (height * (1 + width // 8)), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 9, 40_000])
def test_a_decompression_bomb_is_refused_by_its_size(side: int) -> None:
    data = bomb(side, side)
    assert len(data) < 300_000
    with pytest.raises(ImageError, match=r"megapixels(, the most for PNG| than can be opened); scale it down"):
        open_image(data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_big_tiff_of_very_many_tags_is_refused_before_they_are_read(order: str, encoded: Encoded) -> None:
    start = {"<": b"II+\0", ">": b"MM\0+"}[order] + struct.pack(f"{order}HHQ", 8, 0, 16)
    with pytest.raises(ImageError, match="too many tags"):
        open_image(start + struct.pack(f"{order}Q", 400_000) + bytes(8_000_000))
    assert open_image(encoded("TIFF", big_tiff=True)).mode == "RGB"


def test_an_extremely_elongated_image_is_refused() -> None:
    with pytest.raises(ImageError, match=r"8 × 65536: a side has more than 65,535 pixels"):
        open_image(bomb(8, 65_536))
    assert open_image(bomb(8, 65_535), 100).size == (1, 100)


def test_the_limit_can_be_set_and_is_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, "1")
    with pytest.raises(ImageError, match=rf"1 megapixels, the most for PNG.*{LIMIT}=2"):
        open_image(bomb(1104, 1000))
    monkeypatch.setenv(LIMIT, "2")
    assert open_image(bomb(1104, 1000)).size == (1104, 1000)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "F"])
def test_a_large_image_of_any_mode_comes_out_small_and_like_itself(mode: str, encoded: Encoded) -> None:
    grey = Image.linear_gradient("L").resize((640, 640))
    sixteen_bits = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    large = sixteen_bits if mode == "I;16" else grey.convert(mode)
    opened = pixels(open_image(encoded("TIFF" if mode == "F" else "PNG", large), 100))
    expected = pixels(grey.convert("RGB").resize((100, 100)))
    assert np.abs(opened[20:80].mean(axis=1) - expected[20:80].mean(axis=1)).max() <= (40 if mode == "1" else 4)


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_file_is_an_error_in_one_line(format: str, encoded: Encoded) -> None:
    data = encoded(format)
    with pytest.raises(ImageError) as error:
        open_image(data[: len(data) // 2])
    assert "\n" not in str(error.value)
    assert "again" in str(error.value)


@pytest.mark.parametrize("data", [b"", b"not an image", b"%PDF-1.7", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"JPEG|damaged"):
        open_image(data)


def test_formats_outside_the_list_are_refused_though_pillow_reads_them(encoded: Encoded) -> None:
    assert Image.open(io.BytesIO(encoded("PPM"))).format == "PPM"
    with pytest.raises(ImageError, match="save it as one of JPEG"):
        open_image(encoded("PPM"))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\xff\x0a" + bytes(30), "a JPEG XL image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", "an SVG drawing"),
        (b" <svg xmlns='x'/>", "an SVG drawing"),
        (b"<!doctype html><html>", "a web page"),
        (b"PK\x03\x04word", "a ZIP archive"),
        (b"\0\0\0\x20ftypmp42" + bytes(20), "a video"),
    ],
)
def test_other_formats_are_named(data: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"  # its name says otherwise
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(ImageError, match=name):
            open_image(source)


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".heic", "", ".txt"])
def test_the_content_decides_what_a_file_is(suffix: str, tmp_path: Path, encoded: Encoded) -> None:
    path = tmp_path / f"image{suffix}"
    for format in ("JPEG", "HEIF", "AVIF"):
        path.write_bytes(encoded(format))
        assert open_image(path, 1000).size == Image.open(io.BytesIO(encoded(format))).size


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        open_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="folder"):
        open_image(tmp_path)
