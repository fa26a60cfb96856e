"""CSV and TSV files as records: the delimiter and the header line are found, every row is accounted for."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from cnnrnn.data.formats import attribute_list, headless
from cnnrnn.data.formats.column_names import is_image_column, looks_like_image
from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.formats.text import TABLES, are_objects, parse_json, read_text
from cnnrnn.data.formats.yolo import is_label_line
from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_FORMULA = re.compile(r'^="([^"]*)"$')  # by which exports keep a text as it is in spreadsheets
_MOST_TITLES = 10  # lines above a header
_MAX_CELL = 10_000_000  # characters; csv's own limit of 131,072 is too small for regions of annotation tools


class HeaderError(DataError):
    """The first line does not tell which column names the images."""


def read_records(path: Path, findings: Findings, image_column: str | None) -> tuple[str, list[Record]]:
    """The kind of file, for people, and its rows. Raises DataError, with the line, for rows that don't fit; HeaderError
    for what is likely no table."""
    text, delimiter = _text(path, findings, image_column)
    _refuse_json(path, text)
    if delimiter is None and (records := attribute_list.read_records(path, text)):
        return attribute_list.KIND, records
    if delimiter is None:
        raise HeaderError(f"{path}: {_without_delimiter(_first_line(text), image_column)}")
    lines = _lines(path, text, delimiter)
    header, rows = find_header(path, lines, findings)
    if len(rows) < len(lines):
        _check_delimiter(path, text, lines[0], delimiter)
    if _are_numbered(header, rows):
        header = ["", *header]
    for line, cells in rows:
        _check_quotes(path, line, cells, delimiter)
        _check_cells(path, line, cells, header, delimiter)
    kind = "TSV" if delimiter == "\t" else "CSV"
    return f"{kind}, cells separated by {_DELIMITERS[delimiter]}", to_records(path, header, rows, "line")


def to_records(path: Path, header: list[str], rows: list[tuple[int, list[str]]], place: str) -> list[Record]:
    """The rows without the columns that have no name: they hold the numbers of rows, as pandas writes them, or nothing.

    Raises DataError if there is a text in one."""
    for number, name in enumerate(header):
        for line, cells in rows if not name else ():
            if number < len(cells) and not re.fullmatch(r"\d*", cells[number]):
                raise DataError(
                    f"{path}, line {line}: {cells[number][:40]!r} is in column {number + 1}, which has no name in the "
                    "first line; write one, or remove the column"
                )
    return [
        Record(f"{place} {line}", {name: cell for name, cell in zip(header, cells, strict=False) if name})
        for line, cells in rows
    ]


def _are_numbered(header: list[str], rows: list[tuple[int, list[str]]]) -> bool:
    """Whether every row begins with its number, which the first line has no name for: R writes tables so."""
    return bool(rows) and all(
        len(cells) == len(header) + 1 and cells[0] == str(number) for number, (_, cells) in enumerate(rows, start=1)
    )


def has_header(path: Path, image_column: str | None) -> bool:
    """Whether the file has columns, one of which names images. Raises DataError for what is no text."""
    return _text(path, Findings(), image_column)[1] is not None


def _text(path: Path, findings: Findings, image_column: str | None) -> tuple[str, str | None]:
    """The text from its header on, though with the numbers of the file's lines; and its delimiter, if there is one."""
    text = re.sub(r'^"?sep=.[^\n]?"?\r?\n', "\n", read_text(path, findings))  # Excel's own first line
    if not text.strip():
        raise DataError(f"{path} is empty; export or save the table again")
    while (delimiter := _delimiter(text, image_column)) is None and _first_line(text).startswith("#"):
        text = re.sub(r"#[^\r\n]*", "", text, count=1)  # a comment
    if not text.strip():
        raise DataError(f"{path} has comments and nothing else; write a first line such as image,labels,split")
    if path.suffix.lower() in TABLES and (titles := _titles(text, delimiter, image_column)):
        findings.note(
            f"lines above the header of {path.name} were not read", (title.strip(",;|\t ") for title in titles)
        )
        for title in titles:
            text = text.replace(title, "", 1)
        delimiter = _delimiter(text, image_column)
    return text, delimiter


def _titles(text: str, delimiter: str | None, image_column: str | None) -> list[str]:
    """The lines above a header that name the table, such as "My animals," or Apple Numbers' "Tabelle 1"; none where the
    first line with several cells is the header, and where no line names a column of images."""
    lines = [line for line in text.splitlines() if line.strip()][: _MOST_TITLES + 20]
    if delimiter is not None and _filled_cells(lines[0], delimiter) > 1:
        return []
    for number in range(1, min(len(lines), _MOST_TITLES + 1)):
        if (found := _delimiter("\n".join(lines[number:]), image_column)) is None:
            continue
        named = any(is_image_column(cell, image_column) for cell in _cells(lines[number], found))
        if named or (delimiter is None and all(_filled_cells(line, found) < 2 for line in lines[:number])):
            return lines[:number]
    return []


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]


def _filled_cells(line: str, delimiter: str) -> int:
    return sum(map(bool, _cells(line, delimiter)))


