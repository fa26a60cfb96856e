"""Where images come from: the samples, the data that whoever started the dashboard lets it read, and uploads.

Decoded images are cached, keyed by the hash of their bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image, ImageOps

from cnnrnn.data import DATASETS, Sample, Split, load_split
from cnnrnn.data.coco import LABELS
from cnnrnn.data.images import MAX_SIDE, SUFFIXES, ImageError, open_image
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import escape_surrogates

SAMPLES = Path(__file__).resolve().parent / "samples"
SPLITS = ("val", "test", "train")
_SAMPLE, _FILE = "sample", "file"  # what begins the origin of an image that no data set has
THUMBNAIL = 224  # pixels; twice the width at which a sample is offered
_MOST_FILES = 1_000_000  # that are looked through for the images of a recorded evaluation


@dataclass(frozen=True)
class InputImage:
    """An image that was opened, with the hash of the bytes it came from."""

    name: str
    pixels: Image.Image
    digest: str
    truth: tuple[str, ...] | None = None  # its labels, where they are known
    origin: str | None = None  # where a link finds it, as `open_linked` reads it


# How streamlit hashes these arguments of a cached function.
HASH_FUNCS: dict[str | type[Any], Callable[[Any], Any]] = {InputImage: lambda image: image.digest}


@dataclass(frozen=True)
class SamplePhotograph:
    """A photograph to begin with."""

    photograph: Sample
    credit: str  # its license and source


@st.cache_resource(max_entries=1, show_spinner=False)
def sample_split() -> Split:
    """All photographs of the samples' table. Every label of COCO was looked for in them, also those that none has."""
    return replace(load_split("table", SAMPLES / "labels.csv", "test"), name="the sample photographs", labels=LABELS)


@st.cache_resource(max_entries=1, show_spinner=False)
def samples() -> dict[str, SamplePhotograph]:
    """The samples that are offered, by titles that say what is seen; the table's other rows are only evaluated on."""
    by_name = {photograph.image.name: photograph for photograph in sample_split().samples}
    with (SAMPLES / "labels.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["title"]: SamplePhotograph(by_name[row["image"]], f"{row['licence']}, {row['credit']}")
            for row in csv.DictReader(file)
            if row["title"]
        }


def open_sample(title: str) -> InputImage:
    """One of `samples`, with its labels."""
    return replace(open_data_image(samples()[title].photograph), name=title)


@st.cache_data(max_entries=64, show_spinner=False)
def sample_thumbnail(title: str) -> bytes:
    """A square from the middle of a sample, as a JPEG."""
    image = open_image(samples()[title].photograph.image, 2 * THUMBNAIL)
    return jpeg(ImageOps.fit(image, (THUMBNAIL, THUMBNAIL)), 85)


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs=HASH_FUNCS)
def thumbnail(image: InputImage) -> bytes:
    """A small copy of the whole image, as a JPEG."""
    small = image.pixels.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return jpeg(small, 85)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASH_FUNCS)
def full_size(image: InputImage) -> bytes:
    """The image as it is shown, as a JPEG file."""
    return jpeg(image.pixels, 95)


def jpeg(image: Image.Image, quality: int) -> bytes:
    """The bytes of a JPEG file."""
    image.save(buffer := io.BytesIO(), "JPEG", quality=quality)
    return buffer.getvalue()


def read_image(name: str, data: bytes, truth: tuple[str, ...] | None = None) -> InputImage:
    """Raises ImageError for bytes that are no image."""
    digest = hashlib.sha256(data).hexdigest()
    return InputImage(name, _open(digest, data), digest, truth)


@st.cache_data(max_entries=32, show_spinner=False)
def _open(digest: str, _data: bytes) -> Image.Image:
    return open_image(_data, MAX_SIDE)


def derived_image(image: InputImage, how: str, pixels: Image.Image) -> InputImage:
    """An image made from another one; `how` distinguishes it from others made from the same image."""
    return InputImage(image.name, pixels, hashlib.sha256(f"{image.digest} {how}".encode()).hexdigest())


