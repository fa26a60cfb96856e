"""Whether folders beside each other are called as labels, or as the parts of a data set and the folders of a camera."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cnnrnn.data.formats.no_labels import is_nothing, may_be_nothing
from cnnrnn.data.formats.splits import denies
from cnnrnn.data.reading import Findings, listed

IMAGES = {"images", "image", "imgs", "img", "jpegimages"}
ANNOTATIONS = ("annotations", "annotation", "ann", "annos", "xml", "xmls", "labels")  # the likeliest first
# Folders that a data set has beside or in its splits.
PARTS = IMAGES | {"masks", "mask", "annotations", "labels", "thumbnails"}
_DERIVED = re.compile(r"[_-]?(mask|label|labels|seg|segmentation|annotated|annotation|thumb|thumbnail)s?$")
_MASK = re.compile(r"(?P<image>.+?)[ _-](mask|seg|segmentation)([ _-]?\d+)?", re.IGNORECASE)
# 100CANON, 100_0612, 202401__: from 100 on, and five characters that don't count. Eight digits may be any number.
_CAMERA = re.compile(r"[1-9]\d\d(?!\d{5})[0-9A-Z_]{5}")
_MAKERS = {"APPLE", "CANON", "NIKON", "MSDCF", "OLYMP", "_PANA", "_FUJI", "GOPRO", "MEDIA", "RICOH", "CASIO", "PENTX"}
_DATE = re.compile(r"(19|20)\d\d([-_. ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])")
# Beside the words of cells that may stand for no label.
_UNSORTED = re.compile(
    r"un(sorted|classified|known|decided|sure)|to[ _-]?(sort|label|classify)|not[ _-](sorted|classified)", re.IGNORECASE
)
_TABLE = "write a table with image and labels"


def why_no_labels(folders: Mapping[str, Sequence[Path]]) -> str | None:
    """Why the names of folders with these images are no labels, and what to do; None if they are."""
    parts = [name for name in folders if name.casefold() in PARTS]
    if len(parts) == len(folders):
        return f"the folders {listed(parts)} are called as the parts of a data set; {_TABLE}, or rename them if not"
    for name in sorted(parts, key=lambda name: name.casefold() in IMAGES):  # mask beside no_mask is a label
        others = {other: images for other, images in folders.items() if other != name}
        if not any(map(denies, others)) and _is_made_of(folders[name], others):
            return (
                f"{name} has the same images as {listed(others)} once more, so that these names are no labels; move "
                f"{name} elsewhere if the others are, or {_TABLE}"
            )
    if _are_of_camera(folders):
        return (
            f"{listed(folders, 3)} are called as the folders of a camera; {_TABLE}, or move the images into folders "
            "called like their labels"
        )
    return None


def odd_names(names: Iterable[str]) -> Iterator[str]:
    """What should be told about names that are read as labels, but may be none."""
    names = list(names)
    if parts := [name for name in names if name.casefold() in PARTS]:
        yield f"read as labels, like the folders beside: {listed(parts)}; move elsewhere what is no label"
    if nothing := [name for name in names if is_nothing(name) or may_be_nothing(name) or _UNSORTED.fullmatch(name)]:
        yield (
            f"read as labels, like the folders beside: {listed(nothing)}; move elsewhere images of which nobody knows "
            "the label"
        )
    if all(map(_DATE.fullmatch, names)):
        yield f"read as labels: {listed(names, 3)}; if these are days, write a table with image and labels"


def without_masks(images: Sequence[Path], findings: Findings) -> list[Path]:
    """The images but for those such as 1_mask.png beside 1.png, with a warning."""
    stems = {image.with_suffix("") for image in images}
    masks = {
        image for image in images if (found := _MASK.fullmatch(image.stem)) and image.with_name(found["image"]) in stems
    }
    if masks:
        names = [image.name for image in sorted(masks)]
        findings.warning(f"{len(masks)} images are called like masks of others beside them, and were left out", names)
    return [image for image in images if image not in masks]


def _is_made_of(images: Sequence[Path], others: Mapping[str, Sequence[Path]]) -> bool:
    """Whether every image has the name of another one that it was made from, such as cat/1.jpg and masks/1.png. Images
    of labels may be numbered alike in all folders, too, so that a further sign is needed."""
    stems, derived = {path.stem for path in images}, {_DERIVED.sub("", path.stem) for path in images}
    known = [{path.stem for path in found} for found in others.values()]
    if not derived <= set().union(*known):
        return False
    suffixes = {path.suffix.lower() for path in images}
    other_suffixes = {path.suffix.lower() for found in others.values() for path in found}
    numbered_on = sum(map(len, known)) == len(set().union(*known))  # through all folders
    again = len(known) > 1 and numbered_on and stems == set().union(*known)
    called_so = any(name.casefold() in PARTS for name in others)
    return stems != derived or not suffixes & other_suffixes or again or called_so


def _are_of_camera(names: Iterable[str]) -> bool:
    """Whether all were made by a camera: what follows the number is alike but for digits, or names a maker."""
    names = list(names)
    makers = {re.sub(r"\d", "", name[3:]) for name in names}
    return all(map(_CAMERA.fullmatch, names)) and (len(makers) == 1 or makers <= _MAKERS)
