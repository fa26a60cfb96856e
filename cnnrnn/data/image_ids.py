"""Tables that name images by ids, beside a table with the file of each id: labels.csv and images.csv."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cnnrnn.data.find_images import ImageFinder
from cnnrnn.data.formats import delimited
from cnnrnn.data.formats.column_names import ColumnNames, key
from cnnrnn.data.formats.image_column import file_columns, is_derived, likely_image_column
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.split_column import is_split_column
from cnnrnn.data.formats.text import TABLES
from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError

_IDS = {"id", "imageid"}
_LOOKED_AT = 200  # rows, to tell if they name files
_HEADER = 10_000  # bytes of a file, to see if it has the column of ids


def with_files(table: Table, names: ColumnNames, root: Path) -> Table:
    """The rows with the files of their ids, and their splits, where another table in the folder has them, and most of
    the first files are below `root`; else as they are. Raises DataError for an id that the other table lacks."""
    ids = names.image or likely_image_column(table)
    first = replace(table, records=table.records[:_LOOKED_AT])
    if ids is None or ids not in table.columns or ids in file_columns(first):
        return table
    written, finder = table.written(ids), ImageFinder(root)
    for path, files in _files_by_id(table, ids):
        known = [value for value in dict.fromkeys(written) if value in files]
        there = [finder.find(files[value][ids])[0] for value in known[:_LOOKED_AT]]
        if len(known) * 2 <= len({*written} - {""}) or there.count(None) * 2 > len(there):
            continue
        if lacking := [n for n, value in enumerate(written) if value and value not in files]:
            raise DataError(
                f"{table.path}, {table.records[lacking[0]].where}: {written[lacking[0]]!r} is not in the column "
                f"{ids!r} of {path.name}, which has the files of the other images; add it there, or remove the row"
            )
        table.findings.note(f"the files of the images are those of the column {ids!r} in {path.name}")
        records = [
            replace(record, values=record.values | files.get(value, {}))
            for record, value in zip(table.records, written, strict=True)
        ]
        return replace(table, records=records)
    return table


def _files_by_id(table: Table, ids: str) -> Iterator[tuple[Path, dict[str, dict[str, str]]]]:
    """The tables beside one that have this column, each id once, and one column with names of files: by id, what a row
    gets from them."""
    for path in sorted(table.path.parent.iterdir()):
        if path == table.path or path.suffix.lower() not in TABLES or not _may_have(path, ids):
            continue
        with suppress(DataError):
            other = Table(path, delimited.read_records(path, Findings(), None)[1], Findings())
            found = other.written(_same_column(ids, other.columns))
            if len(files := file_columns(other)) == 1 and not is_derived(files[0]) and len({*found}) == len(found):
                splits = [name for name in other.columns if is_split_column(name) and name not in table.columns]
                columns = {ids: other.written(files[0])} | {name: other.written(name) for name in splits}
                rows = zip(*columns.values(), strict=True)
                yield path, {one: dict(zip(columns, row, strict=True)) for one, row in zip(found, rows, strict=True)}


def _same_column(ids: str, columns: Sequence[str]) -> str:
    """The column of this name; or else the image_id of labels is the id of images, as databases call it."""
    others = [name for name in columns if key(name) in _IDS and key(ids) in _IDS]
    return ids if ids in columns or not others else others[0]


def _may_have(path: Path, column: str) -> bool:
    with suppress(OSError), path.open("rb") as file:
        header = file.read(_HEADER)
        return column.encode() in header or (key(column) in _IDS and b"id" in header.lower())
    return False
