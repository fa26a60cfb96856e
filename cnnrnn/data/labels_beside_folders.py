"""Other annotations in a folder per label: its folders may be batches of images, whose labels are in a table."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cnnrnn.data.annotation_files import BINARY, OTHER_TABLES, TEXTS
from cnnrnn.data.formats.column_names import sounds_like_labels
from cnnrnn.data.formats.text import read_text
from cnnrnn.data.images import is_image_name
from cnnrnn.data.paths import files_below, is_passed_over, relative_name
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.row_images import RowImages, tells_an_image
from cnnrnn.data.split import DataError

_TABLES = (*TEXTS, *BINARY)
_ALL_TEXTS = (*TEXTS, ".yaml", ".yml", ".lst", "")
_UNREAD = (*BINARY, *OTHER_TABLES)  # if nothing was found in them
_MOST = 300  # files that are opened
_MOST_BYTES = 100_000_000  # of a text that is opened; larger ones are taken to be about the images
_MOST_LETTERS = 200_000  # of a text, to tell what it is
_PREDICTED = re.compile("pred|submission|result|output", re.IGNORECASE)
_LABEL_KEY = re.compile(r"""["']?(labels?|tags?|class(es)?|categor(y|ies)|annotations?)["']?\s*:\s*[\[{"']|<object>""")


@dataclass(frozen=True)
class _Files:
    """What lies below a folder per label, beside its images."""

    called_like_images: list[Path]
    about_images: list[Path]
    unread: list[Path]  # that are no text
    other_labels: list[tuple[Path, str]]  # and an example


def tell_of_other_labels(
    reading: Reading, folder: Path, rows_of: Callable[[Path], list[Row]], told: Set[Path]
) -> set[Path]:
    """Warn of files that may hold labels, and return them. Those that are `told`, by another finding, are not opened.

    `rows_of` reads a file of annotations; it returns no rows for others. Raises DataError for annotations with other
    labels than the folders.
    """
    found = _sort(reading, folder, rows_of, told)
    if found.other_labels:
        raise _refusal(reading, folder, found.other_labels)
    findings = reading.findings
    if files := found.called_like_images:
        findings.warning(
            f"{len(files)} files called like images were not read; if they hold labels, write these into a table with "
            "image and labels",
            _names(files, folder),
        )
    if files := found.about_images:
        findings.warning(
            f"not read, though they seem to be about these images: {', '.join(_names(files, folder)[:5])}; if they "
            "have the labels you want, write these into a table with image and labels"
        )
    if files := found.unread:
        findings.warning(
            f"not read: {', '.join(_names(files, folder)[:5])}; if the labels are in there, save it as CSV and give "
            "that"
        )
    return {*found.called_like_images, *found.about_images, *found.unread}


def refuse_other_texts(reading: Reading, folder: Path, rows: Sequence[Row]) -> None:
    """Raises DataError where the files beside the images have other labels than the folders: `rows`, read from them.

    Words that do not recur, such as of who took a photograph, are no labels.
    """
    labels = [label for row in rows for label in row.labels]
    own = _labels(rows, RowImages(row.image for row in reading.rows))
    if 2 * len({*labels}) <= len(labels) and (example := _other_label(reading.rows, own)):
        raise DataError(
            f"{folder} holds a folder per label ({_first_labels(reading)}), but the files beside the images give them "
            f"other labels, such as {example}. If the folders are the labels, move these files elsewhere; if the files "
            "hold them, move the images and these files into one folder"
        )


def _first_labels(reading: Reading) -> str:
    return ", ".join(list(dict.fromkeys(row.labels[0] for row in reading.rows))[:3])


def _sort(reading: Reading, folder: Path, rows_of: Callable[[Path], list[Row]], told: Set[Path]) -> _Files:
    images = RowImages(row.image for row in reading.rows)
    places = {(folder / row.image).parent for row in reading.rows}
    found = _Files([], [], [], [])
    opened = itertools.count()
    for path in _other_files(folder, told):
        suffix = path.suffix.lower()
        if suffix in _ALL_TEXTS and _is_called_like_an_image(path, folder, images):
            found.called_like_images.append(path)
        elif suffix in (*_TABLES, *_ALL_TEXTS) and next(opened) < _MOST:
            rows = rows_of(path) if suffix in _TABLES and path.parent != folder else []
            labels = _labels(rows, images)
            if (example := _other_label(reading.rows, labels)) and not _PREDICTED.search(path.stem):
                found.other_labels.append((path, example))
            elif labels or (suffix in _ALL_TEXTS and _is_about_images(path, images, path.parent in places)):
                found.about_images.append(path)
            elif suffix in _UNREAD:
                found.unread.append(path)
        elif suffix in _UNREAD:
            found.unread.append(path)
    return found


def _other_files(folder: Path, told: Set[Path]) -> Iterator[Path]:
    for path in files_below(folder):
        about_itself = is_passed_over(path.name) or path.name.lower().startswith("license")
        if path not in told and not about_itself and not is_image_name(path.name):
            yield path


def _is_called_like_an_image(path: Path, folder: Path, images: RowImages) -> bool:
    """Whether a file is called as an image is, such as 1.json or 1.jpg.json."""
    name = relative_name(path, folder)
    with suppress(OSError):
        return images.find(os.path.splitext(name)[0]) is not None and path.stat().st_size > 0
    return False


def _labels(rows: Iterable[Row], images: RowImages) -> dict[str, set[str]]:
    labels: dict[str, set[str]] = {}
    for row in rows:
        if image := images.find(row.image):
            labels.setdefault(image, set()).update(row.labels)
    return labels


def _other_label(rows: Sequence[Row], labels: dict[str, set[str]]) -> str:
    """An image and its labels, where these are not the folders' own, nor another name for each of them."""
    names: dict[str, str] = {}
    for row in rows:
        if row.image in labels:
            own = labels[row.image]
            if len(own) != 1 or names.setdefault(row.labels[0], *own) not in own:
                return f"{Path(row.image).name}: {', '.join(sorted(own)) or 'none'}"
    return "" if len({*names.values()}) == len(names) else f"{next(iter(names.values()))} for several folders"


