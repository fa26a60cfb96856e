"""Which column of a table names the images, and what its cells name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

from cnnrnn.data.formats.column_names import IMAGE, given_name, known, shown, words_of
from cnnrnn.data.formats.records import MOSTLY, Table
from cnnrnn.data.images import SUFFIXES

# Words in the names of columns with files that are made from an image, or belong to it.
_DERIVED = {
    *("mask", "masks", "segmentation", "seg", "segment", "annotated", "overlay", "heatmap", "thumbnail", "thumb"),
    *("thumbs", "preview", "icon", "depth", "logo", "avatar", "label", "labels", "bbox", "crop", "background"),
}
_LINK = re.compile(r'=HYPERLINK\("(?P<file>[^"]+)".*\)', re.IGNORECASE)  # of a spreadsheet
_ATTACHMENT = re.compile(r"(?P<file>[^()]+\.\w+) \(https?://[^()\s]+\)")  # as Airtable writes it


def image_column(table: Table, given: str | None) -> str:
    """The one given; the known name whose cells name files; or else the only column whose cells do: beside a file
    for each row, a column such as id holds the numbers of the rows. Raises DataError where several are as likely."""
    if given:
        return given_name(table.path, table.columns, given, "--image-column")
    found = known(table.columns, IMAGE)
    shares = {name: table.share(name, _names_file) for name in found}
    if naming := [name for name in found if shares[name] > 0.5]:
        return naming[0]
    if found and shares[found[0]]:
        return found[0]
    naming = file_columns(table)
    if found:
        naming = [name for name in naming if not is_derived(name) and not _repeats(table, name, found[0])]
    if len(naming) > 1 and len({tuple(_file_names(table, name)) for name in naming}) == 1:
        naming = sorted(naming, key=lambda name: table.share(name, lambda value: "://" in str(value)))[:1]
    if len(naming) > 1 and found:
        raise table.error(
            f"the images can be in the column {' or '.join(map(repr, naming))}; give --image-column with one "
            "of them (of rows with several images, write a row for each)"
        )
    if len(naming) == 1:
        if found:
            table.findings.note(
                f"the images are those of the column {naming[0]!r}, as {found[0]!r} has no names of files; give "
                "--image-column if that is wrong"
            )
        return naming[0]
    if found:
        return found[0]
    raise table.error(f"none of the columns {shown(table.columns)} is known to name images; give --image-column NAME")


def likely_image_column(table: Table) -> str | None:
    """The column that `image_column` may find; nothing is told or refused."""
    if found := known(table.columns, IMAGE):
        return found[0]
    naming = file_columns(table)
    return naming[0] if len(naming) == 1 else None


def is_derived(column: str) -> bool:
    """Whether a column such as mask or thumbnail has files that are made from the image, or belong to it."""
    return bool(words_of(column) & _DERIVED)


def written_image(value: object) -> str | None:
    """The image that a cell names; None if it names none."""
    if isinstance(value, dict):  # of Hugging Face
        value = value.get("path") or value.get("src")
    if not isinstance(value, (str, int)) or not str(value).strip():
        return None
    text = str(value).strip()
    if text[-1] == ")" and (found := _ATTACHMENT.fullmatch(text) or _LINK.fullmatch(text)):
        return found["file"].strip()
    return text


def file_columns(table: Table) -> list[str]:
    """The columns whose filled cells name files. A few may be empty, which is an error that names their rows."""
    first = replace(table, records=table.records[:1000])
    some = [name for name in table.columns if first.share(name, _names_file)]
    return [name for name in some if table.share(name, _names_file) >= max(0.5, MOSTLY * table.filled(name))]


def _names_file(value: object) -> bool:
    if isinstance(value, int) or (isinstance(value, str) and "." not in value):
        return False
    text = written_image(value)
    return text is not None and PurePosixPath(_without_query(text)).suffix.lower() in SUFFIXES


def _without_query(text: str) -> str:
    return re.split(r"[?#]", text)[0] if "://" in text else text


def _file_names(table: Table, column: str) -> list[str]:
    written = (written_image(value) or "" for value in table.values(column))
    return [PurePosixPath(_without_query(text).replace("\\", "/")).name for text in written]


def _repeats(table: Table, column: str, known_name: str) -> bool:
    """Whether one file stands in all rows, which name several images: it is no image of a row."""
    return len({*_file_names(table, column)}) == 1 < len(table.texts(known_name))
