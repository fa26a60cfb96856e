"""Tables whose layout has one label in each cell, so that a blank or a slash in it separates nothing."""

from __future__ import annotations

from collections.abc import Sequence

from cnnrnn.data.formats.column_names import ANNOTATORS, key, words_of
from cnnrnn.data.formats.image_column import written_image
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.separator import COMMAS, Separator

_ROWS_PER_IMAGE = 1.2  # fewer are single images that stand in two rows by mistake
_OF_BOXES = ({"xmin", "ymin"}, {"x", "y"}, {"x1", "y1"}, {"left", "top"}, {"bbox"}, {"box"})  # keys of columns


def hold_one_label(table: Table, image: str, columns: Sequence[str]) -> bool:
    """Whether each label has a column of its own, as in label1 and label2, or an image has a row for each label.

    Several people who each label an image may write lists, and so may those who call a column labels_1.
    """
    if len(columns) > 1:
        return all(map(is_singular, columns))
    rows = [
        (written_image(value), str(label)) for value, label in zip(*map(table.values, (image, *columns)), strict=True)
    ]
    if len(rows) < _ROWS_PER_IMAGE * len({name for name, _ in rows}):
        return False
    if any(_is_of_annotators(table, image, name) for name in table.columns):
        return False
    names = {key(name) for name in table.columns}
    return len({*rows}) == len(rows) or any(of_box <= names for of_box in _OF_BOXES)


def _is_of_annotators(table: Table, image: str, name: str) -> bool:
    """Whether a column tells who labelled an image, and nobody did so in two rows."""
    if not words_of(name) & ANNOTATORS:
        return False
    return len({*zip(*(map(str, table.values(column)) for column in (image, name)), strict=True)}) == len(table.records)


def is_singular(name: str) -> bool:
    """Whether a column's name speaks of one label: label, class_name or category 2, and not labels."""
    return not any(word.endswith("s") and not word.endswith("ss") for word in words_of(name))


def point_out_split(table: Table, columns: Sequence[str], separator: Separator, one_label: bool) -> None:
    """Commas that separate labels in a column whose name or layout speaks of one, as in "cat, small"."""
    if separator.sign in COMMAS and (one_label or is_singular(columns[0])):
        table.findings.add(
            "warning" if one_label else "note",
            f"the labels in {columns[0]!r} of {table.path.name} were {separator.description}; if each cell is one "
            "label, give --separator ';'",
        )
