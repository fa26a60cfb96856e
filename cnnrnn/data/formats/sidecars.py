"""A text or JSON file beside each image: 1.txt or 1.jpg.txt with tags, as training sets of image generators have them,
or 1.json with a list of labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.column_names import is_image_column
from cnnrnn.data.formats.folder_names import ANNOTATIONS, IMAGES
from cnnrnn.data.formats.json_records import read_document
from cnnrnn.data.formats.text import read_text
from cnnrnn.data.images import is_image_name
from cnnrnn.data.paths import files_below, relative_name
from cnnrnn.data.reading import Findings, Record, Row
from cnnrnn.data.split import DataError

_TEXT = "a text beside each image"
KINDS = {".txt": _TEXT, ".caption": _TEXT, ".json": "JSON beside each image"}

_PARTS = IMAGES | {*ANNOTATIONS, "label", "tags", "texts", "txt", "json"}  # folders
_WORDS_OF_A_SENTENCE = 5


def find(folder: Path) -> tuple[str, dict[Path, Path]] | None:
    """The suffix of such files and the file of every image that has one. None unless half of the images have one: the
    others may be masks."""
    files = list(files_below(folder))
    images = sum(is_image_name(path.name) for path in files)
    for suffix in KINDS:
        found = beside(files, suffix) or in_folders_beside(folder, files, suffix)
        if found and 2 * len(found) >= images:
            return suffix, found
    return None


def beside(files: Sequence[Path], suffix: str) -> dict[Path, Path]:
    """The file with this suffix of every image that has one among the files: 1.txt or 1.jpg.txt beside 1.jpg."""
    by_name = {path.with_suffix(""): path for path in files if path.suffix.lower() == suffix}
    if not by_name:  # as in most folders
        return {}
    images = [path for path in files if is_image_name(path.name)]
    found = {image: by_name.get(image.with_suffix("")) or by_name.get(image) for image in images}
    return {image: file for image, file in found.items() if file}


def in_folders_beside(folder: Path, files: Sequence[Path], suffix: str) -> dict[Path, Path]:
    """The file of each image in another folder: labels/1.txt of images/1.jpg, also below train/."""

    def place(path: Path) -> tuple[str, ...]:
        *folders, _ = path.relative_to(folder).parts
        return (*(name for name in folders if name.casefold() not in _PARTS), path.stem)

    by_place = {place(path): path for path in files if path.suffix.lower() == suffix}
    if not by_place:
        return {}
    found = {image: by_place.get(place(image)) for image in files if is_image_name(image.name)}
    return {image: file for image, file in found.items() if file}


def records(folder: Path, found: dict[Path, Path], findings: Findings) -> list[Record]:
    """One for each image, with what its file holds. Raises DataError for a file that can't be read."""
    return [
        Record(relative_name(file, folder), {"image": relative_name(image, folder), **_values(file, findings)})
        for image, file in found.items()
    ]


def refuse_captions(folder: Path, rows: Sequence[Row]) -> None:
    """Raises DataError where many labels are sentences."""
    labels = [label for row in rows for label in row.labels]
    long = [label for label in labels if len(label.split()) >= _WORDS_OF_A_SENTENCE]
    if 4 * len(long) > len(labels):
        raise DataError(
            f"{folder}: the files beside the images seem to hold captions, such as {long[0]!r:.60}; write labels with "
            "commas between, such as cat, dog"
        )


def are_repeats(names: Iterable[str]) -> bool:
    """Whether the names of folders begin with how often an image generator's training repeats them, as 10_style: then
    only the files beside their images hold labels."""
    return all(re.fullmatch(r"\d+_.+", name) for name in names)


def _values(file: Path, findings: Findings) -> dict[str, Any]:
    if file.suffix.lower() != ".json":
        return {"labels": read_text(file, findings).strip()}
    content = read_document(file, findings)
    if isinstance(content, list):
        return {"labels": content}
    if not isinstance(content, dict):
        raise DataError(f'{file} holds no object with labels; write one such as {{"labels": ["cat"]}}')
    return {name: value for name, value in content.items() if not is_image_column(name)}
