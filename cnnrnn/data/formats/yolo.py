"""YOLO's data sets: a text file per image with a line per object, and a YAML file that names classes and splits.

https://docs.ultralytics.com/datasets/detect: the labels of images/train/1.jpg are in labels/train/1.txt, or beside it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cnnrnn.data.formats.text import read_text
from cnnrnn.data.formats.yolo_settings import (
    Settings,
    listed_images,
    names_beside,
    read_settings,
    settings_files,
    text_files,
    warn_of_other_names,
)
from cnnrnn.data.images import upright_size
from cnnrnn.data.paths import images_below, is_file, relative_name
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import Box, Boxes, DataError, box_around

_LINE = re.compile(r"\d+(?:\.0+)?(?:[ \t]+[-+.\deE]+){4,}")  # a class and a box, a polygon or a box with points
_LOOKED_AT = 500  # text files of a folder, to tell what it is


@dataclass(frozen=True)
class _Object:
    number: str  # of its class
    numbers: tuple[float, ...]  # shares of the image's width and height


def is_label_line(text: str) -> bool:
    """Whether a line is an object: the number of a class, and a box or an outline."""
    return _LINE.fullmatch(text.strip()) is not None


def is_label_file(path: Path) -> bool:
    """Whether a text file begins with an object."""
    if path.suffix.lower() != ".txt":
        return False
    try:
        with path.open("rb") as file:
            begin = file.read(10_000)
    except OSError:  # it is told where the file is read
        return False
    return is_label_line(begin.decode("latin-1").lstrip("\xef\xbb\xbf\r\n\t ").split("\n", 1)[0])


def is_data_set(folder: Path) -> bool:
    """Whether a folder has a YAML file of YOLO, or text files of objects that belong to images."""
    return bool(settings_files(folder)) or any(map(is_label_file, _files_of_images(folder)))


def has_labels(folder: Path) -> bool:
    """Whether there is a file for an image's objects, even an empty one: data.yaml may name folders of labels, too."""
    return any(is_label_file(path) or (is_file(path) and not path.stat().st_size) for path in _files_of_images(folder))


def _files_of_images(folder: Path) -> Iterator[Path]:
    """The first text files that lie in a folder called labels, or are called as an image is. Others that hold numbers
    are about something else, such as attributes of birds."""
    files = list(itertools.islice(text_files(folder), _LOOKED_AT))
    yield from (
        inside := [path for path in files if "labels" in map(str.casefold, path.relative_to(folder).parts[:-1])]
    )
    if others := [path for path in files if path not in inside]:
        stems = {image.stem for image in images_below(folder)}
        yield from (path for path in others if path.stem in stems)


def read(path: Path, findings: Findings, named: bool) -> Reading:
    """The rows of all images of a folder, or of those that its settings name; `path` may be the file of the settings.
    The numbers of classes are `named` by --label-names, or should be by a file.

    Raises DataError for a faulty line, and for a folder with several files of settings.
    """
    found = settings_files(path) if path.is_dir() else [path]
    if len(found) > 1:
        raise DataError(f"{path} holds several data sets: {', '.join(file.name for file in found)}; give one file")
    settings = read_settings(found[0]) if found else Settings(path, {}, {}, points=False)
    if settings.names:
        warn_of_other_names(settings, found[0], findings)
    else:
        settings = replace(settings, names=names_beside(settings.folder))
    if not settings.names and not named:
        findings.warning("no file names the classes, such as data.yaml or classes.txt; give --label-names FILE")
    images = images_below(settings.folder)
    listed = listed_images(settings, findings)
    if listed and (left_out := [path.name for path in images if path not in listed]):
        findings.note(f"{len(left_out)} images are in no split that the settings name and were left out", left_out)
    splits: Mapping[Path, tuple[str | None, ...]] = listed or dict.fromkeys(images, (None,))
    files = {image: _label_file(image, settings.folder) for image in splits}
    rows = [
        Row(image.name, relative_name(image, settings.folder), _labels(files[image], settings), split)
        for image, names in splits.items()
        for split in names
    ]
    _tell_missing(settings.folder, files, findings)
    kind = "YOLO's labels, a text file per image"
    labels = tuple(dict.fromkeys(settings.names.values())) or None
    return Reading(
        kind,
        rows,
        settings.folder,
        findings,
        labels=labels,
        boxes=lambda name: _boxes(settings.folder / name, settings),
    )


def _tell_missing(folder: Path, files: Mapping[Path, Path | None], findings: Findings) -> None:
    if without := [image.name for image, file in files.items() if file is None]:
        findings.warning(f"{len(without)} images have no file of labels, and were taken to show nothing", without)
    used = {file for file in files.values() if file}
    stems = {image.stem for image in files}
    unused = (path for path in text_files(folder) if path not in used and path.stem not in stems)
    if lost := [path.name for path in unused if is_label_file(path)]:
        findings.warning(f"{len(lost)} files of labels have no image and were left out", lost)


def _label_file(image: Path, folder: Path) -> Path | None:
    """Where `images` is a folder of the path, the same path with `labels`; otherwise beside the image."""
    if not image.name:  # of a line with nothing but a slash
        return None
    parts = image.relative_to(folder).parts if image.is_relative_to(folder) else image.parts
    places = [image.with_suffix(".txt")]
    for n in reversed(range(len(parts) - 1)):
        if parts[n].casefold() == "images":
            places.insert(0, folder.joinpath(*parts[:n], "labels", *parts[n + 1 :]).with_suffix(".txt"))
    places.append(folder / "labels" / f"{image.stem}.txt")
    written = (path.with_suffix(suffix) for path in places for suffix in (".txt", ".TXT"))
    return next(filter(is_file, written), None)


def _objects(path: Path, points: bool) -> Iterator[tuple[int, _Object]]:
    """The objects with the numbers of their lines. Raises DataError for a line that is none."""
    for line, text in enumerate(read_text(path, Findings()).splitlines(), start=1):
        if not text.strip():
            continue
        try:
            number, *numbers = text.split()
            found = _Object(_class(number), tuple(map(float, numbers[:4] if points else numbers)))
        except ValueError:
            found = None
        if found is None or len(found.numbers) < 4:
            raise DataError(
                f"{path}, line {line}: expected the number of a class and a box or polygon, found {text.strip()[:60]!r}"
            )
        yield line, found


def _class(number: str) -> str:
    """The number of a class. Some programs write 3.000000 for 3. Raises ValueError for what is no whole number."""
    if not float(number).is_integer():
        raise ValueError(number)
    return str(int(float(number)))


def _labels(path: Path | None, settings: Settings) -> tuple[str, ...]:
    if path is None:
        return ()
    found = [settings.label(item.number, f"{path}, line {line}") for line, item in _objects(path, settings.points)]
    return tuple(dict.fromkeys(found))


def _boxes(image: Path, settings: Settings) -> Boxes:
    """In pixels: boxes are written as center, width and height, polygons as corners, all as shares of the image."""
    path = _label_file(image, settings.folder)
    width, height = upright_size(image)
    boxes: Boxes = {}
    for line, item in _objects(path, settings.points) if path else ():
        left, top, right, bottom = _sides(item.numbers)
        label = settings.label(item.number, f"{path}, line {line}")
        boxes.setdefault(label, []).append((left * width, top * height, right * width, bottom * height))
    return boxes


def _sides(numbers: tuple[float, ...]) -> Box:
    if len(numbers) < 6:  # a box, perhaps with a confidence behind it
        x, y, width, height = numbers[:4]
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return box_around(numbers[::2], numbers[1::2])
