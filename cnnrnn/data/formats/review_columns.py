"""Columns of 0 and 1 that are likely no labels: they tell of an image's review, or of a person and a group."""

from __future__ import annotations

import re

from cnnrnn.data.formats.column_names import words_of

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


def is_about_review(name: str) -> bool:
    """Whether a column is one such as verified, is_deleted or "human reviewed", but not "tree removed"."""
    words = {re.sub(r"^is(?=.{4})", "", word) for word in words_of(name)}
    return bool(words & _REVIEW) and not words - _REVIEW - _BEFORE


def is_about_person(name: str) -> bool:
    """Whether a column such as sex or patient_group is about whom an image shows, or where it belongs."""
    return bool(words_of(name) & _PERSON)
