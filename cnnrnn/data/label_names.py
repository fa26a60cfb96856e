"""Labels that annotations give as numbers or codes get the names of the file that --label-names gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cnnrnn.data.formats.code_names import read_code_names
from cnnrnn.data.formats.names_file import read_label_names
from cnnrnn.data.formats.numbers import whole_number
from cnnrnn.data.reading import Findings, Reading, Row, listed
from cnnrnn.data.split import DataError

_Name = Callable[[str, str], str]  # of a label, and where it stands
_DOCUMENTS = (".json", ".yaml", ".yml")  # which have numbers


def name_labels(reading: Reading, file: Path) -> None:
    """Give the labels of a source that are numbers or codes their names. Raises DataError for one without a name."""
    labels = {label.strip() for row in reading.rows for label in (*row.labels, *row.ignored)} | {
        *(reading.labels or ())
    }
    numbers = {label for label in labels if whole_number(label)}
    codes = None
    if labels != numbers and file.suffix.lower() not in _DOCUMENTS:
        codes = read_code_names(file, labels, reading.findings)
    if codes is not None and (not numbers or labels <= codes.keys()):
        _rename(reading, _by_code(codes, file))
        shown = {label: codes[label] for label in sorted(labels)}
        reading.findings.note(f"codes stand for the labels of {file.name}: {_shown(shown)}")
        _tell_same_names(shown, reading.findings)
        return
    names = read_label_names(file)
    if not numbers:
        reading.findings.warning(
            f"no label is a number or code that {file.name} gives a name, so that this file was not used",
            sorted(labels),
        )
        return
    _rename(reading, _by_number(names, file))
    reading.findings.note(f"numbers stand for the labels of {file.name}: {_shown(names)}")


def _shown(names: dict[str, str]) -> str:
    return ", ".join(f"{key} is {label!r}" for key, label in list(names.items())[:3]) + " …"


def _by_number(names: dict[str, str], file: Path) -> _Name:
    def name(label: str, where: str) -> str:
        number = whole_number(label.strip())
        if number and number not in names:
            raise DataError(
                f"{where}: the label {label} has no name in {file}, which has {len(names)}, from "
                f"{min(names, key=int)} to {max(names, key=int)}; write numbers before the names, such as 1: cat"
            )
        return names[number] if number else label

    return name


def _by_code(names: dict[str, str], file: Path) -> _Name:
    def name(label: str, where: str) -> str:
        if (code := label.strip()) not in names:
            raise DataError(f"{where}: the label {code!r} has no name in {file}; add a line with both")
        return names[code]

    return name


def _tell_same_names(names: dict[str, str], findings: Findings) -> None:
    """ImageNet has cranes that fly, and cranes that lift."""
    codes: dict[str, list[str]] = defaultdict(list)
    for code, name in names.items():
        codes[name].append(code)
    if same := [f"{name}: {listed(found)}" for name, found in codes.items() if len(found) > 1]:
        findings.warning("codes have the same name, so that they are one label; write other names if they differ", same)


def _rename(reading: Reading, name: _Name) -> None:
    def named(row: Row) -> Row:
        labels, ignored = (tuple(name(label, row.where) for label in found) for found in (row.labels, row.ignored))
        return replace(row, labels=labels, ignored=ignored)

    boxes, place = reading.boxes, str(reading.folder)
    reading.rows = [named(row) for row in reading.rows]
    reading.labels = tuple(name(label, place) for label in reading.labels) if reading.labels else None
    reading.groups = {name(label, place): group for label, group in reading.groups.items()} if reading.groups else None
    if boxes is not None:
        reading.boxes = lambda image: {name(label, image): found for label, found in boxes(image).items()}
