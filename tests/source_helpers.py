"""Files of tables and images that are read as a source, and what was read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnrnn.data import Options
from cnnrnn.data.source import Source, read_source


def read_table(folder: Path, images: Iterable[str], text: str, name: str = "t.csv", **options: Any) -> Source:
    """A table, or a JSON file, beside its images."""
    for image in images:
        (folder / image).write_bytes(b"")
    (folder / name).write_text(text)
    return read_source(folder / name, Options(**options))


def read_columns(folder: Path, columns: Mapping[str, str | Sequence[object]], **options: Any) -> Source:
    """A table with the images 1.jpg, 2.jpg and so on, and these columns; values as a text have blanks between them."""
    values = [found.split(" ") if isinstance(found, str) else found for found in columns.values()]
    rows = [(f"{number}.jpg", *map(str, row)) for number, row in enumerate(zip(*values, strict=True), start=1)]
    text = "\n".join(map(",".join, [("image", *columns), *rows]))
    return read_table(folder, [row[0] for row in rows], f"{text}\n", **options)


def read_objects(folder: Path, *labels: Any, **options: Any) -> Source:
    """A JSON list with an image for each of these labels."""
    rows = [{"image": f"{number}.jpg", "labels": found} for number, found in enumerate(labels, start=1)]
    return read_table(folder, [row["image"] for row in rows], json.dumps(rows), "t.json", **options)


def folder_with(folder: Path, files: dict[str, Any], images: Iterable[str]) -> Path:
    """Empty images, and files of text, or of JSON for everything else."""
    for name in images:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def labels_by_image(source: Source) -> dict[str, set[str]]:
    return {sample.image.name: set(sample.labels) for split in source.samples.values() for sample in split}


def labels_in_order(source: Source) -> list[set[str]]:
    """By the images' names."""
    return [labels for _, labels in sorted(labels_by_image(source).items())]


def splits_in_order(source: Source) -> list[str]:
    """By the images' names. What is held out for want of a split is train."""
    held_out = "no image is in a split for validation" in messages(source)
    of_image = {sample.image.name: name for name, split in source.samples.items() for sample in split}
    return ["train" if held_out and of_image[name] == "val" else of_image[name] for name in sorted(of_image)]


def messages(source: Source) -> str:
    return "\n".join(map(str, source.findings))
