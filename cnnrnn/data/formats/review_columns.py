"""Names of columns that are likely no labels: they tell of an image's review, of a person or a group, measure
something, or number the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cnnrnn.data.formats.column_names import key, words_of
from cnnrnn.data.formats.numbers import number
from cnnrnn.data.formats.yes_no import are_marks

_REVIEW = {
    *("verified", "confirmed", "checked", "approved", "accepted", "rejected", "deleted", "removed", "discarded"),
    *("reviewed", "done", "annotated", "labeled", "labelled", "tagged", "complete", "completed", "finished", "todo"),
    *("validated", "flagged", "skipped", "skip", "ignored", "ignore", "archived", "exported", "uploaded", "processed"),
    *("duplicate", "duplicated", "exclude", "excluded", "include", "included", "usable", "trusted", "published"),
}
_BEFORE = {  # whose review it is
    *("is", "was", "has", "been", "human", "expert", "manual", "manually", "qa", "qc", "user", "admin", "image", "img"),
    *("annotation", "label", "labels", "record", "row", "needs", "to", "be", "not", "review", "already", "fully"),
}
_PERSON = {"sex", "gender", "patient", "subject", "group", "cohort", "session", "batch", "site", "age"}

_MEASURES = {
    *("id", "ids", "age", "year", "month", "day", "hour", "minute", "second", "width", "height", "size", "angle", "x"),
    *("y", "z", "xmin", "ymin", "xmax", "ymax", "rotation", "number", "nr", "rank", "group", "patient", "site", "view"),
    *("camera", "session", "batch", "level", "grade", "version", "weight", "count", "length", "depth", "area", "score"),
    *("rating", "temperature", "lat", "lon", "sex", "gender", "side", "eye", "total", "sum", "confidence", "conf"),
    *("prob", "probability", "amount", "quantity", "num", "persons", "people", "votes", "certainty"),
}
_ABOUT_ROWS = (
    r"unnamed\d*|indexlevel\d+|rownames?|(num|number|n|count)(of)?(label|tag|object|class)e?s?|"
    r"(label|tag|object|class)s?(count|confidence|conf|score|prob|probability)"
)


def is_about_review(name: str) -> bool:
    """Whether a column is one such as verified, is_deleted or "human reviewed", but not "tree removed"."""
    words = {re.sub(r"^is(?=.{4})", "", word) for word in words_of(name)}
    return bool(words & _REVIEW) and not words - _REVIEW - _BEFORE


def is_about_person(name: str) -> bool:
    """Whether a column such as sex or patient_group is about whom an image shows, or where it belongs."""
    return bool(words_of(name) & _PERSON)


def is_measure(name: str) -> bool:
    """Whether small numbers in a column such as score, total or box_width are no counts of a label."""
    return bool(words_of(name) & _MEASURES)


def is_fold(name: str) -> bool:
    """Whether a column may number the parts for cross-validation. A fold is also a defect."""
    return re.fullmatch("k?folds?", key(name)) is not None


def is_about_rows(name: str, values: Sequence[object]) -> bool:
    """Whether a column numbers the rows, or tells how many labels they have. The names index and level are also those
    of a finger and a storey, in columns of marks that don't count up."""
    if re.fullmatch(_ABOUT_ROWS, key(name)):
        return True
    if is_fold(name):
        return not are_marks(values)
    if not may_number_rows(name):
        return False
    counts_up = [number(value) for value in values] in ([*range(len(values))], [*range(1, len(values) + 1)])
    return counts_up or not are_marks(values)


def may_number_rows(name: str) -> bool:
    return re.fullmatch(r"index|level\d+", key(name)) is not None
