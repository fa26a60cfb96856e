"""Custom data sets: `read_source` with the groups of the labels and the boxes of the images from files of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cnnrnn.data.coco import read_boxes
from cnnrnn.data.find_images import ImageFinder
from cnnrnn.data.groups import read_groups
from cnnrnn.data.source import Source, read_source
from cnnrnn.data.split import DataError, Options, Split


def load(path: Path, split: str, options: Options) -> Split:
    """A split of a person's own data set. Raises DataError.

    `options.groups` is a file for `read_groups`. `options.boxes` is an instance annotation of COCO, whose file names
    are relative to the folder of the images as well; images that it doesn't name are left out.
    """
    return select(read_source(path, options), path, split, options)


def select(source: Source, path: Path, split: str, options: Options) -> Split:
    """`load` of a source that was read already."""
    loaded = source.split(split)
    if options.groups is not None:
        loaded = replace(loaded, groups=read_groups(options.groups, loaded.labels))
    return loaded if options.boxes is None else _with_boxes(loaded, path, options.boxes, options.images)


def _with_boxes(split: Split, source: Path, path: Path, images: Path | None) -> Split:
    """The images that an instance annotation of COCO names, with their boxes."""
    folder = images or (source if source.is_dir() else source.parent)
    finder = ImageFinder(folder)
    by_image = {finder.find(name)[0]: found for name, found in read_boxes(path).items()}
    samples = tuple(sample for sample in split.samples if sample.image in by_image)
    if not samples:
        raise DataError(f"{path} names no image of {split.name}; its file_name must be relative to {folder}")
    warnings = split.warnings
    if left_out := len(split.samples) - len(samples):
        warnings = (*warnings, f"{left_out} left out, {path.name} has no boxes of the image")
    return replace(split, samples=samples, warnings=warnings, boxes=lambda sample: by_image[sample.image])
