"""Numbers in the cells of labels, which are none or belong to their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_in_order, read_table

from cnnrnn.data import DataError
from cnnrnn.data.source import Source


def read(folder: Path, *cells: str, **options: Any) -> Source:
    images = [f"{number}.jpg" for number in range(len(cells))]
    rows = "".join(f'{image},"{cell}"\n' for image, cell in zip(images, cells, strict=True))
    return read_table(folder, images, f"image,labels\n{rows}", **options)


@pytest.mark.parametrize("cells", [("0011", "1100", "0101"), ("011", "100"), ("00000001", "00000010", "")])
def test_strings_of_zeros_and_ones_are_refused(tmp_path: Path, cells: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=rf"line 2: '{cells[0]}' seems to be 0 or 1 for each label, as in all rows; wr"):
        read(tmp_path, *cells)
    assert read(tmp_path, *(f"['{cell}']" for cell in cells if cell)).labels == tuple(sorted({*cells} - {""}))
    assert read(tmp_path, *cells, separator=";").labels == tuple(sorted({*cells} - {""}))


@pytest.mark.parametrize("cells", [("10", "11"), ("100", "1000"), ("101", "102"), ("101", "101")])
def test_other_numbers_are_labels(tmp_path: Path, cells: tuple[str, ...]) -> None:
    assert labels_in_order(read(tmp_path, *cells)) == [{cell} for cell in cells]


@pytest.mark.parametrize(
    "cells", [("16:9", "4:3", "16:10"), ("10:00", "10:30", "11:00", "11:30"), ("16:9;10:30", "4:3"), ("1:1", "4:3")]
)
def test_ratios_and_times_are_labels(tmp_path: Path, cells: tuple[str, ...]) -> None:
    assert labels_in_order(read(tmp_path, *cells)) == [{*cell.split(";")} for cell in cells]


@pytest.mark.parametrize("cells", [("3:0.93", "4:0.12"), ("dog=0", "cat=1")])
def test_scores_are_refused(tmp_path: Path, cells: tuple[str, ...]) -> None:
    """A separator would not help."""
    with pytest.raises(DataError, match=r"has a number behind it, as predictions do; write the names of labels only$"):
        read(tmp_path, *cells)


@pytest.mark.parametrize(
    "cells",
    [
        ("cat:3", "dog:12"), ("x1=2", "x2=3"), ("1x cat", "1x cat, 2x dog"), ("3 × cat", "1 × dog"),
        ("cat (1)", "cat (1), dog (2)"), ("cat x2", "dog x1"), ("2x dog", "dog", "dog, cat"), ("dog (2)", "cat, dog"),
    ],
)  # fmt: skip
def test_counts_are_refused(tmp_path: Path, cells: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=rf"line 2: '{re.escape(cells[0])}' has a number, as counts and .* --separator"):
        read(tmp_path, *cells)
    parts = {part.strip() for cell in cells for part in cell.split(",")}
    assert {*read(tmp_path, *cells, separator=",").labels} == parts


@pytest.mark.parametrize(
    "cells",
    [
        ("Boeing 747", "Cessna"),
        ("route (66)", "highway"),
        ("2x4", "plank"),
        ("Golf (2012)", "Golf (2019)"),
        ("mp3", "mp"),
    ],
)
def test_numbers_in_names_are_none(tmp_path: Path, cells: tuple[str, ...]) -> None:
    assert labels_in_order(read(tmp_path, *cells)) == [{cell} for cell in cells]
