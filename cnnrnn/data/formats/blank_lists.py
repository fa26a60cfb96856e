"""Lists without a header that have an image and its labels in each line, separated by blanks, as Caffe's train.txt:
`cat/1.jpg 0`, `1.jpg 0 5 7`, `1.jpg cat dog`, or 0 and 1 for each label, as in `1.jpg 1 0 0 1`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cnnrnn.data.formats.splits import split_in_name
from cnnrnn.data.formats.text import read_text
from cnnrnn.data.formats.torn_labels import point_out_torn
from cnnrnn.data.images import is_image_name
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import DataError

KIND = "a list with an image and its labels in each line, separated by blanks"
_SUFFIXES = (".txt", ".lst", ".list")
_Lines = list[tuple[str, str, tuple[str, ...]]]  # the place of each, its image, and the words behind it


def find(folder: Path) -> list[Path]:
    """The lists of a folder, if it has one, or one for each split."""
    found = [path for path in sorted(folder.iterdir()) if is_list(path)]
    splits = [split_in_name(path.stem) for path in found]
    return found if len(found) == 1 or (None not in splits and len({*splits}) == len(splits)) else []


def is_list(path: Path) -> bool:
    with suppress(DataError):
        return path.suffix.lower() in _SUFFIXES and path.is_file() and bool(_lines(path, Findings()))
    return False


def read(files: Sequence[Path], folder: Path, findings: Findings) -> Reading:
    """The rows of one list, or of one for each split. Raises DataError for what could be read in two ways."""
    found = {path: _lines(path, findings) for path in files}
    words = [labels for lines in found.values() for _, _, labels in lines]
    flags = _are_flags(files[0], words)
    if flags:
        findings.note(f"each line has 0 or 1 for {len(words[0])} labels, which were numbered from 0")
    else:
        point_out_torn(files[0], words, " ", findings)
    several = len(files) > 1
    rows = [
        Row(
            f"{path.name} {where}" if several else where,
            image,
            tuple(str(n) for n, word in enumerate(labels) if word == "1") if flags else labels,
            split_in_name(path.stem) if several else None,
        )
        for path, lines in found.items()
        for where, image, labels in lines
    ]
    return Reading(KIND, rows, folder, findings, lists_images=True)


def _lines(path: Path, findings: Findings) -> _Lines:
    """Nothing for a text of which a line does not begin with an image, or no line has words behind it."""
    lines = [(n, line.split()) for n, line in enumerate(read_text(path, findings).splitlines(), start=1)]
    found = [(f"line {n}", image, tuple(labels)) for n, (image, *labels) in ((n, words) for n, words in lines if words)]
    labels = [label for _, _, own in found for label in own]
    fits = all(is_image_name(image) for _, image, _ in found) and not any(map(_is_no_label, labels))
    return found if labels and fits else []


def _is_no_label(word: str) -> bool:
    """Whether a word is a score or the corners of a box, or has commas, as a table has."""
    return re.search(r"[,;]|^-?\d*\.\d+$", word) is not None or is_image_name(word)


def _are_flags(path: Path, words: Sequence[tuple[str, ...]]) -> bool:
    """Whether every line has 0 or 1, or -1 and 1, for each label, and not the numbers of labels."""
    count = len(words[0])
    if count < 2 or any(len(own) != count for own in words):
        return False
    if {word for own in words for word in own} not in ({"0", "1"}, {"-1", "1"}):
        return False
    if all(len({*own}) == count for own in words):
        raise DataError(
            f"{path}, line 1: are {' and '.join(words[0])} the numbers of labels, or 0 and 1 for each? Write a table "
            "with image and labels"
        )
    return True
