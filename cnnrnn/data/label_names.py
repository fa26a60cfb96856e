"""The names of labels that annotations give as numbers: one a line, or numbers with names, in text, YAML or JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from cnnrnn.data.formats.text import parse_yaml, read_text
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import DataError

_NUMBER_FIRST = re.compile(r"(\d+)\s*[:,;\t]\s*(.+)")
_NUMBER_LAST = re.compile(r"(.+?)\s*[:,;\t]\s*(\d+)")


def name_numbers(reading: Reading, file: Path) -> None:
    """Give the labels of a source that are numbers their names. Raises DataError for a number without a name."""
    names = read_label_names(file)

    def name(label: str, where: str) -> str:
        number = _number(label)
        if number is not None and number not in names:
            raise DataError(
                f"{where}: the label {label} has no name in {file}, which has {len(names)}, from "
                f"{min(names, key=int)} to {max(names, key=int)}; write numbers before the names, such as 1: cat"
            )
        return label if number is None else names[number]

    def named(row: Row) -> Row:
        labels, ignored = (tuple(name(label, row.where) for label in found) for found in (row.labels, row.ignored))
        return replace(row, labels=labels, ignored=ignored)

    boxes, place = reading.boxes, str(reading.folder)
    reading.rows = [named(row) for row in reading.rows]
    reading.labels = tuple(name(label, place) for label in reading.labels) if reading.labels else None
    reading.groups = {name(label, place): group for label, group in reading.groups.items()} if reading.groups else None
    if boxes is not None:
        reading.boxes = lambda image: {name(label, image): found for label, found in boxes(image).items()}
    shown = ", ".join(f"{number} is {label!r}" for number, label in list(names.items())[:3])
    reading.findings.note(f"numbers stand for the labels of {file.name}: {shown} …")


def _number(label: str) -> str | None:
    """The number that stands for a label, such as 7 of "7.0"; None for names."""
    found = re.fullmatch(r"0*(\d+?)(\.0)?", label.strip())
    return found.group(1) if found else None


def read_label_names(path: Path) -> dict[str, str]:
    """By number. Names without numbers count from 0. Raises DataError."""
    text = read_text(path, Findings())
    try:
        match path.suffix.lower():
            case ".json":
                names = _of_json(json.loads(text))
            case ".yaml" | ".yml":
                names = _of_json(parse_yaml(text))
            case _:
                names = _of_lines(path, text)
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path} can't be read ({error}); write a name a line, or numbers with names") from None
    if not names or not all(names.values()):
        raise DataError(f"{path} has no names, or empty ones; write a name a line, or numbers with names")
    return names


def _of_json(content: Any) -> dict[str, str]:
    """["cat", "dog"], {"0": "cat"}, {"cat": 0}, or COCO's categories; also below names or categories."""
    if isinstance(content, dict):
        content = next((content[key] for key in ("names", "categories", "labels") if key in content), content)
    if isinstance(content, list):
        entries = [(n, item) if isinstance(item, str) else (item["id"], item["name"]) for n, item in enumerate(content)]
        return {str(int(number)): str(name).strip() for number, name in entries}
    if all(re.fullmatch(r"\d+", str(value)) for value in content.values()):
        return {str(number): name.strip() for name, number in content.items()}
    return {str(int(number)): str(name).strip() for number, name in content.items()}


def _of_lines(path: Path, text: str) -> dict[str, str]:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    lines = [re.sub(r"^- ?", "", line) for line in lines]
    pairs = [(found[1], found[2]) for line in lines if (found := _NUMBER_FIRST.fullmatch(line))]
    if not pairs:
        pairs = [(found[2], found[1]) for line in lines if (found := _NUMBER_LAST.fullmatch(line))]
    if not pairs:
        pairs = [(str(number), line) for number, line in enumerate(lines)]
    if len(pairs) < len(lines) - 1:  # one line may be a header
        raise DataError(f"{path}: only {len(pairs)} of {len(lines)} lines have a number; write it before every name")
    if len({int(number) for number, _ in pairs}) < len(pairs):
        raise DataError(f"{path} has a number twice; write each number once")
    return {str(int(number)): name.strip().strip("\"'") for number, name in pairs}
