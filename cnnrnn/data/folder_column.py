"""Tables that write the folder of an image in a column of its own, beside the name of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from cnnrnn.data.find_images import ImageFinder
from cnnrnn.data.formats.column_names import ColumnNames, key
from cnnrnn.data.formats.image_column import likely_image_column, written_image
from cnnrnn.data.formats.records import Table
from cnnrnn.data.reading import Record

_FOLDERS = {
    *("folder", "foldername", "dir", "dirname", "directory", "subfolder", "subdir", "subdirectory", "imagefolder"),
    *("imagedir", "folderpath", "dirpath", "imgdir", "imgfolder"),
}
_LOOKED_FOR = 200  # images, to tell whether they lie in these folders


def with_folders(table: Table, names: ColumnNames, root: Path) -> Table:
    """The rows with folder/file as the image, where most of the first images are there so; else as they are."""
    image = names.image or likely_image_column(table)
    given = {*(names.label or "").split(","), names.label, names.split, image}
    found = [name for name in table.columns if key(name) in _FOLDERS and name not in given]
    if not found or image is None or not _lie_there(table.records[:_LOOKED_FOR], image, found[0], root):
        return table
    table.findings.note(f"the folders of the images are in the column {found[0]!r}")
    return replace(table, records=[_with_folder(record, image, found[0]) for record in table.records])


def _with_folder(record: Record, image: str, folder: str) -> Record:
    if (joined := _joined(record, image, folder)) is None:
        return record
    return replace(
        record, values={name: value for name, value in record.values.items() if name != folder} | {image: joined}
    )


def _joined(record: Record, image: str, folder: str) -> str | None:
    """None where the name has a folder itself, or there is no name."""
    place = str(record.values.get(folder) or "").strip().replace("\\", "/")
    name = written_image(record.values.get(image))
    if not place or not name or "/" in name or "\\" in name:
        return None
    return f"{place.rstrip('/')}/{name}"


def _lie_there(records: Sequence[Record], image: str, folder: str, root: Path) -> bool:
    finder = ImageFinder(root)
    paths = [joined for record in records if (joined := _joined(record, image, folder))]
    found = [(PurePosixPath(path).parent.name, finder.find(path)[0]) for path in paths]
    return sum(file is not None and file.parent.name == place for place, file in found) * 2 >= max(1, len(records))
