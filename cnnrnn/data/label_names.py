"""Labels that annotations give as numbers get the names of the file that --label-names gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cnnrnn.data.formats.names_file import read_label_names
from cnnrnn.data.formats.numbers import whole_number
from cnnrnn.data.reading import Reading, Row
from cnnrnn.data.split import DataError


def name_numbers(reading: Reading, file: Path) -> None:
    """Give the labels of a source that are numbers their names. Raises DataError for a number without a name."""
    names = read_label_names(file)

    def name(label: str, where: str) -> str:
        number = whole_number(label.strip())
        if number and number not in names:
            raise DataError(
                f"{where}: the label {label} has no name in {file}, which has {len(names)}, from "
                f"{min(names, key=int)} to {max(names, key=int)}; write numbers before the names, such as 1: cat"
            )
        return names[number] if number else label

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
