"""The rows of one file of annotations, or of one for each split: a table, JSON of any tool, CVAT's XML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cnnrnn.data.annotation_files import Document
from cnnrnn.data.folder_column import with_folders
from cnnrnn.data.formats import coco_json, json_records, tools
from cnnrnn.data.formats.column_names import ColumnNames
from cnnrnn.data.formats.columns import Rows, rows_of
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.separator import BLANKS, SEVERAL_WORDS, Separator
from cnnrnn.data.formats.splits import split_in_name, split_name
from cnnrnn.data.formats.unread_exports import find_unread
from cnnrnn.data.image_ids import with_files
from cnnrnn.data.paths import name_below
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import DataError, Options


def column_names(options: Options) -> ColumnNames:
    """Those that a person gives. With names for them, numbers may be labels."""
    numbers = options.label_names is not None
    return ColumnNames(options.image_column, options.label_column, options.split_column, numbers)


def read_files(documents: list[Document], folder: Path, options: Options, findings: Findings) -> Reading:
    """One file, or one for each split. All must be of one kind, else a DataError is raised."""
    several = len(documents) > 1 or documents[0].path.parent not in (folder, folder / "annotations")
    coco = [(document.path, document.content) for document in documents if coco_json.is_coco(document.content)]
    if coco:
        if others := [document.path.name for document in documents if not coco_json.is_coco(document.content)]:
            raise DataError(
                f"{folder} holds COCO JSON ({coco[0][0].name}) and other annotations ({', '.join(others[:3])}); give "
                "the file that has all labels, or write all splits in one kind of file"
            )
        root = folder.parent if folder.name == "annotations" and not several else folder
        return replace(coco_json.read(coco, root, findings), lists_images=True)
    files = {document.path: _file_rows(document, folder, options, findings) for document in documents}
    separators = [(path.name, file.separator) for path, file in files.items() if file.separator]
    _refuse_two_readings_of_blanks(separators)
    return Reading(
        "; ".join(dict.fromkeys(file.kind for file in files.values())),
        [row for path, file in files.items() for row in _placed(file.rows, path, folder, several)],
        folder,
        findings,
        tuple({path.parent for path in files}),
        separator=next((name for _, separator in reversed(separators) if (name := separator.name)), None),
        split=None if several else split_in_name(documents[0].path.stem),
        lists_images=True,
    )


def _refuse_two_readings_of_blanks(separators: Sequence[tuple[str, Separator]]) -> None:
    """Each file is read by itself: a split with few images may not show what blanks mean."""
    separated = [file for file, separator in separators if separator.description == BLANKS]
    whole = [file for file, separator in separators if separator.description == SEVERAL_WORDS]
    if separated and whole:
        raise DataError(
            f"blanks seem to separate labels in {separated[0]}, but to stand inside them in {whole[0]}; give "
            "--separator ' ' if they separate labels, or --separator ';' if they don't"
        )


def _file_rows(document: Document, folder: Path, options: Options, findings: Findings) -> Rows:
    path, content = document.path, document.content
    if path.suffix.lower() == ".xml":
        return Rows("CVAT's XML", tools.cvat_rows(path, findings))
    if content is None:
        kind, records = document.table(findings, options.image_column)
    elif tool := tools.find_tool(content):
        return Rows(tool[0], _tool_rows(*tool, document, findings))
    else:
        if what := find_unread(content):
            raise DataError(f"{path} is {what}")
        kind = "JSONL" if isinstance(content, json_records.Lines) else "JSON"
        read = json_records.as_records(path, content)
        if read is None:
            raise DataError(
                f"{path} is no list of objects with image and labels, and no export that is known; write a list such "
                'as [{"image": "1.jpg", "labels": ["cat"]}], or an object such as {"1.jpg": ["cat"]}'
            )
        records = read
    if not records:
        raise DataError(f"{path} has no rows")
    root = options.images or folder
    table = with_files(Table(path, records, findings), column_names(options), root)
    table = with_folders(table, column_names(options), root)
    found = rows_of(table, column_names(options), options.separator)
    return found._replace(kind=f"{kind}; {found.kind}")


def _tool_rows(tool: str, read: tools.Read, document: Document, findings: Findings) -> list[Row]:
    try:
        return read(document.path, document.content, findings)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"{document.path} is not as {tool} is ({error!r:.80}); export it again") from None


def _placed(rows: list[Row], path: Path, folder: Path, several: bool) -> list[Row]:
    """The rows of one of several files: its name or folder tells their split, and their places name it."""
    named = split_in_name(path.stem) or (split_name(path.parent.name) if path.parent != folder else None)
    inside, own = str(path.relative_to(folder)), (path.parent, path.parent / "images")
    placed = []
    for row in rows:
        where = f"{inside} {row.where}" if several else row.where
        image = name_below(row.image, own, folder) if several and path.parent != folder else row.image
        placed.append(replace(row, where=where, image=image, split=row.split or (named if several else None)))
    return placed
