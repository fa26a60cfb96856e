"""A small data set as a table: some training images of VOC 2007 and 2012, with all of their val and test.

Usage: python examples/voc_subset.py DIR 300 voc300.csv

DIR holds VOCdevkit. The training images are the first by the SHA-256 of their names.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from pathlib import Path

from cnnrnn.data import Sample, load_split


def digest(sample: Sample) -> str:
    return hashlib.sha256(sample.image.name.encode()).hexdigest()


def main(root: str, count: str, table: str) -> None:
    with Path(table).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "labels", "split"])
        for name in ("train", "val", "test"):
            split = load_split("voc0712", Path(root), name)
            samples = sorted(split.samples, key=digest)[: int(count)] if name == "train" else split.samples
            for sample in samples:
                labels = [label for label in sample.labels if label not in sample.ignored]
                rows.writerow([sample.image.resolve(), ";".join(labels), name])


if __name__ == "__main__":
    main(*sys.argv[1:])
