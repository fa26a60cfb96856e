"""Excel's workbooks: the sheets that name images, as records."""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cnnrnn.data.formats.column_names import (
    is_image_column,
    is_label_column,
    looks_like_image,
    sounds_like_labels,
)
from cnnrnn.data.formats.delimited import find_header, to_records
from cnnrnn.data.formats.split_column import is_split_column
from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.formats.text import unreadable
from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

SUFFIXES = (".xlsx", ".xlsm")
BEGINS = b"PK\x03\x04"  # as every zip archive does
_MAX_BYTES = 500_000_000  # unpacked; a million rows of three columns have about 100 MB
_MAX_COLUMNS = 16_384  # Excel's own limit
# Zip archives of other programs: suffixes, if the parts of several programs are called alike, and a part.
_DOCUMENTS: dict[str, tuple[tuple[str, ...], str]] = {
    "a text document of OpenDocument": ((".odt",), "content.xml"),
    "a presentation of OpenDocument": ((".odp",), "content.xml"),
    "a spreadsheet of OpenDocument": ((), "content.xml"),
    "a Word document": ((), "word/document.xml"),
    "a PowerPoint presentation": ((), "ppt/presentation.xml"),
    "a document of Apple's Pages": ((".pages",), "Index/Document.iwa"),
    "a presentation of Apple's Keynote": ((".key",), "Index/Document.iwa"),
    "a spreadsheet of Apple's Numbers": ((), "Index/Document.iwa"),
    "a binary workbook of Excel": ((), "xl/workbook.bin"),
}
Line = tuple[int, list[str]]  # the number of a row, and its cells


def read_records(path: Path, findings: Findings, image_column: str | None) -> tuple[str, list[Record]]:
    """The kind of file, for people, and the rows of the sheet that names images; of several sheets called like splits,
    those of all. Raises DataError for what is no workbook, where it isn't clear which sheet is meant, and for values of
    formulas that are needed, but not saved."""
    tables = {name: _without_title(name, lines, findings) for name, lines in _sheets(path, findings).items()}
    sheets = {name: lines for name, lines in tables.items() if _names_images(lines, image_column)}
    if not sheets:
        raise DataError(
            f"{path}: no sheet has a column of images; write a first line such as image, labels, split, or name the "
            "columns by --image-column and --label-column"
        )
    if len(sheets) > 1 and not all(map(split_name, sheets)):
        raise DataError(
            f"{path} names images in several sheets: {', '.join(sheets)}; keep the one that is meant, or save it as CSV"
        )
    records: list[Record] = []
    for name, lines in sheets.items():
        header, rows = find_header(path, lines, findings)
        header = _without_unsaved(path, name, header, rows, findings, image_column)
        found = to_records(path, header, rows, f"{name}, row" if len(sheets) > 1 else "row")
        if len(sheets) > 1 and not any(map(is_split_column, header)):
            found = [replace(record, values=record.values | {"split": name}) for record in found]
        records += found
    return f"an Excel workbook, sheet {' and '.join(sheets)}", records


def _without_title(name: str, lines: list[Line], findings: Findings) -> list[Line]:
    """The rows of a sheet without those above a table that have only one cell."""
    start = next((n for n, (_, cells) in enumerate(lines) if len(list(filter(None, cells))) > 1), 0)
    if start:
        findings.note(
            f"rows above the first line of {name} were not read",
            (" ".join(cells).strip() for _, cells in lines[:start]),
        )
    return lines[start:]


def _names_images(lines: list[Line], image_column: str | None) -> bool:
    if not lines or len(lines[0][1]) < 2:
        return False
    header = any(is_image_column(cell, image_column) for cell in lines[0][1])
    return header or all(any(map(looks_like_image, cells)) for _, cells in lines[1:20] or lines)


def _sheets(path: Path, findings: Findings) -> dict[str, list[Line]]:
    """The rows of every visible sheet that are not blank."""
    from openpyxl import load_workbook

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            has_formulas, has_merged = _check_archive(path, file)
            warnings.simplefilter("ignore")  # of styles and other parts that are not read
            book = load_workbook(file, read_only=not has_merged, data_only=True)
            visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
            sheets = {sheet.title: _lines(sheet) for sheet in visible}
            if has_merged:
                for sheet in visible:
                    _fill_merged(sheet, sheets[sheet.title], findings)
            if has_formulas:
                formulas = load_workbook(file, read_only=True)
                sheets = {name: _with_unsaved(lines, _lines(formulas[name])) for name, lines in sheets.items()}
            return sheets
    except DataError:
        raise
    except OSError as error:
        raise unreadable(path, error) from None
    except Exception as error:  # what openpyxl raises for damaged parts is not documented
        raise DataError(f"{path} is no Excel workbook that can be read ({error}); save the table as CSV") from None


