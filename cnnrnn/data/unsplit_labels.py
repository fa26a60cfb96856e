"""Labels that look like several: cat/dog where dog is a label as well, or "boat car person" among semicolons."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cnnrnn.data.formats.separator import INSIDE_LABELS
from cnnrnn.data.reading import Findings

_SIGNS = ";|,/+&"  # hardly a part of a label if one side of them is a label as well
_FEW = 3  # images of a label that is a mistake


def point_out_unsplit(
    images: Mapping[str, int], form: Callable[[str], str], separator: str | None, findings: Findings
) -> None:
    """`images` counts those of each label, and `form` is what labels are compared by.

    `separator` tells in words by what the labels of a table are separated: --separator would undo it.
    """
    known = {form(label) for label in images}
    for label, count in images.items():
        if sign := next((sign for sign in _SIGNS if _labels_among(known, form, label, sign) > 0), None):
            what = f"give --separator {sign!r}" if separator is None else f"write {separator} in place of {sign}"
            findings.warning(f"the label {label!r} looks like several; {what} if it is")
        elif separator is not None and count <= _FEW and _is_list_of_labels(known, form, label):
            findings.warning(
                f"the label {label!r} of {count} images looks like several, as most of its parts are labels; write "
                f"{separator} between them if it is"
            )


def _is_list_of_labels(known: set[str], form: Callable[[str], str], label: str) -> bool:
    return any(_labels_among(known, form, label, sign) > 0.5 for sign in (" ", *INSIDE_LABELS))


def _labels_among(known: set[str], form: Callable[[str], str], label: str, sign: str) -> float:
    """The share of the parts between a sign that are labels themselves."""
    parts = label.split(sign)
    return sum(form(part) in known for part in parts) / len(parts) if len(parts) > 1 else 0
