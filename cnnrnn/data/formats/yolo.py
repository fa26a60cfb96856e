"""YOLO's data sets: a text file per image with a line per object, and a YAML file that names classes and splits.

https://docs.ultralytics.com/datasets/detect: the labels of images/train/1.jpg are in labels/train/1.txt, or beside it.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from cnnrnn.data.find_images import files_below, images_below, is_file, is_folder, relative_name
from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.formats.text import parse_yaml, read_text
from cnnrnn.data.images import upright_size
from cnnrnn.data.label_names import read_label_names
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import Box, Boxes, DataError

SETTINGS = (".yaml", ".yml", ".data")
_LINE = re.compile(r"\d+(?:\.0+)?(?:[ \t]+[-+.\deE]+){4,}")  # a class and a box, a polygon or a box with points
_NAMES = ("classes.txt", "obj.names", "_darknet.labels", "classes.yaml", "classes.yml", "names.yaml", "names.yml")
_LOOKED_AT = 500  # text files of a folder, to tell what it is


@dataclass(frozen=True)
class _Object:
    number: str  # of its class
    numbers: tuple[float, ...]  # shares of the image's width and height


@dataclass(frozen=True)
class _Settings:
    """Of data.yaml, or of a file with a name a line."""

    folder: Path  # to which the splits' paths are relative
    names: Mapping[str, str]  # by number; empty if there are none
    splits: Mapping[str, tuple[str, ...]]  # folders of images, or lists of them
    points: bool  # of a pose behind every box

    def label(self, number: str, where: str) -> str:
        if self.names and number not in self.names:
            raise DataError(
                f"{where}: class {number} has no name; there are {len(self.names)}, from {min(self.names, key=int)} to "
                f"{max(self.names, key=int)}. Add it where the names are, or correct the line"
            )
        return self.names.get(number, number)


def is_label_line(text: str) -> bool:
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
    """Whether a folder has a YAML file of YOLO, or text files of objects."""
    return bool(_settings_files(folder)) or any(map(is_label_file, itertools.islice(_texts(folder), _LOOKED_AT)))


def _texts(folder: Path) -> Iterator[Path]:
    return (path for path in files_below(folder) if path.suffix.lower() == ".txt")


def read(path: Path, findings: Findings) -> Reading:
    """The rows of all images of a folder, or of those that its settings name; `path` may be the file of the settings.

    Raises DataError for a faulty line, and for a folder with several files of settings.
    """
    found = _settings_files(path) if path.is_dir() else [path]
    if len(found) > 1:
        raise DataError(f"{path} holds several data sets: {', '.join(file.name for file in found)}; give one file")
    settings = _settings(found[0]) if found else _Settings(path, {}, {}, points=False)
    if settings.names:
        _warn_of_other_names(settings, found[0], findings)
    else:
        settings = replace(settings, names=_names_beside(settings.folder, findings))
    images = images_below(settings.folder)
    listed = _listed(settings, findings)
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
    unused = (path for path in _texts(folder) if path not in used and path.stem not in stems)
    if lost := [path.name for path in unused if is_label_file(path)]:
        findings.warning(f"{len(lost)} files of labels have no image and were left out", lost)


def _settings_files(folder: Path) -> list[Path]:
    """Those that name splits. Other files, also damaged ones, may be about something else, but for data.yaml."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SETTINGS and path.is_file()]
    found = []
    for path in files:
        try:
            content = _content(path)
        except DataError:
            if path.name in ("data.yaml", "data.yml"):
                raise
            continue
        if {"train", "val"} & set(map(split_name, content)):
            found.append(path)
    return found


