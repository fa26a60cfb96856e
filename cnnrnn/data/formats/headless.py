"""Tables without a header that have several labels behind each image: `a.jpg,cat,dog`, `b.jpg,dog`.

Google's Vertex AI imports such files, with a split before each image, and with the corners of a box behind its label:
https://cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data
"""

from __future__ import annotations

from collections.abc import Sequence

from cnnrnn.data.formats.column_names import key, looks_like_image
from cnnrnn.data.formats.numbers import number
from cnnrnn.data.formats.split_values import UNASSIGNED
from cnnrnn.data.formats.splits import split_name

_Rows = list[tuple[int, list[str]]]  # the line of each, and its cells
_CORNERS = 8  # numbers of a box in Vertex AI's files, of which some are empty


def labels_behind_images(rows: Sequence[tuple[int, list[str]]]) -> tuple[list[str], _Rows] | None:
    """Names for the columns, and the rows with as many cells. None for what is laid out in another way."""
    of_vertex = any(cell.startswith("gs://") for cell in rows[0][1])
    before = 1 if all(len(cells) > 1 and _is_split(cells[0]) and looks_like_image(cells[1]) for _, cells in rows) else 0
    if not all(looks_like_image(cells[before]) for _, cells in rows):
        return None
    labels = [cells[before + 1 :] for _, cells in rows]
    if all(_is_box(cells[1:]) for cells in labels):
        labels = [cells[:1] for cells in labels]
    labels = [_without_empty(cells) for cells in labels]
    most = max(map(len, labels))
    if most == 0 or any(number(cell) is not None or looks_like_image(cell) for cells in labels for cell in cells):
        return None
    if not of_vertex and not 0.1 <= sum(len(own) > 1 for own in labels) / len(labels) < 1:
        return None  # one row may have a comma too many, and a second cell of all rows may be anything
    names = [*["split"][:before], "image", *(f"label_{n}" for n in range(1, most + 1))]
    padded = [[*own, *[""] * (most - len(own))] for own in labels]
    return names, [(line, [*cells[: before + 1], *own]) for (line, cells), own in zip(rows, padded, strict=True)]


def _without_empty(cells: Sequence[str]) -> list[str]:
    """Without empty cells at the end, which spreadsheets write for all rows to be as long."""
    return list(cells[: max((n for n, cell in enumerate(cells, start=1) if cell), default=0)])


def _is_split(cell: str) -> bool:
    return not cell or split_name(cell) is not None or key(cell) == UNASSIGNED


def _is_box(cells: Sequence[str]) -> bool:
    return len(cells) == _CORNERS and all(not cell or number(cell) is not None for cell in cells)
