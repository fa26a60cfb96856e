"""Tables that write the folder of an image in a column of its own, beside the name of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from cnnrnn.data.find_images import ImageFinder
from cnnrnn.data.formats.column_names import LABELS, ColumnNames, key, known
from cnnrnn.data.formats.image_column import likely_image_column, written_image
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.splits import TRAIN
from cnnrnn.data.reading import Record

_FOLDERS = {
    *("folder", "foldername", "dir", "dirname", "directory", "subfolder", "subdir", "subdirectory", "imagefolder"),
    *("imagedir", "folderpath", "dirpath", "imgdir", "imgfolder"),
}
_LOOKED_FOR = 200  # images, to tell whether they lie in these folders


def with_folders(table: Table, names: ColumnNames, root: Path) -> Table:
    """The rows with folder/file as the image, where most of the first images are there so; else as they are.

    Folders may be called like the labels of a column, where files of one name lie in several: cat/1.jpg and dog/1.jpg.
    """
    image = names.image or likely_image_column(table)
    if image is None:
        return table
    given = {*(names.label or "").split(","), names.label, names.split, image}
    folders = [name for name in table.columns if key(name) in _FOLDERS and name not in given]
    first, finder = table.records[:_LOOKED_FOR], ImageFinder(root)
    if folders and _lie_there(first, image, folders[0], finder):
        table.findings.note(f"the folders of the images are in the column {folders[0]!r}")
        return replace(table, records=[_with_folder(record, image, folders[0], drop=True) for record in table.records])
    labels = [names.label] if names.label in table.columns else known(table.columns, LABELS)
    if not folders and labels and _are_unclear(first, image, finder) and _lie_there(first, image, labels[0], finder):
        table.findings.note(f"the images lie in folders called as their labels in the column {labels[0]!r}")
        return replace(table, records=[_with_folder(record, image, labels[0], drop=False) for record in table.records])
    return table


def _with_folder(record: Record, image: str, folder: str, drop: bool) -> Record:
    if (joined := _joined(record, image, folder)) is None:
        return record
    others = {name: value for name, value in record.values.items() if name != folder or not drop}
    return replace(record, values=others | {image: joined})


def _joined(record: Record, image: str, folder: str) -> str | None:
    """None where the name has a folder itself, or there is no name."""
    place = str(record.values.get(folder) or "").strip().replace("\\", "/")
    name = written_image(record.values.get(image))
    if not place or not name or "/" in name or "\\" in name:
        return None
    return f"{place.rstrip('/')}/{name}"


def _lie_there(records: Sequence[Record], image: str, folder: str, finder: ImageFinder) -> bool:
    paths = [joined for record in records if (joined := _joined(record, image, folder))]
    # Of train/cat/1.jpg and test/cat/1.jpg, either tells that the image lies in such a folder.
    found = [(PurePosixPath(path).parent.name, finder.find(path, TRAIN)[0]) for path in paths]
    return sum(file is not None and file.parent.name == place for place, file in found) * 2 >= max(1, len(records))


def _are_unclear(records: Sequence[Record], image: str, finder: ImageFinder) -> bool:
    """Whether most names, which tell no folder, are those of several files, or of none."""
    names = [name for record in records if (name := written_image(record.values.get(image)))]
    return sum(finder.find(name)[0] is None for name in names) * 2 > len(names)
