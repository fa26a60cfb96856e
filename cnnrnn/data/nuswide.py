"""NUS-WIDE (Chua et al., 2009) with its 81 concepts or its 1,000 tags, from the official files.

``root`` holds ``ImageList``, ``ConceptsList``, ``Groundtruth/TrainTestLabels``, ``NUS_WID_Tags`` and the images
under ``Flickr``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cnnrnn.data.split import DataError, Sample, Split

SPLITS = {"train": "Train", "test": "Test"}
CHUNK_BYTES = 4 * 1024 * 1024  # bytes of a tag file that are in memory at once


def load_concepts(root: Path, split: str, download: bool = False) -> Split:
    """The 81 concepts: one file of 0 and 1 per concept, one line per image of the list."""
    part = _part(split, download)
    concepts = tuple(_lines(root / "ConceptsList" / "Concepts81.txt"))
    images = _lines(root / "ImageList" / f"{part}Imagelist.txt")
    truth = np.zeros((len(images), len(concepts)), dtype=bool)  # (image, label)
    for column, concept in enumerate(concepts):
        path = root / "Groundtruth" / "TrainTestLabels" / f"Labels_{concept}_{part}.txt"
        values = _parse_binary(path, _bytes(path))
        if len(values) != len(images):
            raise DataError(f"{path} has {len(values)} lines, but the image list has {len(images)}")
        truth[:, column] = values
    return _split(root, f"nuswide81 {split}", concepts, images, np.split(truth, range(4096, len(images), 4096)))


def load_tags(root: Path, split: str, download: bool = False) -> Split:
    """The 1,000 tags: one row of 0 and 1 per image of the list."""
    part = _part(split, download)
    tags = tuple(_lines(root / "NUS_WID_Tags" / "TagList1k.txt"))
    images = _lines(root / "ImageList" / f"{part}Imagelist.txt")
    rows = _tag_rows(root / "NUS_WID_Tags" / f"{part}_Tags1k.dat", len(tags), len(images))
    return _split(root, f"nuswide1000 {split}", tags, images, rows)


def _split(
    root: Path, name: str, labels: tuple[str, ...], images: list[str], blocks: Iterator[np.ndarray] | list[np.ndarray]
) -> Split:
    """Images without a label are left out, as in the paper; missing files are counted, not fatal."""
    folder = root / "Flickr"
    present = _list_images(folder)
    samples, unlabelled, missing, first = [], 0, 0, 0
    for block in blocks:
        rows, columns = np.nonzero(block)
        bounds = np.searchsorted(rows, np.arange(len(block) + 1)).tolist()
        for row, image in enumerate(images[first : first + len(block)]):
            image = image.replace("\\", "/")  # the lists were written on Windows
            chosen = columns[bounds[row] : bounds[row + 1]].tolist()
            if not chosen:
                unlabelled += 1
            elif image not in present:
                missing += 1
            else:
                samples.append(Sample(folder / image, tuple(labels[column] for column in chosen)))
        first += len(block)
    warnings = [f"{unlabelled} of {first} images have no label and are left out"] if unlabelled else []
    warnings += [f"{missing} of {first} images are not under {folder} and are left out"] if missing else []
    return Split(name, labels, tuple(samples), tuple(warnings))


def _list_images(folder: Path) -> set[str]:
    """All images as folder/name: listing each folder is far faster than checking every file."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not there; the images of NUS-WIDE are expected under it")
    present: set[str] = set()
    for entry in os.scandir(folder):
        if entry.is_dir():
            present.update(f"{entry.name}/{image.name}" for image in os.scandir(entry.path))
    return present


def _tag_rows(path: Path, columns: int, rows: int) -> Iterator[np.ndarray]:
    """Blocks (image, tag) of a file with `columns` zeros and ones per line, without holding all of it."""
    rest = np.empty(0, dtype=bool)
    seen = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                values = np.concatenate([rest, _parse_binary(path, chunk)])
                whole = len(values) // columns * columns
                rest = values[whole:]
                seen += whole // columns
                yield values[:whole].reshape(-1, columns)
    except FileNotFoundError:
        raise DataError(f"{path} is not there; unpack NUS-WIDE's tags again") from None
    if seen != rows or len(rest):
        raise DataError(f"{path} has {seen} rows of {columns} tags, but the image list has {rows}")


def _parse_binary(path: Path, text: bytes) -> np.ndarray:
    """The zeros and ones of a file, whatever separates them."""
    letters = np.frombuffer(text, dtype=np.uint8)
    digits = letters > ord(" ")
    values = letters[digits]
    if not (values | 1 == ord("1")).all():  # the codes of 0 and 1 differ in their last bit
        raise DataError(f"{path} holds something else than 0 and 1")
    return values == ord("1")


def _part(split: str, download: bool) -> str:
    if download:
        raise DataError("NUS-WIDE has no official archive of its images; ask its authors, then leave out --download")
    if split not in SPLITS:
        raise DataError(
            f"NUS-WIDE has no split '{split}'; choose one of {', '.join(SPLITS)}, "
            "and hold out a part of train with --val-fraction"
        )
    return SPLITS[split]


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in _bytes(path).decode("utf-8", "replace").splitlines() if line.strip()]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is not there; give --root the folder that holds ImageList/") from None
