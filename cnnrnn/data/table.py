"""Custom data sets: a CSV or JSONL file with the columns ``image``, ``labels`` and, optionally, ``split``.

Image paths are relative to the file. In a CSV the labels are in one cell with a separator; in JSONL they are a
list. Without a split column every row is ``train``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cnnrnn.data.coco import read_boxes
from cnnrnn.data.groups import read_groups
from cnnrnn.data.split import DataError, Sample, Split

_MAX_LINE_NUMBERS = 5  # line numbers listed in a warning


@dataclass(frozen=True)
class _Row:
    line: int
    image: str
    labels: frozenset[str]
    split: str


def load(path: Path, split: str, separator: str = ";", groups: Path | None = None, boxes: Path | None = None) -> Split:
    """The rows of a split, with the labels of all rows. Raises DataError, with the line, for what can't be read.

    `groups` is a file for `read_groups`. `boxes` is an instance annotation of COCO, whose file names are relative to
    the table as well; images that it doesn't name are left out.
    Without any row of `train`, the table is one to evaluate on, and the labels are those of all its rows.
    Rows whose image is missing, stands in an earlier row, or has a label that no row of `train` has (a model
    can't learn it) are handled and counted in the warnings, with their line numbers.
    """
    rows = list(_rows(path, separator))
    trained = [row for row in rows if row.split == "train"]
    known = {label for row in trained or rows for label in row.labels}
    if not known:
        whose = " of the split 'train'" if trained else ""
        raise DataError(f"{path}: no row{whose} has a label")
    samples: list[Sample] = []
    missing, repeated, unknown = [], [], []
    seen: set[str] = set()
    for row in rows:
        if row.split != split:
            continue
        image = path.parent / row.image
        if row.image in seen:
            repeated.append(row.line)
        elif not image.is_file():
            missing.append(row.line)
        else:
            if row.labels - known:
                unknown.append(row.line)
            samples.append(Sample(image, row.labels & known))
        seen.add(row.image)
    warnings = [
        f"{len(lines)} {problem} ({path.name}, {'line' if len(lines) == 1 else 'lines'} {_numbers(lines)})"
        for problem, lines in (
            ("left out, the image is missing", missing),
            ("left out, the image stands in an earlier row", repeated),
            ("with a label that no row of 'train' has; that label is ignored", unknown),
        )
        if lines
    ]
    labels = tuple(sorted(known))
    loaded = Split(f"{path.stem} {split}", labels, tuple(samples), tuple(warnings))
    if groups is not None:
        loaded = replace(loaded, groups=read_groups(groups, labels))
    return loaded if boxes is None else _with_boxes(loaded, path.parent, boxes)


def _with_boxes(split: Split, folder: Path, path: Path) -> Split:
    """The images that an instance annotation of COCO names, with their boxes."""
    by_name = {folder / name: found for name, found in read_boxes(path).items()}
    samples = tuple(sample for sample in split.samples if sample.image in by_name)
    if not samples:
        raise DataError(f"{path} names no image of {split.name}; its file_name must be relative to {folder}")
    warnings = split.warnings
    if left_out := len(split.samples) - len(samples):
        warnings = (*warnings, f"{left_out} left out, {path.name} has no boxes of the image")
    return replace(split, samples=samples, warnings=warnings, boxes=lambda sample: by_name[sample.image])


def _rows(path: Path, separator: str) -> Iterator[_Row]:
    if not path.is_file():
        raise DataError(f"{path} is not there; give --root the CSV or JSONL file itself")
    read = _json_lines if path.suffix.lower() in (".jsonl", ".ndjson") else _csv_lines
    try:
        for line, image, labels, split in read(path, separator):
            names = frozenset(label.strip() for label in labels if label.strip())
            yield _Row(line, image.strip(), names, (split or "train").strip())
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8; save it as UTF-8") from None


def _csv_lines(path: Path, separator: str) -> Iterator[tuple[int, str, list[str], str | None]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if missing := {"image", "labels"} - set(reader.fieldnames or ()):
            raise DataError(f"{path}: the first line must name the columns {' and '.join(sorted(missing))}")
        try:
            for row in reader:
                if not row["image"] or row["labels"] is None:
                    raise DataError(f"{path}, line {reader.line_num}: expected an image and its labels")
                yield reader.line_num, row["image"], row["labels"].split(separator), row.get("split")
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def _json_lines(path: Path, separator: str) -> Iterator[tuple[int, str, list[str], str | None]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                image, labels, split = row["image"], row["labels"], row.get("split")
            except (ValueError, KeyError, TypeError, AttributeError):
                raise DataError(f"{path}, line {number}: expected an object with image and labels") from None
            if not isinstance(image, str) or not all(isinstance(label, str) for label in labels):
                raise DataError(f"{path}, line {number}: image must be text, labels a list of texts")
            yield number, image, labels, split


def _numbers(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:_MAX_LINE_NUMBERS]))
    return shown + (", …" if len(lines) > _MAX_LINE_NUMBERS else "")
