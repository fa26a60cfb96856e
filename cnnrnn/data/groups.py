"""The groups of labels, such as COCO's super-categories, from a CSV file with the columns ``label`` and ``group``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from cnnrnn.data.split import DataError
from cnnrnn.utils.errors import summarize_error


def read_groups(path: Path, labels: Sequence[str]) -> dict[str, str]:
    """The group of every one of `labels`; the file may name more. Raises DataError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"label", "group"} <= set(reader.fieldnames or ()):
                raise DataError(f"{path}: the first line must name the columns label and group")
            groups = _read_rows(path, reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the groups {path} can't be read: {summarize_error(error)}") from None
    if lacking := [label for label in labels if label not in groups]:
        raise DataError(f"{path} has no group for {len(lacking)} labels; add {', '.join(lacking[:5])}")
    return {label: groups[label] for label in labels}


def _read_rows(path: Path, reader: csv.DictReader) -> dict[str, str]:
    groups: dict[str, str] = {}
    for row in reader:
        label, group = (row["label"] or "").strip(), (row["group"] or "").strip()
        if not label or not group:
            raise DataError(f"{path}, line {reader.line_num}: expected a label and its group")
        if groups.setdefault(label, group) != group:
            raise DataError(f"{path}, line {reader.line_num}: {label} has two groups, {groups[label]} and {group}")
    return groups
