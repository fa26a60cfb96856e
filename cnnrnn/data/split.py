"""What every format of data set is read into: a split and its samples."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cnnrnn.utils.errors import UserError


class DataError(UserError):
    """A data set that can't be read; the message names the missing or damaged file and the next step."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and its labels. The file is opened only when its pixels are needed."""

    image: Path
    labels: Collection[str]  # without repeats; a tuple takes a fifth of a frozenset's memory
    ignored: Collection[str] = ()  # neither right nor wrong here, such as VOC's difficult objects


Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels of the upright image
Boxes = dict[str, list[Box]]  # of every label


@dataclass(frozen=True)
class Split:
    """One split of a data set."""

    name: str  # for people, such as "voc0712 train"
    labels: tuple[str, ...]  # all the data set's labels, also those that this split lacks
    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()  # messages about samples that were left out or look wrong
    boxes: Callable[[Sample], Boxes] | None = (
        None  # bounding boxes of an image's objects, if annotated; raises DataError
    )
    groups: Mapping[str, str] | None = None  # the group of every label, if the data set has any

    def hold_out(self, fraction: float) -> tuple[Split, Split]:
        """Split off a fraction of the images. A hash of the file name chooses them, so they are always the same."""
        held = [zlib.crc32(sample.image.name.encode()) < fraction * 2**32 for sample in self.samples]
        remaining = tuple(sample for sample, out in zip(self.samples, held, strict=True) if not out)
        held_out = tuple(sample for sample, out in zip(self.samples, held, strict=True) if out)
        if not remaining or not held_out:
            raise DataError(f"holding out {fraction:g} of {len(self.samples)} images leaves nothing on one side")
        percent = f"{100 * fraction:g} %"
        return replace(self, name=f"{self.name} without {percent}", samples=remaining), replace(
            self, name=f"{percent} of {self.name}", samples=held_out, warnings=()
        )

    def truth(self, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Targets of `labels` and the pairs to ignore: two bool arrays (image, label).

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


@dataclass(frozen=True)
class Options:
    """Options that only some formats use."""

    download: bool = False  # fetch what is missing, where there is an official address
    separator: str = ";"  # between the labels of a CSV's cell
    groups: Path | None = None  # a CSV with the columns label and group
    boxes: Path | None = None  # bounding boxes of a table's images, in COCO's JSON
