"""What pandas' DataFrame.to_json writes, also with the images as its index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from source_helpers import labels_by_image as labels_of

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

IMAGES = ["1.jpg", "2.jpg", "3.jpg"]
LABELS: dict[str, list[str]] = {"1.jpg": ["cat", "dog"], "2.jpg": ["dog"], "3.jpg": ["cat"]}
SPLITS = ["train", "train", "val"]
ORIENTS = ["columns", "index", "split", "table"]


def write(folder: Path, content: Any) -> Path:
    for name in IMAGES:
        (folder / name).write_bytes(b"")
    file = folder / "a.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def read(folder: Path, content: Any) -> Source:
    return read_source(write(folder, content), Options())


EXPECTED = {name: set(labels) for name, labels in LABELS.items()}


@pytest.mark.parametrize("orient", ORIENTS)
@pytest.mark.parametrize("named", ["", "image"])
def test_the_images_are_the_index(tmp_path: Path, orient: Any, named: str) -> None:
    frame = pandas.DataFrame(
        {"labels": LABELS.values(), "split": SPLITS}, index=pandas.Index(IMAGES, name=named or None)
    )
    source = read(tmp_path, frame.to_json(orient=orient))
    assert labels_of(source) == EXPECTED
    assert [sample.image.name for sample in source.samples["val"]] == ["3.jpg"]


@pytest.mark.parametrize("orient", ORIENTS)
def test_a_column_for_each_label(tmp_path: Path, orient: Any) -> None:
    frame = pandas.DataFrame({"cat": [1, 0, 1], "dog": [1, 1, 0]}, index=IMAGES)
    assert labels_of(read(tmp_path, frame.to_json(orient=orient))) == EXPECTED


def test_the_index_has_no_suffixes(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"labels": [["cat"], ["dog"]], "split": ["train", "val"]}, index=["a1", "a2"])
    for name in ("a1.jpg", "a2.jpg"):
        (tmp_path / name).write_bytes(b"")
    for orient in ("columns", "split"):
        assert labels_of(read(tmp_path, frame.to_json(orient=orient))) == {"a1.jpg": {"cat"}, "a2.jpg": {"dog"}}  # type: ignore[call-overload]


def test_one_column_of_labels(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, {"labels": LABELS})) == EXPECTED


def test_numbers_of_rows_are_no_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no list of objects with image and labels"):
        read(tmp_path, pandas.DataFrame({"labels": LABELS.values(), "split": SPLITS}).to_json())


def test_numbers_of_classes_are_no_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no list of objects with image and labels"):
        read(tmp_path, {"classes": {"cat": 0, "dog": 1}, "colors": {"cat": "#f00", "dog": "#0f0"}})
