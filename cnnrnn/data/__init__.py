"""Data sets in their official layouts, one file per format, all read into the same two dataclasses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnrnn.errors import UserError


class DataError(UserError):
    """A data set that can't be read; the message says what was looked for, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and what is known of it. The file is not opened before somebody asks for its pixels."""

    image: Path
    labels: frozenset[str]
    ignored: frozenset[str] = frozenset()  # neither right nor wrong here, such as VOC's difficult objects


@dataclass(frozen=True)
class Split:
    """One split of a data set."""

    name: str  # for people, such as "voc0712 train"
    labels: tuple[str, ...]  # all the data set's labels, also those that this split lacks
    samples: tuple[Sample, ...]

    def truth(self, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Which picture has which of `labels`, and which pairs are ignored: two bool (image, label).

        Raises DataError if the split has a label that is not among them.
        """
        if unknown := set(self.labels) - set(labels):
            raise DataError(f"the model doesn't know these labels of {self.name}: {', '.join(sorted(unknown))}")
        rank = {label: index for index, label in enumerate(labels)}
        truth = np.zeros((len(self.samples), len(labels)), dtype=bool)
        ignored = np.zeros_like(truth)
        for row, sample in enumerate(self.samples):
            for array, names in ((truth, sample.labels), (ignored, sample.ignored)):
                array[row, [rank[name] for name in names]] = True
        return truth, ignored


def _voc(*years: str) -> Callable[[Path, str, bool], Split]:
    def load(root: Path, split: str, download: bool) -> Split:
        from cnnrnn.data import voc

        return voc.load(root, years, split, download)

    return load


def _scenes(root: Path, split: str, download: bool) -> Split:
    from cnnrnn.data import scenes

    return scenes.load(root, split)


DATASETS: dict[str, Callable[[Path, str, bool], Split]] = {
    "voc2007": _voc("2007"),
    "voc2012": _voc("2012"),
    "voc0712": _voc("2007", "2012"),
    "scenes": _scenes,
}


def load_split(dataset: str, root: Path, split: str, download: bool = False) -> Split:
    """Read one split of a data set by name. Raises DataError."""
    if dataset not in DATASETS:
        raise DataError(f"no data set '{dataset}'; choose one of {', '.join(DATASETS)}")
    loaded = DATASETS[dataset](root, split, download)
    if not loaded.samples:
        raise DataError(f"{loaded.name} under {root} holds no pictures")
    return loaded
