"""A list of images for each label, such as cat.txt and dog.txt, as MIRFlickr has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cnnrnn.data.formats.image_lists import is_about_splits, lines_of, told_splits
from cnnrnn.data.images import is_image_name
from cnnrnn.data.paths import files_below, is_passed_over, relative_name
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.row_images import RowImages
from cnnrnn.data.split import DataError

KIND = "a list of images for each label"
_SUFFIXES = (".txt", ".lst", ".list")
_NEARLY_ALL = 0.9  # of the lines, which name images


class _Images:
    """The images below a folder, also by the number in their name: MIRFlickr's lists have 4 for im4.jpg."""

    def __init__(self, images: Sequence[str]) -> None:
        self.by_name = RowImages(images)
        numbers = [re.findall(r"\d+", Path(image).stem) for image in images]
        one = {image: int(found[0]) for image, found in zip(images, numbers, strict=True) if len(found) == 1}
        self.by_number = {number: image for image, number in one.items()} if len({*one.values()}) == len(one) else {}

    def find(self, line: str) -> str | None:
        found = self.by_name.find(line)
        return self.by_number.get(int(line)) if found is None and line.isdecimal() else found


def read(folder: Path, findings: Findings) -> Reading | None:
    """None if the folder has no such lists."""
    files = list(files_below(folder))
    images = _Images([relative_name(path, folder) for path in files if is_image_name(path.name)])
    for lists in _groups(files):
        found = {line: images.find(line) for lines in lists.values() for line in lines}
        if sum(image is not None for image in found.values()) <= _NEARLY_ALL * len(found):
            continue
        rows: dict[str, Row] = {}
        for path, lines in lists.items():
            for line in lines:
                image = found[line] or line
                row = rows.get(image) or Row(relative_name(path, folder), image, ())
                rows[image] = replace(row, labels=(*row.labels, path.stem))
        return Reading(KIND, list(rows.values()), folder, findings, lists_images=True)
    return None


def _groups(files: Sequence[Path]) -> Iterator[dict[Path, list[str]]]:
    """The texts of each folder that has several, and their lines. Lists of train and test are none of labels, and where
    lines are repeated, each is a value of an image."""
    by_folder: dict[Path, list[Path]] = {}
    for path in files:
        if path.suffix.lower() in _SUFFIXES and not is_passed_over(path.name):
            by_folder.setdefault(path.parent, []).append(path)
    for texts in by_folder.values():
        if len(texts) > 1 and not any(told_splits(path) or is_about_splits(path) for path in texts):
            with suppress(DataError):
                lists = {path: lines_of(path) for path in texts}
                if all(len({*lines}) == len(lines) for lines in lists.values()):
                    yield lists