def data_root() -> Path | None:
    """What whoever started the dashboard lets it read: the variable CNNRNN_DATA, a folder of data sets or a table."""
    named = os.environ.get("CNNRNN_DATA")
    return Path(named).resolve() if named else None


def data_folder() -> Path | None:
    """The folder below which images may be shown."""
    root = data_root()
    return root.parent if root is not None and root.is_file() else root


@st.cache_resource(max_entries=8, show_spinner="Reading the data set …")
def split(dataset: str, name: str) -> Split:
    """A split under `data_root`. Raises DataError."""
    root = data_root()
    assert root is not None
    return load_split(dataset, root, name)


def open_data_image(sample: Sample) -> InputImage:
    """A data set's image with its ground truth. Raises ImageError and OSError."""
    return read_image(escape_surrogates(sample.image.name), sample.image.read_bytes(), tuple(sorted(sample.labels)))


def open_split_image(dataset: str, name: str, number: int) -> InputImage:
    """An image of a split under `data_root` by its number from 1, or the last one. Raises UserError and OSError."""
    samples = split(dataset, name).samples
    number = min(number, len(samples))
    return replace(open_data_image(samples[number - 1]), origin=f"{dataset}/{name}/{number}")


def may_be_shown(sample: Sample) -> bool:
    """Whether the image lies under `data_root` or is a sample: an uploaded file can name any path."""
    return _place(sample.image) is not None


def _place(path: Path) -> tuple[str, Path] | None:
    """The folder that an image may be shown from, as a link calls it, and the image's path in it."""
    path, folder = path.resolve(), data_folder()
    if path.is_relative_to(SAMPLES):
        return _SAMPLE, path.relative_to(SAMPLES)
    return (_FILE, path.relative_to(folder)) if folder is not None and path.is_relative_to(folder) else None


def shown(sample: Sample) -> InputImage | None:
    """An image that may be shown, with its labels, or none if it may not or is unreadable."""
    place = _place(sample.image)
    try:
        return None if place is None else replace(open_data_image(sample), origin=_origin(*place))
    except (ImageError, OSError):
        return None


def _origin(place: str, path: Path) -> str | None:
    """None for a name that is not UTF-8: no address can contain it."""
    origin = f"{place}/{path.as_posix()}"
    return origin if escape_surrogates(origin) == origin else None


def open_linked(origin: str) -> InputImage | None:
    """The image that a link names, if it is here: data set/split/number, sample/name, or file/path in `data_folder`,
    which has no labels."""
    place, _, rest = origin.partition("/")
    if place == _SAMPLE:
        return next((shown(sample) for sample in sample_split().samples if sample.image.name == rest), None)
    folder = data_folder()
    if folder is None or "\0" in rest:
        return None
    if place == _FILE:
        path = folder / rest
        image = shown(Sample(path, ())) if path.suffix.lower() in SUFFIXES else None
        return None if image is None or image.origin != origin else replace(image, truth=None)
    split_name, _, number = rest.partition("/")
    if place not in DATASETS or split_name not in SPLITS or not _is_number(number):
        return None
    try:
        return open_split_image(place, split_name, int(number))
    except (UserError, OSError):
        return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) > 0


def named(name: str) -> Iterator[Path]:
    """All images with this file name, among the samples and under `data_root`."""
    folder = data_folder()
    for place in [SAMPLES] if folder is None else [SAMPLES, folder]:
        yield from _images_by_name(place).get(name, [])


@st.cache_resource(max_entries=4, ttl=600, show_spinner="Looking for the images …")
def _images_by_name(folder: Path) -> dict[str, list[Path]]:
    """The images of a folder and of those below it, at most `_MOST_FILES`."""
    found: dict[str, list[Path]] = {}
    files = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    for path in itertools.islice(files, _MOST_FILES):
        if path.suffix.lower() in SUFFIXES:
            found.setdefault(path.name, []).append(path)
    return found
