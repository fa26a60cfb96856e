"""Tables with a row for each image and label: the column of labels, and the one that tells which of them apply."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cnnrnn.data.formats.column_names import LABELS, key, known, sounds_like_labels, words_of
from cnnrnn.data.formats.denying_columns import verdicts_of
from cnnrnn.data.formats.image_column import written_image
from cnnrnn.data.formats.label_flags import applies_to_label
from cnnrnn.data.formats.marks import is_flag, number
from cnnrnn.data.formats.review_columns import is_about_person
from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

# The shares of all pairs of an image and a label that have a row: hardly by chance, and where any name tells.
_NEARLY, _GRID = 0.9, 0.95
# What is told of a box, and not whether its label applies.
_OF_BOXES = {
    *("occluded", "occlusion", "truncated", "truncation", "crowd", "iscrowd", "difficult", "inside", "depiction"),
    *("pose", "blurred", "outside", "keyframe", "manual", "hard", "small"),
}
# Columns with a value for each row of an image that are none of labels.
_NO_LABELS = {
    *("person", "user", "author", "annotator", "reviewer", "worker", "rater", "reader", "doctor", "expert", "coder"),
    *("labeler", "labeller", "observer", "radiologist", "grader", "round", "fold", "source", "model", "tool", "eye"),
    *("side", "view", "frame", "date", "time", "version", "by", "dir", "folder", "directory", "path", "file"),
}
# Names of columns of labels, of two that could be.
_LIKELY = {
    *("finding", "findings", "variable", "attribute", "feature", "concept", "condition", "disease", "diagnosis"),
    *("name", "question", "object", "species", "symptom", "pathology", "term", "keyword", "entity", "item", "trait"),
}
_TELLING = {"flag", "y", "result", "outcome", "true", "istrue", "holds"}  # names besides those of label_flags


class LongTable(NamedTuple):
    labels: str  # the columns
    told_by: str


def long_table(
    path: Path, columns: Sequence[str], records: Sequence[Record], image: str, given: Sequence[str]
) -> LongTable | None:
    """None if a table is not, or not clearly, of this kind. `given` are the columns of labels that a person named.

    Raises DataError where a column may tell which labels apply, or be the only label.
    """
    images = _images(records, image)
    if len(records) < 1.5 * len({*images}) or len(given) > 1:
        return None
    speaking = [*given] or _speaking(columns, records)
    labels = [name for name in speaking or columns if _names_labels(name, records, images, bool(speaking))]
    labels = [name for name in labels if key(name) in _LIKELY] or labels
    flags = [name for name in columns if name not in (*given, *labels) and _tells(name, records)]
    telling = [name for name in flags if applies_to_label(name) or key(name) in {*LABELS, *_TELLING}]
    flags = telling or flags
    if len(labels) != 1 or len(flags) != 1:
        return None
    found = LongTable(labels[0], flags[0])
    pairs = len({*images}) * len({str(record.values.get(found.labels)) for record in records})
    if not telling and (len(records) < _GRID * pairs or _both(found.told_by, records, images) is None):
        return None  # what is equal in all rows of an image is about the image
    if not telling and not speaking:
        raise DataError(
            f"{path}: either the labels are in {found.labels!r}, and {found.told_by!r} tells which of them apply, or "
            f"{found.told_by!r} is the only label; give --label-column {found.labels!r} or {found.told_by!r}"
        )
    return found


def _images(records: Sequence[Record], image: str) -> list[str]:
    return [written_image(record.values.get(image)) or "" for record in records]


def _all_flags(name: str, records: Sequence[Record]) -> bool:
    return all(is_flag(record.values.get(name), words=True) for record in records)


def _speaking(columns: Sequence[str], records: Sequence[Record]) -> list[str]:
    """The columns whose names speak of labels, but not those of 0 and 1."""
    exact = known([*columns], LABELS)
    found = [name for name in exact if not _all_flags(name, records)]
    return found or [name for name in columns if sounds_like_labels(name) and not _all_flags(name, records)]


def _names_labels(name: str, records: Sequence[Record], images: Sequence[str], speaking: bool) -> bool:
    """Whether a column has a label for each row: no image has one twice, and most stand with several images."""
    values = ["" if (value := record.values.get(name)) is None else str(value).strip() for record in records]
    if not all(values) or any(isinstance(record.values.get(name), (list, dict)) for record in records):
        return False
    if not 2 <= len({*values}) <= len(values) / 2 or len({*zip(images, values, strict=True)}) < len(values):
        return False
    if speaking:
        return True
    texts = not any(number(value) is not None for value in {*values}) and not _all_flags(name, records)
    return texts and not words_of(name) & _NO_LABELS and not is_about_person(name)


def _tells(name: str, records: Sequence[Record]) -> bool:
    """Whether a column says of some rows that their label applies, and of all others that it doesn't."""
    if words_of(name) & _OF_BOXES or None in verdicts_of(name, records[:100]):
        return False
    return {*verdicts_of(name, records)} == {True, False}


def tell_if_all_have_all(
    path: Path,
    records: Sequence[Record],
    image: str,
    labels: Sequence[tuple[str, ...]],
    others: Sequence[str],
    findings: Findings,
) -> None:
    """About the column that likely tells which labels apply, where every image has a row for each of them. Where a
    few rows are missing, a warning."""
    of_image: dict[str, set[str]] = {}
    images = _images(records, image)
    for name, found in zip(images, labels, strict=True):
        of_image.setdefault(name, set()).update(found)
    count = len(set().union(*of_image.values()))
    full = sum(map(len, of_image.values())) / max(1, count * len(of_image))
    if count < 2 or len(of_image) < 3 or full < _NEARLY:
        return
    varying = {name: (len(_values(name, records)), where) for name in others if (where := _both(name, records, images))}
    if not varying:
        return  # what is wrong is told of any source
    name = min(varying, key=lambda name: varying[name][0])
    first, second = varying[name][1]
    who = "every" if full == 1 else "nearly every"
    findings.add(
        "error" if full == 1 else "warning",
        f"{who} image of {path.name} has all {count} labels; if {name!r} tells which ones apply "
        f"({first.values.get(name)!r} in {first.where}, {second.values.get(name)!r} in {second.where}), remove the "
        "rows of the others, or write 1 and 0 there and call the column present",
    )


def _values(name: str, records: Sequence[Record]) -> set[str]:
    return {str(record.values.get(name)) for record in records}


def _both(name: str, records: Sequence[Record], images: Sequence[str]) -> tuple[Record, Record] | None:
    """Two rows of one image with different values of a column that is no number of the row."""
    if len(_values(name, records)) > len(records) / 2 or words_of(name) & (_NO_LABELS | _OF_BOXES):
        return None
    first: dict[str, Record] = {}
    for image_name, record in zip(images, records, strict=True):
        other = first.setdefault(image_name, record)
        if str(other.values.get(name)) != str(record.values.get(name)):  # NaN is not equal to itself
            return other, record
    return None
