"""Names of labels that are codes, such as n01440764 of ImageNet and /m/011k07 of Open Images: a table with both."""

from __future__ import annotations

import csv
from collections.abc import Set
from pathlib import Path

from cnnrnn.data.formats.names_file import Line, columns_of_names, one_column, unquoted
from cnnrnn.data.formats.text import read_text
from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError

_DELIMITERS = "\t,;|"


def read_code_names(path: Path, labels: Set[str], findings: Findings) -> dict[str, str] | None:
    """The names by code, with a tab, another delimiter or blanks between; None if no column has most of the labels,
    beside names. A header is a pair like others, as no label is called like it.

    Raises DataError, with the line, for rows that don't fit, and where it isn't clear which column has the names.
    """
    lines = [(n, line.strip()) for n, line in enumerate(read_text(path, findings).splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line]
    for delimiter in (*_DELIMITERS, None):
        rows = [_cells(line, delimiter) for _, line in lines]
        columns = list(zip(*(row for row in rows if len(row) > 1), strict=False))
        found = [len(labels & set(column)) for column in columns[: None if delimiter else 1]]
        if found and 2 * max(found) >= len(labels):
            code = found.index(max(found))
            others = [n for n in range(len(columns)) if n != code and not all(map(str.isdecimal, columns[n]))]
            if not others:  # numbers for names, as another reader has them
                return None
            name = one_column(path, others, columns_of_names(rows[0], rows[0][code], others))
            return _names(path, lines, rows, code, name)
    return None


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split(maxsplit=1)
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]


def _names(path: Path, lines: list[Line], rows: list[list[str]], code: int, name: int) -> dict[str, str]:
    names: dict[str, str] = {}
    for (line, _), row in zip(lines, rows, strict=True):
        if len(row) != len(rows[0]):
            raise DataError(
                f"{path}, line {line} has {len(row)} cells, but the first line {len(rows[0])}; write a code and its "
                "name, in quotes if it has the sign between them"
            )
        if not (written := unquoted(row[name])):
            raise DataError(f"{path}, line {line}: {row[code]} has no name; write it, or remove the line")
        if names.setdefault(row[code], written) != written:
            raise DataError(
                f"{path}, line {line}: {row[code]} is {written!r}, but {names[row[code]]!r} above; write it once"
            )
    return names
