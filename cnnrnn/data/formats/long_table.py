"""Tables with a row for each image and label: the column of labels, and the one that tells which of them apply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cnnrnn.data.formats.column_names import ANNOTATORS, LABELS, key, known, sounds_like_labels, words_of
from cnnrnn.data.formats.denying_columns import verdicts_of
from cnnrnn.data.formats.image_column import written_image
from cnnrnn.data.formats.numbers import number
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.review_columns import is_about_person
from cnnrnn.data.formats.yes_no import applies_to_label, is_mark
from cnnrnn.data.reading import NEARLY_ALL, Labels, Record, share_of_all

# If so many of all pairs of an image and a label have a row, a column of any name may tell which labels apply.
_GRID = 0.95
# What is told of a box, and not whether its label applies.
_OF_BOXES = {
    *("occluded", "occlusion", "truncated", "truncation", "crowd", "iscrowd", "difficult", "inside", "depiction"),
    *("pose", "blurred", "outside", "keyframe", "manual", "hard", "small"),
}
# Columns with a value for each row of an image that are none of labels.
_NO_LABELS = {
    *ANNOTATORS,
    *("round", "fold", "source", "model", "tool", "eye"),
    *("side", "view", "frame", "date", "time", "version", "by", "dir", "folder", "directory", "path", "file"),
}
# Names of columns of labels, of two that could be.
_LIKELY = {
    *("finding", "findings", "variable", "attribute", "feature", "concept", "condition", "disease", "diagnosis"),
    *("name", "question", "object", "species", "symptom", "pathology", "term", "keyword", "entity", "item", "trait"),
}
_TELLING = {"flag", "y", "result", "outcome", "true", "istrue", "holds"}  # names besides those of `applies_to_label`


class LongTable(NamedTuple):
    labels: str  # the columns
    told_by: str


def long_table(table: Table, columns: Sequence[str], image: str, given: Sequence[str]) -> LongTable | None:
    """None if a table is not, or not clearly, of this kind. `given` are the columns of labels that a person named.

    Raises DataError where a column may tell which labels apply, or be the only label.
    """
    images = _images(table, image)
    if len(images) < 1.5 * len({*images}) or len(given) > 1:
        return None
    speaking = [*given] or _speaking(table, columns)
    labels = [name for name in speaking or columns if _names_labels(table, name, images, bool(speaking))]
    labels = [name for name in labels if key(name) in _LIKELY] or labels
    flags = [name for name in columns if name not in (*given, *labels) and _tells(table, name)]
    telling = [name for name in flags if applies_to_label(name) or key(name) in {*LABELS, *_TELLING}]
    flags = telling or flags
    if len(labels) != 1 or len(flags) != 1:
        return None
    found = LongTable(labels[0], flags[0])
    pairs = len({*images}) * len(table.texts(found.labels))
    if not telling and (len(images) < _GRID * pairs or _both(table, found.told_by, images) is None):
        return None  # what is equal in all rows of an image is about the image
    if not telling and not speaking:
        raise table.error(
            f"either the labels are in {found.labels!r}, and {found.told_by!r} tells which of them apply, or "
            f"{found.told_by!r} is the only label; give --label-column {found.labels!r} or {found.told_by!r}"
        )
    return found


def _images(table: Table, image: str) -> list[str]:
    """The image of every row."""
    return [written_image(value) or "" for value in table.values(image)]


def _all_flags(table: Table, name: str) -> bool:
    return all(is_mark(value, words=True) for value in table.values(name))


def _speaking(table: Table, columns: Sequence[str]) -> list[str]:
    """The columns whose names speak of labels, but not those of 0 and 1."""
    exact = known([*columns], LABELS)
    found = [name for name in exact if not _all_flags(table, name)]
    return found or [name for name in columns if sounds_like_labels(name) and not _all_flags(table, name)]


def _names_labels(table: Table, name: str, images: Sequence[str], speaking: bool) -> bool:
    """Whether a column has a label for each row: no image has one twice, and most stand with several images."""
    values = table.written(name)
    if not all(values) or any(isinstance(value, (list, dict)) for value in table.values(name)):
        return False
    if not 2 <= len({*values}) <= len(values) / 2 or len({*zip(images, values, strict=True)}) < len(values):
        return False
    if speaking:
        return True
    texts = not any(number(value) is not None for value in {*values}) and not _all_flags(table, name)
    return texts and not words_of(name) & _NO_LABELS and not is_about_person(name)


def _tells(table: Table, name: str) -> bool:
    """Whether a column says of some rows that their label applies, and of all others that it doesn't."""
    if words_of(name) & _OF_BOXES or None in verdicts_of(name, table.records[:100]):
        return False
    return {*verdicts_of(name, table.records)} == {True, False}


def tell_if_all_have_all(table: Table, image: str, labels: Labels, others: Sequence[str]) -> None:
    """About the column that likely tells which labels apply, where every image has a row for each of them. Where a
    few rows are missing, a warning."""
    of_image: dict[str, set[str]] = {}
    images = _images(table, image)
    for name, found in zip(images, labels, strict=True):
        of_image.setdefault(name, set()).update(found)
    count, full = share_of_all([*of_image.values()])
    if count < 2 or len(of_image) < 3 or full < NEARLY_ALL:
        return
    varying = {name: (len(table.texts(name)), where) for name in others if (where := _both(table, name, images))}
    if not varying:
        return  # what is wrong is told of any source
    name = min(varying, key=lambda name: varying[name][0])
    first, second = varying[name][1]
    who = "every" if full == 1 else "nearly every"
    table.findings.add(
        "error" if full == 1 else "warning",
        f"{who} image of {table.path.name} has all {count} labels; if {name!r} tells which ones apply "
        f"({first.values.get(name)!r} in {first.where}, {second.values.get(name)!r} in {second.where}), remove the "
        "rows of the others, or write 1 and 0 there and call the column present",
    )


def _both(table: Table, name: str, images: Sequence[str]) -> tuple[Record, Record] | None:
    """Two rows of one image with different values of a column that is no number of the row."""
    if len(table.texts(name)) > len(images) / 2 or words_of(name) & (_NO_LABELS | _OF_BOXES):
        return None
    first: dict[str, Record] = {}
    for image_name, record in zip(images, table.records, strict=True):
        other = first.setdefault(image_name, record)
        if str(other.values.get(name)) != str(record.values.get(name)):  # NaN is not equal to itself
            return other, record
    return None
