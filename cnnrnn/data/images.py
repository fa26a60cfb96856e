"""Safe image loading: turns bytes or a path into an upright RGB image, or raises a one-line error."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from cnnrnn.utils.errors import UserError, summarize_error
from cnnrnn.utils.files import is_macos_metadata

# An explicit list instead of all of Pillow's formats: EPS starts Ghostscript, PSD and others are rarely fuzzed.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi", ".mpo", ".png", ".apng", ".gif", ".webp", ".tif", ".tiff"),
    *(".bmp", ".dib", ".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif"),
)  # in any case, of the files that are taken from a folder; a file that is named is judged by its content
MAX_SIDE = 1000  # pixels of the longer side at which images are predicted, explained and shown everywhere
# Whatever a file says it is, opening it takes less than 500 MB: all pixels are in memory, of a WebP four times, except
# of a JPEG that is decoded at a smaller scale.
MAX_PIXELS = 24_000_000
MAX_PIXELS_SCALED = 65_000_000
MAX_PIXELS_HEIF = 50_000_000  # telephones have 48
LONGEST = 65_535  # pixels of a side, as long as a JPEG's can be; Pillow keeps as much for a row as for three pixels
LIMIT = "CNNRNN_MAX_MEGAPIXELS"  # environment variable that overrides both limits
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_MOST_TAGS = 10_000  # of a TIFF file; cameras and microscopes write a hundred
_DAMAGED = "the image is damaged or cut off{}; save or download it again"
# What people drop by mistake, by the first bytes of the file.
_OTHER_FORMATS = {
    b"%PDF": "a PDF document",
    b"\xff\x0a": "a JPEG XL image",
    b"\0\0\0\x0cJXL ": "a JPEG XL image",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 image",
    b"8BPS": "a Photoshop file",
    b"%!PS": "a PostScript file",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML file, such as an SVG drawing",
    b"<!DOC": "a web page",
    b"<html": "a web page",
    b"\0\x05\x16\x07": "what macOS notes about a file, not the file itself",
    b"PK\x03\x04": "a ZIP archive or an office document",
}
_SRGB = ImageCms.createProfile("sRGB")
_MODES = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}  # color space of a profile: mode of the images it describes
_STRIP = 256  # rows converted at a time


class ImageError(UserError):
    """An image that can't be used; the message is one line and tells the user what to do."""


