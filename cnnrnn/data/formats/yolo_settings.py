"""What a YOLO data set writes about itself: data.yaml with splits and the classes' names, or files of names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from cnnrnn.data.formats.column_names import looks_like_image
from cnnrnn.data.formats.names_file import read_label_names
from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.formats.text import are_objects, parse_yaml, read_text
from cnnrnn.data.paths import files_below, images_below, is_file, is_folder, relative_name
from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError

SETTINGS = (".yaml", ".yml", ".data")
_NAMES = ("classes.txt", "obj.names", "_darknet.labels", "classes.yaml", "classes.yml", "names.yaml", "names.yml")


@dataclass(frozen=True)
class Settings:
    """What data.yaml says about a data set."""

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


def settings_files(folder: Path) -> list[Path]:
    """The files that name splits. Others, also damaged ones, may be about something else, but for data.yaml."""
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


def read_settings(file: Path) -> Settings:
    """Raises DataError for a damaged file, and for names that are in a file which isn't there."""
    content = _content(file)
    root = file.parent / str(content.get("path") or "")
    folder = root if is_folder(root) else file.parent
    names = content.get("names")
    written = file if not isinstance(names, str) else _place(folder, names)
    if written is None:
        raise DataError(f"{file}: the file of names, {names}, is not there; put it beside, or correct the path")
    splits = {key: _entries(value) for key, value in content.items() if split_name(key) and value}
    return Settings(folder, read_label_names(written) if names else {}, splits, "kpt_shape" in content)


def refuse_records(path: Path) -> None:
    """Raises DataError for a YAML file that holds images with labels."""
    with suppress(yaml.YAMLError, RecursionError):
        content = parse_yaml(read_text(path, Findings()))
        if content and (are_objects(content) or any(map(looks_like_image, content))):
            raise DataError(f"{path} holds records, which are read from JSON and CSV only; save them as .json or .csv")


def _content(path: Path) -> dict[str, Any]:
    """The content of a YAML file, or of Darknet's obj.data with lines key = value. Raises DataError if damaged."""
    text = read_text(path, Findings())
    if path.suffix.lower() == ".data":
        pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
        return {key.strip(): value.strip() for key, value in pairs}
    try:
        content = parse_yaml(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    return content if isinstance(content, dict) else {}


def names_beside(folder: Path) -> dict[str, str]:
    """The names of the classes, where the settings have none: labelImg writes a file of them into every folder.

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
    return names


def _files_of_names(folder: Path) -> list[Path]:
    """Files such as classes.txt beside the labels, and YAML files that have names but no splits."""
    files = [place / name for place in (folder, folder / "labels") for name in _NAMES]
    files += [path for path in text_files(folder) if path.name.casefold() == _NAMES[0]]
    files += [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SETTINGS and _has_names(path)]
    return list(dict.fromkeys(path for path in files if is_file(path)))


def _has_names(path: Path) -> bool:
    """Damaged files, and those about something else, are passed over."""
    try:
        return "names" in _content(path)
    except DataError:
        return False


def _names(path: Path) -> Mapping[str, str]:
    return read_settings(path).names if path.suffix.lower() in SETTINGS and _has_names(path) else read_label_names(path)


def warn_of_other_names(settings: Settings, file: Path, findings: Findings) -> None:
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


def listed_images(settings: Settings, findings: Findings) -> dict[Path, tuple[str, ...]]:
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


def text_files(folder: Path) -> Iterator[Path]:
    """The text files below a folder."""
    return (path for path in files_below(folder) if path.suffix.lower() == ".txt")