def _fill_merged(sheet: Worksheet, lines: list[Line], findings: Findings) -> None:
    """Only the first cell of a merged range holds its value, which counts for all rows below, too."""
    cells = dict(lines)
    filled = [cell for cell in sheet.merged_cells.ranges if cell.max_row > cell.min_row and cell.min_row in cells]
    for merged in filled:
        value = cells[merged.min_row][merged.min_col - 1 :][:1]
        for row in range(merged.min_row + 1, merged.max_row + 1):
            if value and row in cells:
                cells[row][merged.min_col - 1] = value[0]
    if filled:
        places = sorted(str(merged.coord) for merged in filled)
        findings.note("merged cells were read as if their value stood in each of their rows", places)


def _check_archive(path: Path, file: BinaryIO) -> tuple[bool, bool]:
    """Whether there are formulas, and merged cells. Raises DataError for what is no workbook, or too large."""
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        _check_parts(path, parts)
        sheets = [part for part in parts if part.filename.startswith("xl/worksheets/")]
        texts = (archive.read(part) for part in sheets)
        found = [(re.search(rb"<f[ />]", text), re.search(rb"<(\w+:)?mergeCell ", text)) for text in texts]
        return any(formula for formula, _ in found), any(merged for _, merged in found)


def _check_parts(path: Path, parts: list[zipfile.ZipInfo]) -> None:
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        for what, (suffixes, part) in _DOCUMENTS.items():
            if part in names and (not suffixes or path.suffix.lower() in suffixes):
                raise DataError(f"{path} is {what}; export its table as CSV and give that")
        raise DataError(f"{path} is a zip archive; unpack it and give the folder")
    if (unpacked := sum(part.file_size for part in parts)) > _MAX_BYTES:
        raise DataError(f"{path} has {unpacked / 1e6:,.0f} MB when it is unpacked; save the table as CSV")


class _Unsaved(str):
    """A formula without a value: programs that write formulas without computing them leave none."""

    __slots__ = ()


def _with_unsaved(values: list[Line], formulas: list[Line]) -> list[Line]:
    """The rows with the formulas that have no value in their cells; a row may hold nothing else."""
    known = dict(values)
    return [(row, [*map(_value, cells, [*known.get(row, []), *[""] * len(cells)])]) for row, cells in formulas]


def _value(written: str, value: str) -> str:
    return _Unsaved(written) if written.startswith("=") and not value else value


def _without_unsaved(
    path: Path, sheet: str, header: list[str], rows: list[Line], findings: Findings, image_column: str | None
) -> list[str]:
    """The header without the names of columns in which values of formulas are not saved, such as a date.

    Raises DataError if one may hold images, labels or splits: without a column of labels, any may be a label's.
    """
    lines = [(1, header), *rows]
    unsaved = {n: (row, cell) for row, cells in lines for n, cell in enumerate(cells) if isinstance(cell, _Unsaved)}
    has_labels = any(is_label_column(name) for n, name in enumerate(header) if n not in unsaved)
    for n, (row, formula) in unsaved.items():
        name = header[n]
        if (
            isinstance(name, _Unsaved)
            or not has_labels
            or is_image_column(name, image_column)
            or sounds_like_labels(name)
            or is_split_column(name)
        ):
            raise DataError(
                f"{path}: {sheet}, row {row}: the value of {formula[:60]} is not saved; open the workbook in a "
                "spreadsheet program and save it again"
            )
    if unsaved:
        findings.warning(
            f"columns of {sheet} were left out, since values of their formulas are not saved; open the workbook in a "
            "spreadsheet program and save it again if they hold labels or splits",
            [header[n] or f"column {n + 1}" for n in sorted(unsaved)],
        )
        for _, cells in rows:
            for n in unsaved:
                cells[n : n + 1] = [""] * len(cells[n : n + 1])
    return ["" if n in unsaved else name for n, name in enumerate(header)]


def _lines(sheet: Worksheet) -> list[Line]:
    lines = []
    for number, row in enumerate(sheet.iter_rows(values_only=True, max_col=_MAX_COLUMNS), start=1):
        cells = list(map(_text, row))
        if any(cells):
            lines.append((number, cells))
    width = max((n + 1 for _, cells in lines for n, cell in enumerate(cells) if cell), default=0)
    return [(number, [*cells[:width], *[""] * (width - len(cells))]) for number, cells in lines]


def _text(value: object) -> str:
    """A cell as it would stand in a CSV file: days without a time."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    return str(value).strip()
