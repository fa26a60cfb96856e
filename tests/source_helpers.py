"""Files of tables and images that are read as a source, and what was read."""

from __future__ import annotations

import json
from collections.abc import Iterable
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


def messages(source: Source) -> str:
    return "\n".join(map(str, source.findings))
