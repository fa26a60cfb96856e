"""Texts with the attributes of every image as 1 and -1, separated by blanks, such as CelebA's list_attr_celeba.txt."""

from __future__ import annotations

from pathlib import Path

from cnnrnn.data.formats.column_names import looks_like_image
from cnnrnn.data.reading import Record
from cnnrnn.data.split import DataError

KIND = "a text with attributes of every image, separated by blanks"
_VALUES = {"-1", "0", "1"}


def read_records(path: Path, text: str) -> list[Record]:
    """The rows with columns for the image and each attribute; none for other texts. A line with the number of images
    may stand above the attributes' names. Raises DataError for a row that does not fit those above it."""
    lines = [(n, words) for n, line in enumerate(text.splitlines(), start=1) if (words := line.split())]
    if lines and len(lines[0][1]) == 1 and lines[0][1][0].isdecimal():
        lines = lines[1:]
    if len(lines) < 2 or looks_like_image(lines[0][1][0]) or not _is_row(lines[1][1]):
        return []
    (_, names), *rows = lines
    if len(rows[0][1]) == len(names):  # which then has a name for the images, too
        names = names[1:]
    if len(rows[0][1]) != len(names) + 1:
        raise DataError(
            f"{path}: the line above the images names {len(names)} attributes, but line {rows[0][0]} has "
            f"{len(rows[0][1]) - 1} values; write the names of all attributes there, separated by blanks"
        )
    for number, words in rows:
        if not _is_row(words) or len(words) != len(names) + 1:
            raise DataError(
                f"{path}, line {number}: expected an image and a 1 or -1 for each of {len(names)} attributes, found "
                f"{len(words)} words; correct the line, or remove it"
            )
    return [Record(f"line {n}", {"image": image, **dict(zip(names, v, strict=True))}) for n, (image, *v) in rows]


def _is_row(words: list[str]) -> bool:
    return len(words) > 1 and looks_like_image(words[0]) and {*words[1:]} <= _VALUES
