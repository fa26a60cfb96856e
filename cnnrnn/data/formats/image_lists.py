"""Files that list the images of splits: a name a line, JSON, or a table with image and split."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.column_names import is_image_column, listed_words
from cnnrnn.data.formats.json_records import read_document
from cnnrnn.data.formats.split_column import is_split_column
from cnnrnn.data.formats.split_values import split_of_flag, splits_by_flags
from cnnrnn.data.formats.splits import (
    TRAIN,
    VAL,
    is_train_and_val,
    numbered_splits,
    split_in_name,
    split_name,
    splits_in,
)
from cnnrnn.data.formats.text import are_objects, read_text
from cnnrnn.data.reading import Findings

_LISTED = r"(list|image|img|file|name|id)s?(?=[^A-Za-z]|$)"  # of which a list's name speaks, as in testlist01
_SPLIT_WORDS = {"split", "splits", "partition", "partitions", "fold", "folds"}


def splits_of_lists(lists: dict[Path, list[str]], findings: Findings) -> dict[str, str]:
    """The split of every image by the lists of one folder. The images of trainval are those of train, of val, or both.

    Where there is no train.txt, train_list.txt counts, or those of single labels, such as cat_train.txt.
    """
    exact = {path: split for path in lists if (split := split_name(path.stem))}
    loose = {
        path: min(told) for path in lists if len(told := told_splits(path)) == 1 and not told & set(exact.values())
    }
    splits: dict[str, str] = {}
    named: dict[str, str] = {}
    in_two: dict[tuple[str, str], list[str]] = {}  # images by the lists that have both

    def add(image: str, split: str, name: str) -> None:
        if splits.setdefault(image, split) != split:
            in_two.setdefault((named[image], name), []).append(image)
        named.setdefault(image, name)

    for path, split in (exact | loose).items():
        for image in lists[path]:
            add(image, split, path.stem)
    have = {TRAIN, VAL} & set(splits.values())
    for path in (path for path in lists if is_train_and_val(path.stem) and len(have) < 2):
        for image in lists[path]:
            if splits.get(image) not in have:
                add(image, VAL if have == {TRAIN} else TRAIN, path.stem)
    for (first, second), images in in_two.items():
        findings.error(f"{len(images)} images are in the lists {first} and {second}; leave each in one", images)
    return splits


def are_splits(words: Iterable[str]) -> bool:
    """Whether all words name a split, or train and val together."""
    return all(split_name(word) or is_train_and_val(word) for word in words)


def told_splits(path: Path) -> set[str]:
    """The splits that a list's name tells. train_test.txt is the list of the label train, for test."""
    if exact := split_name(path.stem):
        return {exact}
    if is_train_and_val(path.stem):
        return {TRAIN, VAL}
    named = split_in_name(path.stem) or split_name(path.stem.rpartition("_")[2])
    return {named} if named else set()


def named_split(path: Path) -> Path | None:
    """A list's path without words such as list or images, by which `splits_of_lists` knows its split: test_list.txt
    and testlist01.txt are test's, and so is test/list.txt. None for a name that tells no split, or several."""
    plain = _plain(path)
    if re.fullmatch(f"{_LISTED}[0-9]*", path.stem.lower()) and told_splits(path.parent):  # test/list.txt
        return path.parent
    return plain if told_splits(plain) and not is_about_splits(path) else None


def is_about_splits(path: Path) -> bool:
    """Whether a file's name says that it tells several splits, as that of train_test_split.txt does."""
    words = listed_words(path.stem)
    told = splits_in(words)
    return bool(_SPLIT_WORDS & {*words}) or (len(told) > 1 and not is_train_and_val(_plain(path).stem))


def _plain(path: Path) -> Path:
    return path.with_stem(re.sub(rf"(?i)(?<=[A-Za-z_-]){_LISTED}", "", path.stem).rstrip("_- ") or path.stem)


def read_list(path: Path) -> dict[str, list[str]]:
    """The names in a file by the word for their split, which is empty where the file's name tells it; or nothing, for
    what is no list. Raises DataError for a file that can't be read."""
    if path.suffix.lower() == ".json":
        return _of_json(read_document(path, Findings()))
    return _of_lines(lines_of(path), is_about_splits(path))


def lines_of(path: Path) -> list[str]:
    """The lines of a file that are not blank."""
    lines = [line.strip() for line in read_text(path, Findings()).splitlines()]
    return [line for line in lines if line]


def _of_json(content: Any) -> dict[str, list[str]]:
    if _are_texts(content):
        return {"": content}
    if content and are_objects(content):
        return _of_records(content)
    if not isinstance(content, dict) or not content:
        return {}
    if all(isinstance(value, str) for value in content.values()):
        return _by_split(content)
    if not all(map(_are_texts, content.values())):
        return {}
    if any(map(split_name, content)):
        return content
    return {"": [name for names in content.values() for name in names]}  # of each label


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _of_lines(lines: Sequence[str], of_several: bool) -> dict[str, list[str]]:
    """Of a list of one split, or `of_several`, in which CelebA has numbers."""
    if len(lines) > 1 and lines[0].isdecimal() and not lines[1].isdecimal():
        lines = lines[1:]  # the number of images, as in DeepFashion's lists
    delimiter = next((sign for sign in ",;\t" if lines and all(sign in line for line in lines)), None)
    pairs = [tuple(map(str.strip, line.rsplit(delimiter, 1))) for line in lines]
    if delimiter is None and pairs and is_image_column(pairs[0][0]):
        pairs = pairs[1:]  # without the header
    if pairs and all(len(pair) == 2 for pair in pairs):
        split_of = {pair[0]: pair[1] for pair in pairs}
        split_of = _with_words(split_of) if of_several else split_of
        if are_splits(split_of.values()):
            return _by_split(split_of)
    if delimiter is None:
        images = [line.strip("\"'") for line in _without_numbers(lines)]
        return {"": images[1:] if images and is_image_column(images[0]) else images}
    of_rows = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True, restkey="")  # of cells without a column
    return _of_records(list(of_rows))


def _without_numbers(lines: Sequence[str]) -> Sequence[str]:
    """The images of lines such as "cat/1.jpg 0", which have the numbers of their labels behind them."""
    found = [re.fullmatch(r"(.*\.[A-Za-z]+)(\s+\d+)+", line) for line in lines]
    return [match[1] for match in found if match] if all(found) else lines


def _of_records(records: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The images by split, of objects or rows with both."""
    columns = list(records[0]) if records else []
    image, split = next(filter(is_image_column, columns), None), next(filter(is_split_column, columns), None)
    if image is None:
        return {}
    if split is None:
        return _by_flags(records, image, {name: told for name in columns if (told := split_of_flag(name))})
    return _by_split(_with_words({str(record.get(image)): str(record.get(split)) for record in records}))


def _by_flags(records: Sequence[Mapping[str, Any]], image: str, flags: Mapping[str, str]) -> dict[str, list[str]]:
    """Of columns such as is_test, or train, val and test; nothing where an image has several of them."""
    splits = splits_by_flags(records, flags, complete=TRAIN in flags.values()) if flags else None
    return _by_split({str(row.get(image)): split for row, split in zip(records, splits, strict=True)}) if splits else {}


def _with_words(split_of: dict[str, str]) -> dict[str, str]:
    """Words for CelebA's numbers of splits."""
    numbers = numbered_splits(split_of.values())
    return {name: numbers[split] for name, split in split_of.items()} if numbers else split_of


def _by_split(split_of: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, split in split_of.items():
        found.setdefault(split, []).append(name)
    return found
