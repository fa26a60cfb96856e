"""Lists with bullets in the cells of labels, and labels in brackets."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_in_order, read_table


def labels_of(folder: Path, *cells: str) -> list[set[str]]:
    images = [f"{number}.jpg" for number in range(len(cells))]
    rows = "".join(f'{image},"{cell}"\n' for image, cell in zip(images, cells, strict=True))
    return labels_in_order(read_table(folder, images, f"image,labels\n{rows}"))


@pytest.mark.parametrize("bullet", ["- ", "• ", "* ", " – ", "1. ", "2) ", "-", "•"])
def test_bullets_of_lines_are_no_part_of_labels(tmp_path: Path, bullet: str) -> None:
    cells = [f"{bullet}dog\n{bullet}cat", f"{bullet}hot dog"]
    assert labels_of(tmp_path, *cells) == [{"dog", "cat"}, {"hot dog"}]


def test_what_begins_single_labels_is_a_part_of_them(tmp_path: Path) -> None:
    assert labels_of(tmp_path, "- dog\n+ cat", "1. league") == [{"dog", "+ cat"}, {"1. league"}]
    assert labels_of(tmp_path, "• dog", "• cat") == [{"dog"}, {"cat"}]
    assert labels_of(tmp_path, "• dog; • cat", "• cat") == [{"dog", "cat"}, {"cat"}]
    assert labels_of(tmp_path, "• dog; cat", "cat") == [{"• dog", "cat"}, {"cat"}]


def test_labels_in_brackets(tmp_path: Path) -> None:
    cells = ["[car]; [bus]", "[car]", "(van); {bus}", "[empty]; car (red); a [b] c"]
    assert labels_of(tmp_path, *cells) == [{"car", "bus"}, {"car"}, {"van", "bus"}, {"[empty]", "car (red)", "a [b] c"}]
