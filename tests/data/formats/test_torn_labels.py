"""Labels of two words that blanks tore apart."""

from __future__ import annotations

from pathlib import Path

from source_helpers import labels_in_order, messages, read_table

from cnnrnn.data.source import Source


def read(folder: Path, *cells: str) -> Source:
    images = [f"{number}.jpg" for number in range(len(cells))]
    rows = "".join(f"{image},{cell}\n" for image, cell in zip(images, cells, strict=True))
    return read_table(folder, images, f"image,labels\n{rows}")


def test_two_labels_that_never_stand_apart_are_pointed_out(tmp_path: Path) -> None:
    cells = ["old car dog", "dog cat", "cat old car", "cat", "dog", "old car"]
    source = read(tmp_path, *cells)
    assert labels_in_order(source)[0] == {"old", "car", "dog"}
    assert (
        "'old' and 'car' of t.csv always stand together; if 'old car' is one label, write ; between the labels of all "
        "cells"
    ) in messages(source)
    written = [";".join(cell.replace("old car", "old_car").split()).replace("_", " ") for cell in cells]
    assert read(tmp_path, *written).labels == ("cat", "dog", "old car")


def test_labels_that_stand_apart_or_in_any_order_are_not(tmp_path: Path) -> None:
    cells = ["old car dog", "dog cat", "cat old car", "cat", "dog"]
    assert "always stand together" not in messages(read(tmp_path, *cells))
    assert "always stand together" not in messages(read(tmp_path, *cells, "car old"))
    assert "always stand together" not in messages(read(tmp_path, *cells, "old car", "car"))
