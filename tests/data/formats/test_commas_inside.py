"""Commas inside of labels, which would cut them in two."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_by_image, messages, read_columns

from cnnrnn.data import DataError
from cnnrnn.data.source import Source

FISH = ["tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark, white shark, man-eater", "hen"]
CITIES = ["Paris, TX", "Paris, FR", "London, UK"]
AUTHORS = ["Quercus robur L., 1753", "Fagus sylvatica L., 1753"]
METRES = ["1,000 m", "500 m"]
NAMES = [f"name{n}, other{n}" for n in range(20)]


def read(folder: Path, cells: list[str], **options: str) -> Source:
    return read_columns(folder, {"labels": [f'"{cell}"' for cell in cells]}, **options)


@pytest.mark.parametrize("labels", [FISH, CITIES, AUTHORS, METRES, [*NAMES, "crane, machine", "crane, bird", "name0"]])
def test_labels_with_commas_are_asked_about(tmp_path: Path, labels: list[str]) -> None:
    with pytest.raises(DataError, match=r"is '.*,.*' one label or several.*--separator ',' .*--separator ';'"):
        read(tmp_path, labels * 4)
    assert set(read(tmp_path, labels * 4, separator=";").labels) == {*labels}
    parts = {part.strip() for label in labels for part in label.split(",")}
    assert set(read(tmp_path, labels * 4, separator=",").labels) == parts


def test_several_labels_with_commas_in_a_cell_are_asked_about(tmp_path: Path) -> None:
    cells = ["Paris, TX", "Paris, TX, London, UK", "London, UK, Paris, FR", "Paris, FR"] * 3
    message = "is 'Paris, TX, London, UK' one label or several.* or write ; between the labels of all cells"
    with pytest.raises(DataError, match=message):
        read(tmp_path, cells)
    written = [cell.replace("X, L", "X; L").replace("K, P", "K; P") for cell in cells]
    assert set(read(tmp_path, written).labels) == {*CITIES}


@pytest.mark.parametrize(
    "cells",
    [
        [cell.replace(", ", ",") for cell in CITIES] * 4,  # written as lists are
        CITIES * 2,  # too few to say
        [*CITIES, "Paris"] * 4,
        [*CITIES, "FR, Paris"] * 4,
        ["cat, dog", "dog, car", "car, cat"] * 4,
        ["cat, dog", "bird"] * 4,  # of one list nothing can be told
    ],
)
def test_lists_with_commas_are_not(tmp_path: Path, cells: list[str]) -> None:
    found = labels_by_image(read(tmp_path, cells))
    assert [found[f"{n}.jpg"] for n in range(1, len(cells) + 1)] == [
        {*cell.replace(", ", ",").split(",")} for cell in cells
    ]


def test_an_option_of_a_form_that_has_a_comma_is_pointed_out(tmp_path: Path) -> None:
    cells = ["Yes, clearly visible", "Dark", "Yes, clearly visible, Dark", "Blurry, Dark", "Yes, clearly visible"]
    told = messages(read(tmp_path, cells))
    assert "'Yes' and 'clearly visible' of t.csv always stand together; if 'Yes, clearly visible' is one label" in told
    assert "always stand together" not in messages(read(tmp_path, [cell.replace(", ", ",") for cell in cells]))
