"""Lists of the images of each split that lie beside the labels, such as train.txt and test.txt, or splits.json."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cnnrnn.data.find_images import ImageFinder
from cnnrnn.data.formats.image_lists import (
    are_splits,
    is_about_splits,
    named_split,
    read_list,
    splits_of_lists,
)
from cnnrnn.data.formats.splits import TEST, TRAIN, split_name
from cnnrnn.data.formats.yolo import is_label_file
from cnnrnn.data.paths import is_file, is_passed_over, relative_name
from cnnrnn.data.reading import Findings, Reading
from cnnrnn.data.row_images import RowImages
from cnnrnn.data.split import DataError

_TEXTS = (".txt", ".lst", ".list", ".csv", ".tsv", "")
_LISTS = (*_TEXTS, ".json")
_OTHERS = (".mat", ".pkl", ".npy", ".npz", ".xlsx", ".parquet")  # which are only pointed out
_MOST = 100  # files of a folder whose names speak of splits; more are those of single images
_DEPTH = 2  # as of ImageSets/Main


@dataclass
class _Lists:
    """Files that tell the split of some images together."""

    files: list[Path]
    split_of: dict[str, str]  # by the image as its row has it
    contradictions: Findings


def give_splits(reading: Reading, folder: Path, annotations: Set[Path]) -> set[Path]:
    """Give the rows the splits of lists in a folder, if they tell no split themselves. The `annotations` are no lists.

    Returns the files that were read, and those that a warning names, since they can't be read for certain.
    """
    if any(row.split for row in reading.rows):
        return set()
    found, others, unclear = _find([path for path in _files(folder, _DEPTH) if path not in annotations], reading)
    if others:
        names = ", ".join(relative_name(path, folder) for lists in others for path in lists.files)
        reading.findings.note(f"not read as lists of splits: {names}; the labels are those of the train images only")
    if found:
        _refuse_numbers_of_two_images(found[0], folder)
        _give(reading, found[0], folder)
        agreeing = [other for other in found if other.split_of.items() <= found[0].split_of.items()]
        unclear += [path for other in found if other not in agreeing for path in other.files]
    if unclear:
        names = ", ".join(sorted(relative_name(path, folder) for path in unclear)[:5])
        reading.findings.warning(
            f"not read, though they seem to tell splits: {names}; write a column split with train, val and test, or "
            "lists train.txt, val.txt and test.txt with an image a line"
        )
    return {*unclear, *(path for lists in (*found, *others) for path in lists.files)}


def point_out(reading: Reading, file: Path) -> None:
    """Lists beside a file that was given by itself: its folder may hold other data sets, too."""
    if any(row.split for row in reading.rows):
        return
    if found := _find([path for path in _files(file.parent, 1) if path != file], reading)[0]:
        names = ", ".join(relative_name(path, file.parent) for path in found[0].files)
        reading.findings.warning(
            f"the splits of {names} were not read, since only {file.name} was given; give the folder to read them, or "
            "write a column split with train, val and test"
        )


def _are_of_others(lists: _Lists, reading: Reading) -> bool:
    """Whether the lists of a test split lie beside train.csv: test.csv may have the same numbers for other images."""
    splits = {*lists.split_of.values()}
    return reading.split == TRAIN and TEST in splits and TRAIN not in splits


def _refuse_numbers_of_two_images(lists: _Lists, folder: Path) -> None:
    """Raises DataError where the names of a test list are those of images in train/ and of others in test/: the labels
    of a contest are those of train/, and its test.csv lists what is to be labelled."""
    if {*lists.split_of.values()} != {TEST}:
        return
    finder = ImageFinder(folder)
    twice = [
        image
        for image in lists.split_of
        if all((path := finder.find(image, split)[0]) and split in finder.splits_of(path) for split in (TRAIN, TEST))
    ]
    if twice:
        raise DataError(
            f"{lists.files[0]} lists images such as {twice[0]}, which is in a folder of train and in one of test. If "
            "the labels are those of the train images, rename their file to train.csv; if not, write a column split "
            "with train, val and test into it"
        )


def _give(reading: Reading, lists: _Lists, folder: Path) -> None:
    names = ", ".join(relative_name(path, folder) for path in lists.files[:5])
    reading.findings.note(f"the splits were read from {names}")
    reading.findings.items += lists.contradictions.items
    others = TRAIN if TRAIN not in lists.split_of.values() else None
    if lost := {row.image: None for row in reading.rows if row.image not in lists.split_of and others is None}:
        reading.findings.warning(f"{len(lost)} images are in none of these lists and were left out", lost)
    reading.rows = [
        replace(row, split=lists.split_of.get(row.image, others)) for row in reading.rows if row.image not in lost
    ]


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Those whose names speak of splits, in a folder and `depth` levels below."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    entries = [entry for entry in entries if not is_passed_over(entry.name)]
    paths = [Path(entry.path) for entry in entries if os.path.splitext(entry.name)[1].lower() in (*_LISTS, *_OTHERS)]
    paths = [path for path in paths if is_about_splits(path) or named_split(path)]
    if len(paths) <= _MOST:
        yield from (path for path in paths if is_file(path) and not is_label_file(path))
    for entry in entries if depth else ():
        if entry.is_dir():
            yield from _files(Path(entry.path), depth - 1)


def _find(paths: Iterable[Path], reading: Reading) -> tuple[list[_Lists], list[_Lists], list[Path]]:
    """The lists of the reading's images, those of other images, and the files that are about splits, too, but can't be
    read for certain."""
    paths = list(paths)
    if not paths:
        return [], [], []
    images = RowImages(row.image for row in reading.rows)
    found: list[_Lists] = []
    unclear: list[Path] = []
    by_folder: dict[Path, dict[Path, list[str]]] = {}  # the names of lists, by their plain path
    files: dict[Path, list[Path]] = {}
    for path in paths:
        words = _known(path, images)
        plain = named_split(path)
        if plain and list(words) == [""]:
            by_folder.setdefault(plain.parent, {}).setdefault(plain, []).extend(words[""])
            files.setdefault(plain.parent, []).append(path)
        elif words and are_splits(words):
            lists = {path.with_stem(re.sub(r"\W", "_", word)): names for word, names in words.items()}
            _add(lists, [path], found, unclear)
        elif is_about_splits(path) or (path.suffix.lower() in _TEXTS and images.begin_lines(path)):
            unclear.append(path)
    for place, lists in by_folder.items():
        _add(lists, files[place], found, unclear)
    found.sort(key=lambda lists: len(lists.files[0].parts))
    others = [lists for lists in found if _are_of_others(lists, reading)]
    return [lists for lists in found if lists not in others], others, unclear


def _add(lists: dict[Path, list[str]], files: list[Path], found: list[_Lists], unclear: list[Path]) -> None:
    """Add to the lists that are `found`, or to the `unclear` files: a list of train alone does not say what the other
    images are, and lists such as train_1 and test_2 may be of several folds."""
    findings = Findings()
    split_of = splits_of_lists(lists, findings)
    plain = all(split_name(path.stem) for path in lists)
    if (findings.errors and not plain) or set(split_of.values()) <= {TRAIN}:
        unclear += files
    else:
        found.append(_Lists(files, split_of, findings))


def _known(path: Path, images: RowImages) -> dict[str, list[str]]:
    """The images of a list by the words for their splits; empty if most names are of no image."""
    if path.suffix.lower() not in _LISTS:
        return {}
    with suppress(DataError):
        listed = read_list(path)
        known = {word: [image for name in names if (image := images.find(name))] for word, names in listed.items()}
        if sum(map(len, known.values())) * 2 > sum(map(len, listed.values())):
            return known
    return {}