def _refuse_json(path: Path, text: str) -> None:
    """Raises DataError for records that are saved under the name of a table: a document, or an object a line."""
    if text.lstrip()[0] in "[{" and (_are_records(path, text) or _are_records(path, _first_line(text))):
        raise DataError(f"{path} holds JSON; rename it to {path.with_suffix('.json').name} and give that")


def _are_records(path: Path, text: str) -> bool:
    try:
        content = parse_json(path, text)
    except (ValueError, RecursionError):
        return False
    return bool(content) and (isinstance(content, dict) or are_objects(content))


def _lines(path: Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its (first) line."""
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    lines: list[tuple[int, list[str]]] = []
    first = 1
    try:
        for row in reader:
            cells = [cell if cell[:2] != '="' else _FORMULA.sub(r"\1", cell) for cell in map(str.strip, row)]
            if any(cells) and not all(re.fullmatch(r":?-+:?|", cell) for cell in cells):  # a rule of Markdown
                lines.append((first, cells))
            first = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {first}: {error}") from None
    if not lines:
        raise DataError(f"{path} is empty")
    return lines


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _without_delimiter(first: str, image_column: str | None) -> str:
    """What is wrong with a first line in which no column of images was found."""
    if is_label_line(first):
        return "the labels of one image, of YOLO; give the folder of the data set, or its data.yaml"
    if first[0] == first[-1] == '"' and _delimiter(first[1:-1], image_column):
        return "every line stands in double quotes as a whole; remove them at both ends of the lines"
    words = [word.strip("\"'") for word in first.split()]
    if len(words) > 1 and any(is_image_column(word, image_column) for word in words):
        return f"the columns of the first line, {first[:80]!r}, are separated by blanks; save it with commas or tabs"
    if is_image_column(first.strip(), image_column) or (looks_like_image(first) and len(words) == 1):
        return "only the images are named; add a column of their labels, with a first line such as image,labels"
    return (
        f"no column of images was found in the first line, {first[:80]!r}. Write a first line such as "
        "image,labels,split, or name the columns by --image-column and --label-column"
    )


def _delimiter(text: str, image_column: str | None) -> str | None:
    """The one that makes the first line a header with a column of images; without such a header, the one that
    makes its first row begin with an image."""
    first = _first_line(text)
    candidates = {}
    for delimiter in _DELIMITERS:
        candidates[delimiter] = cells = _cells(first, delimiter)
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


def find_header(
    path: Path, lines: list[tuple[int, list[str]]], findings: Findings
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns' names and the rows below them. Raises DataError for names that are missing or there twice."""
    header = lines[0][1]
    if not any(looks_like_image(cell) for cell in header):
        repeated = {name for name in header if name and header.count(name) > 1}
        if repeated:
            raise DataError(f"{path}: the first line names the column {sorted(repeated)[0]!r} twice; rename one")
        return header, lines[1:]
    if found := headless.labels_behind_images(lines):
        names, lines = found
    else:
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
        marks = {cell for row in rows for name, cell in zip(names, row, strict=False) if name == "labels"}
        such_as = "image,cat,dog with the name of each column's label" if marks <= {"0", "1"} else "image,labels,split"
        raise DataError(f"{path} has no header line; write one such as {such_as}")
    return names


def _check_delimiter(path: Path, text: str, header: tuple[int, list[str]], delimiter: str) -> None:
    """Raises DataError where the rows fit the header only if another sign than the header's separates their cells."""
    number, names = header
    body = [line for line in text.splitlines() if line.strip()][1:20]

    def fits(sign: str) -> bool:
        rows = [_cells(line, sign) for line in body]
        return all(len(row) == len(names) and any(map(looks_like_image, row)) for row in rows)

    for other in _DELIMITERS:
        if body and other != delimiter and fits(other) and not fits(delimiter):
            raise DataError(
                f"{path}, line {number}: the names of the columns are separated by {_DELIMITERS[delimiter]}, but the "
                f"cells below by {_DELIMITERS[other]}; write {other.join(names)!r} there"
            )


def _check_quotes(path: Path, line: int, cells: list[str], delimiter: str) -> None:
    """A double quote that is not closed makes one cell of the rows behind it."""
    for cell in cells:
        if "\n" not in cell and "\r" not in cell:
            continue
        for further, text in enumerate(cell.splitlines()[1:], start=1):
            if delimiter in text and any(looks_like_image(part) for part in text.split(delimiter)):
                raise DataError(
                    f"{path}, line {line}: a double quote is not closed before line {line + further}, {text[:40]!r}; "
                    "close or remove it"
                )


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
            f"{header[len(cells)]!r} is missing{_other_delimiter(cells, delimiter)}"
        )


def _other_delimiter(cells: list[str], delimiter: str) -> str:
    """What to do about a row that has other delimiters than the first line."""
    for other, name in _DELIMITERS.items():
        if other != delimiter and len(cells) == 1 and other in cells[0]:
            return f". This line has {name}, where the first has {_DELIMITERS[delimiter]}"
    return f". Add it, or remove the line: {delimiter.join(cells)[:60]}"