def open_image(source: bytes | Path, max_side: int | None = None) -> Image.Image:
    """Read an untrusted image.

    Upright (EXIF rotation applied), first frame of an animation, transparency laid on white, 16-bit and
    floating-point gray rescaled to 8 bits, CMYK and embedded color profiles converted to sRGB. With ``max_side`` the
    longer side comes out no larger than that many pixels, which is much faster for large JPEGs.

    The content decides what a file is, not its name. Raises ImageError for anything that is not an image in one of
    ``FORMATS``, is cut off or damaged, or has more pixels than `max_pixels`.
    """
    try:
        head = _head(source)
        _check_tags(source, head)
        formats = FORMATS if _register_heif(head) else FORMATS[:-1]
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats) as im:
            _check_size(im, max_side)
            if max_side is not None:
                im.draft(None, (max_side, max_side))  # a JPEG is decoded at the nearest larger scale
            im.load()
            rgb = _to_rgb(_in_srgb(ImageOps.exif_transpose(_reduce(im, max_side))))
            if max_side is not None:
                rgb.thumbnail((max_side, max_side))
            return rgb
    except UserError:
        raise
    except FileNotFoundError:
        raise ImageError("there is no such file; check the path") from None
    except IsADirectoryError:
        raise ImageError("this is a folder; name an image") from None
    except PermissionError:
        raise ImageError("the file may not be read; check its permissions") from None
    except UnidentifiedImageError:
        if head[4:8] == b"ftyp" and head[8:12] in (*_HEIF_BRANDS, *_AVIF_BRANDS):
            raise ImageError(_DAMAGED.format("")) from None
        raise ImageError(f"{_description(head)}; save it as one of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise ImageError("far more megapixels than can be opened; scale it down first") from None
    except Exception as error:  # hostile bytes make Pillow's decoders raise almost anything
        reason = summarize_error(error)
        raise ImageError(_DAMAGED.format(f" ({reason})")) from None


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the image as `open_image` returns it, by the file's header. Raises ImageError."""
    try:
        head = _head(path)
        _check_tags(path, head)
        with Image.open(path, formats=FORMATS if _register_heif(head) else FORMATS[:-1]) as im:
            width, height = im.size
            turned = im.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
            return (height, width) if turned else (width, height)
    except Exception as error:  # as in `open_image`
        raise ImageError(_DAMAGED.format(f" ({summarize_error(error)})")) from None


def is_image_name(name: str) -> bool:
    """Whether a file of a folder is taken for an image: by its suffix, unless macOS put it beside one."""
    return name.lower().endswith(SUFFIXES) and not is_macos_metadata(name)


def _head(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source[:32]
    with source.open("rb") as file:
        return file.read(32)


def _check_tags(source: bytes | Path, head: bytes) -> None:
    """A BigTIFF file may have as many tags as it has room for; Pillow reads them all, which takes seconds."""
    order = {b"II+\0": "<", b"MM\0+": ">"}.get(head[:4])
    if order is None or len(head) < 16:
        return
    (offset,) = struct.unpack(f"{order}Q", head[8:16])
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        file.seek(min(offset, 2**62))
        count = file.read(8)
    if len(count) == 8 and struct.unpack(f"{order}Q", count)[0] > _MOST_TAGS:
        raise ImageError(_DAMAGED.format(" (it has too many tags)"))


def _register_heif(head: bytes) -> bool:
    """Whether the file is one of HEIF, by its first bytes; only then its library is loaded."""
    found = head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS
    if found:
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False)
    return found


def _description(head: bytes) -> str:
    for magic, name in _OTHER_FORMATS.items():
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(magic.lower()) or head.startswith(magic):
            return f"this is {name}"
    if head[4:8] == b"ftyp":
        return "this is a video or an image of a kind that we can't read"
    return "not an image we can read"


def max_pixels(im: Image.Image, max_side: int | None) -> int:
    """The pixel limit for this image. Raises UserError if the environment variable is not a number."""
    megapixels = os.environ.get(LIMIT)
    if megapixels is None:
        if im.format == "HEIF":
            return MAX_PIXELS_HEIF
        scaled = max_side is not None and im.format in ("JPEG", "MPO") and im.mode != "CMYK"
        return MAX_PIXELS_SCALED if scaled else MAX_PIXELS
    if not megapixels.isascii() or not megapixels.isdigit():
        raise UserError(f"{LIMIT} must be a whole number of megapixels, not '{megapixels}'")
    return int(megapixels) * 10**6


def _check_size(im: Image.Image, max_side: int | None) -> None:
    """Check the size before any pixel is decoded: a 24 KB PNG can hold 200 megapixels."""
    if max(im.size) > LONGEST:
        raise ImageError(f"{im.width} × {im.height}: a side has more than {LONGEST:,} pixels; cut or scale it first")
    limit = max_pixels(im, max_side)
    if im.width * im.height > limit:
        raise ImageError(
            f"{im.width} × {im.height} pixels is more than {limit / 10**6:g} megapixels, the most for {im.format}; "
            f"scale it down first, or start the program with {LIMIT}={-(-im.width * im.height // 10**6)}"
        )


def _reduce(im: Image.Image, max_side: int | None) -> Image.Image:
    """Shrink by a whole number before any conversion, so that a large scan takes little memory."""
    factor = max(im.size) // max_side if max_side is not None else 1
    if factor <= 1:
        return im
    if im.mode in ("1", "P", "PA"):  # modes that can't be averaged
        return im.convert("RGBA" if im.has_transparency_data else "RGB").reduce(factor)
    if im.mode.startswith("I;16"):
        return im.convert("I").reduce(factor).convert("I;16")
    return im.reduce(factor)


def _in_srgb(im: Image.Image) -> Image.Image:
    """Colors converted from the image's embedded profile. Telephones write Display P3, programs Adobe RGB."""
    profile = im.info.get("icc_profile")
    if not profile:
        return im
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space.strip())
        if mode == "RGB" and im.mode in ("P", "PA", "RGBA"):
            im = _on_white(im) if im.has_transparency_data else im.convert("RGB")
        if mode != im.mode or (source.profile.profile_description or "").startswith("sRGB"):
            return im
        return ImageCms.profileToProfile(im, source, _SRGB, outputMode="RGB") or im
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return im  # a damaged profile: the colors as they are


def _to_rgb(im: Image.Image) -> Image.Image:
    if im.mode == "RGB" and not im.has_transparency_data:
        return im
    if im.mode in ("I", "F"):
        low, high = _range(im)
        scale = 255 / (high - low) if high > low else 0.0
        return _by_strips(im, lambda strip: _gray((_finite(strip) - low) * scale))
    if im.mode.startswith("I;16"):
        # Scanners and microscopes keep 10, 12 or 14 bits in 16: the fewest that hold the image's values are its range.
        highest = int(max(np.asarray(strip).max() for _, strip in _strips(im)))
        scale = 255 / (2 ** max(8, highest.bit_length()) - 1)
        return _by_strips(im, lambda strip: _gray(np.asarray(strip) * scale))
    if im.has_transparency_data:
        return _by_strips(im, _on_white)
    return im.convert("RGB")


def _by_strips(im: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert strip by strip, since conversion takes several times an image's memory."""
    rgb = Image.new("RGB", im.size)
    for top, strip in _strips(im):
        rgb.paste(convert(strip), (0, top))
    return rgb


def _strips(im: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    for top in range(0, im.height, _STRIP):
        yield top, im.crop((0, top, im.width, min(top + _STRIP, im.height)))


def _on_white(im: Image.Image) -> Image.Image:
    """convert("RGB") alone would uncover whatever color hides under full transparency."""
    white = Image.new("RGBA", im.size, "white")
    return Image.alpha_composite(white, im.convert("RGBA")).convert("RGB")


def _gray(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8)).convert("RGB")


def _range(im: Image.Image) -> tuple[float, float]:
    """32-bit gray has no agreed range: its own minimum and maximum become black and white."""
    ranges = [(values.min(), values.max()) for values in (_finite(strip) for _, strip in _strips(im))]
    return float(min(low for low, _ in ranges)), float(max(high for _, high in ranges))


def _finite(im: Image.Image) -> np.ndarray:
    return np.nan_to_num(np.asarray(im, dtype=np.float64), posinf=0.0, neginf=0.0)