def _is_about_images(path: Path, images: RowImages, beside: bool) -> bool:
    """Whether a text names images, holds numbers and is called labels, or lies `beside` images and has labels."""
    with suppress(DataError, OSError):
        if path.stat().st_size > _MOST_BYTES:
            return path.suffix != ""
        text = read_text(path, Findings())[:_MOST_LETTERS]
        words = {word for word in re.split(r"""[\s,;|"'=<>(){}\[\]]+""", text) if tells_an_image(word)}
        if len({images.find(word) for word in words} - {None}) > 1 or images.begin_lines(path):
            return True
        lines = [line for line in text.splitlines() if line.strip()]
        numbers = lines and all(re.fullmatch(r"[-\d.eE]+([ \t,;]+[-\d.eE]+)+", line.strip()) for line in lines)
        return bool(numbers and sounds_like_labels(path.stem)) or (beside and bool(_LABEL_KEY.search(text)))
    return False


def _refusal(reading: Reading, folder: Path, others: Sequence[tuple[Path, str]]) -> DataError:
    files = [path for path, _ in others]
    level = folder / os.path.commonpath([Path(row.image).parent.parent for row in reading.rows])
    inside = level == folder or any(path.is_relative_to(level) for path in files)
    one = len(files) == 1
    gives, file = ("gives", "that file") if one else ("give", "one table of them")
    instead = f"move {'it' if one else 'them'} elsewhere" if inside else f"give {level}"
    return DataError(
        f"{folder} holds a folder per label ({_first_labels(reading)}), but {', '.join(_names(files, folder)[:3])} "
        f"{gives} their images other labels, such as {others[0][1]}. If these are meant, give {file} and --images "
        f"{folder}; if the folders are the labels, {instead}"
    )


def _names(paths: Sequence[Path], folder: Path) -> list[str]:
    return [relative_name(path, folder) for path in paths]
