"""CSV and TSV files as records: the delimiter and the header line are found, every row is accounted for."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from cnnrnn.data.formats.columns import is_image_column, looks_like_image
from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.formats.text import read_text
from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_MAX_CELL = 10_000_000  # characters; csv's own limit of 131,072 is too small for regions of annotation tools


def read_records(path: Path, findings: Findings, image_column: str | None = None) -> tuple[str, list[Record]]:
    """The kind of file, for people, and its rows. Raises DataError, with the line, for rows that don't fit."""
    text = re.sub(r'^"?sep=.[^\n]?"?\r?\n', "\n", read_text(path, findings))  # Excel's own first line
    delimiter = _delimiter(text, image_column)
    if delimiter is None:
        first = next((line for line in text.splitlines() if line.strip()), "")
        raise DataError(
            f"{path}: no column of images was found in the first line, {first[:80]!r}. Write a first line such as "
            "image,labels,split, or name the columns by --image-column and --label-column"
        )
    lines = _lines(path, text, delimiter)
    header, rows = _header(path, lines, findings, image_column)
    records = []
    for line, cells in rows:
        _check_cells(path, line, cells, header, delimiter)
        values = dict(zip(header, cells, strict=False))
        values.pop("", None)  # what stands in columns without a name, such as the row numbers of pandas
        records.append(Record(f"line {line}", values))
    kind = "TSV" if delimiter == "\t" else "CSV"
    return f"{kind}, cells separated by {_DELIMITERS[delimiter]}", records


def _lines(path: Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its (first) line."""
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    lines: list[tuple[int, list[str]]] = []
    first = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                lines.append((first, cells))
            first = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {first}: {error}") from None
    if not lines:
        raise DataError(f"{path} is empty")
    return lines


def _delimiter(text: str, image_column: str | None) -> str | None:
    """The one that makes the first line a header with a column of images; without such a header, the one that
    makes its first row begin with an image."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    candidates = {}
    for delimiter in _DELIMITERS:
        cells = [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter, skipinitialspace=True), [])]
        candidates[delimiter] = cells
        if len(cells) > 1 and any(is_image_column(cell, image_column) for cell in cells):
            return delimiter
    for delimiter, cells in candidates.items():
        if len(cells) > 1 and any(looks_like_image(cell) for cell in cells):
            return delimiter
    rows = [line for line in text.splitlines() if line.strip()][1:20]
    for delimiter, header in candidates.items():  # a header of other words, over rows that name images
        parsed = list(csv.reader(rows, delimiter=delimiter, skipinitialspace=True))
        if len(header) > 1 and parsed and all(any(map(looks_like_image, row)) for row in parsed):
            return delimiter
    return None


def _header(
    path: Path, lines: list[tuple[int, list[str]]], findings: Findings, image_column: str | None
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    header = lines[0][1]
    if not any(looks_like_image(cell) for cell in header):
        repeated = {name for name in header if name and header.count(name) > 1}
        if repeated:
            raise DataError(f"{path}: the first line names the column {sorted(repeated)[0]!r} twice; rename one")
        return header, lines[1:]
    names = _names_by_content(path, [cells for _, cells in lines])
    findings.warning(f"{path.name} has no header line; its columns were taken for {', '.join(names)}")
    return names, lines


def _names_by_content(path: Path, rows: list[list[str]]) -> list[str]:
    """The columns of a table without a header line: one of images, one of labels and, perhaps, one of splits."""
    names: list[str] = []
    for cells in zip(*(row for row in rows if len(row) == len(rows[0])), strict=True):
        if all(looks_like_image(cell) for cell in cells):
            names.append("image")
        elif all(split_name(cell) for cell in cells):
            names.append("split")
        else:
            names.append("labels")
    if sorted(names) not in (["image", "labels"], ["image", "labels", "split"]):
        raise DataError(f"{path} has no header line; write one such as image,labels,split")
    return names


def _check_cells(path: Path, line: int, cells: list[str], header: list[str], delimiter: str) -> None:
    while len(cells) > len(header) and not cells[-1]:
        cells.pop()  # empty cells at the end of a row
    if len(cells) > len(header):
        raise DataError(
            f"{path}, line {line}: {len(cells)} cells, but the first line names {len(header)} columns. Put a cell "
            f'that holds {_DELIMITERS[delimiter]} in double quotes, or separate its labels by another sign, such as "|"'
        )
    if len(cells) < len(header) and any(header[len(cells) :]):
        raise DataError(
            f"{path}, line {line}: {len(cells)} cells, but the first line names {len(header)} columns; "
            f"{header[len(cells)]!r} is missing"
        )