def _content(path: Path) -> dict[str, Any]:
    """Of a YAML file, or of Darknet's obj.data with lines key = value. Raises DataError for a damaged file."""
    text = read_text(path, Findings())
    if path.suffix.lower() == ".data":
        pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
        return {key.strip(): value.strip() for key, value in pairs}
    try:
        content = parse_yaml(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    return content if isinstance(content, dict) else {}


def _settings(file: Path) -> _Settings:
    content = _content(file)
    root = file.parent / str(content.get("path") or "")
    folder = root if is_folder(root) else file.parent
    names = content.get("names")
    written = file if not isinstance(names, str) else _place(folder, names)
    if written is None:
        raise DataError(f"{file}: the file of names, {names}, is not there; put it beside, or correct the path")
    splits = {key: _entries(value) for key, value in content.items() if split_name(key) and value}
    return _Settings(folder, read_label_names(written) if names else {}, splits, "kpt_shape" in content)


def _names_beside(folder: Path, findings: Findings) -> dict[str, str]:
    """Where the settings have none: of files of names, which labelImg writes beside the labels of every folder.

    Raises DataError for two that name one class differently.
    """
    names: dict[str, str] = {}
    first: dict[str, Path] = {}
    for path in _files_of_names(folder):
        for number, name in _names(path).items():
            if names.setdefault(number, name) != name:
                raise DataError(
                    f"class {number} is {names[number]!r} in {first[number]}, but {name!r} in {path}; number the "
                    "classes alike in all folders, remove the file that is wrong, or give one of the folders"
                )
            first.setdefault(number, path)
    if not names:
        findings.warning("no file names the classes, such as data.yaml or classes.txt; give --label-names FILE")
    return names


def _files_of_names(folder: Path) -> list[Path]:
    """Those called so beside the labels, and settings that name no splits."""
    files = [place / name for place in (folder, folder / "labels") for name in _NAMES]
    files += [path for path in _texts(folder) if path.name.casefold() == _NAMES[0]]
    files += [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SETTINGS and _has_names(path)]
    return list(dict.fromkeys(path for path in files if is_file(path)))


def _has_names(path: Path) -> bool:
    """Damaged files, and those about something else, are passed over."""
    try:
        return "names" in _content(path)
    except DataError:
        return False


def _names(path: Path) -> Mapping[str, str]:
    return _settings(path).names if path.suffix.lower() in SETTINGS and _has_names(path) else read_label_names(path)


def _warn_of_other_names(settings: _Settings, file: Path, findings: Findings) -> None:
    """A list of names that labels were drawn with may differ from the settings, which are read."""
    for path in _files_of_names(settings.folder):
        with suppress(DataError):
            names = _names(path) if path != file else {}
            if differing := [number for number in names if settings.names.get(number) not in (None, names[number])]:
                number = differing[0]
                findings.warning(
                    f"class {number} is {settings.names[number]!r} in {file.name}, which was read, but "
                    f"{names[number]!r} in {relative_name(path, settings.folder)}; remove the one that is wrong"
                )


def _entries(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _listed(settings: _Settings, findings: Findings) -> dict[Path, tuple[str, ...]]:
    """The splits of every image that the settings name; empty if none of their paths is there."""
    splits: dict[Path, tuple[str, ...]] = {}
    missing = []
    for name, entries in settings.splits.items():
        for entry in entries:
            place = _place(settings.folder, entry)
            if place is None:
                missing.append(f"{name}: {entry}")
                continue
            for image in images_below(place) if place.is_dir() else _of_list(place, settings.folder):
                splits[image] = tuple(dict.fromkeys((*splits.get(image, ()), name)))
    if missing:
        instead = "" if splits else "; the folders' names were taken for the splits where they are some"
        findings.warning(f"{len(missing)} paths that the settings name are not there{instead}", missing)
    return splits


def _place(folder: Path, entry: str) -> Path | None:
    """A folder or list that a split names: as written, or what is left of it here. Roboflow writes ../train/images."""
    parts = [part for part in PurePosixPath(entry.replace("\\", "/")).parts if part not in (".", "..", "/")]
    ends = [Path(*parts[start:]) for start in range(len(parts))]
    root = folder.resolve()
    for path in (folder / entry, *(folder / end for end in ends)):
        if _is_there(path) and path.resolve().is_relative_to(root) and path.resolve() != root:
            return _below(path, folder)
    return None


def _below(path: Path, folder: Path) -> Path:
    """The same path as those that are found in the folder have: relative ones without `..` stay relative."""
    absolute = Path(os.path.abspath(path))
    start = os.path.abspath(folder)
    return folder / absolute.relative_to(start) if absolute.is_relative_to(start) else path


def _is_there(path: Path) -> bool:
    return is_file(path) or is_folder(path)


def _of_list(path: Path, folder: Path) -> Iterator[Path]:
    """The images of a list, a path a line, which may come from another machine."""
    for line in read_text(path, Findings()).splitlines():
        if line.strip():
            yield _place(folder, line.strip()) or folder / line.strip()


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
    return next((path for path in places if is_file(path)), None)


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
    """Of a whole number, as which programs that know no others write 3.000000, too. Raises ValueError."""
    if not float(number).is_integer():
        raise ValueError(number)
    return str(int(float(number)))


def _labels(path: Path | None, settings: _Settings) -> tuple[str, ...]:
    if path is None:
        return ()
    found = [settings.label(item.number, f"{path}, line {line}") for line, item in _objects(path, settings.points)]
    return tuple(dict.fromkeys(found))


def _boxes(image: Path, settings: _Settings) -> Boxes:
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
    xs, ys = numbers[::2], numbers[1::2]
    return min(xs), min(ys), max(xs), max(ys)
