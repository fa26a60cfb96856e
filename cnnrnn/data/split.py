"""What every format of data set is read into: a split and its samples."""

from __future__ import annotations

import itertools
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cnnrnn.utils.errors import UserError
from cnnrnn.utils.style import first_few, on_one_line


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


def box_around(xs: Sequence[float], ys: Sequence[float]) -> Box:
    """The box around points in pixels."""
    return min(xs), min(ys), max(xs), max(ys)


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

    def __repr__(self) -> str:
        images, labels = len(self.samples), len(self.labels)
        return f"<Split {on_one_line(self.name)}: {images} images, {labels} labels ({first_few(self.labels)})>"

    def hold_out(self, fraction: float) -> tuple[Split, Split]:
        """Split off a fraction of the images, always the same; see the function `hold_out`."""
        remaining, held_out = hold_out(self.samples, fraction)
        percent = f"{100 * fraction:g} %"
        return replace(self, name=f"{self.name} without {percent}", samples=tuple(remaining)), replace(
            self, name=f"{percent} of {self.name}", samples=tuple(held_out), warnings=()
        )

    def restrict(self, labels: Sequence[str]) -> Split:
        """The same images with only those labels that are among `labels`, those of a model.

        The model's labels that the split lacks are ignored in every image: nobody has looked for them.
        """
        known, own = set(labels), set(self.labels)
        absent = tuple(label for label in labels if label not in own)
        samples = tuple(
            replace(
                sample,
                labels=tuple(label for label in sample.labels if label in known),
                ignored=(*(label for label in sample.ignored if label in known), *absent),
            )
            for sample in self.samples
        )
        return replace(self, labels=tuple(label for label in self.labels if label in known), samples=samples)

    def truth(self, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Targets of `labels` and the pairs to ignore: two bool arrays (image, label).

        Raises DataError if the split has a label that is not among them.
        """
        if unknown := set(self.labels) - set(labels):
            raise DataError(
                f"the model doesn't know {len(unknown)} of the {len(self.labels)} labels of {self.name}: "
                f"{first_few(sorted(unknown), 8)}"
            )
        rank = {label: index for index, label in enumerate(labels)}
        truth = np.zeros((len(self.samples), len(labels)), dtype=bool)
        ignored = np.zeros_like(truth)
        for row, sample in enumerate(self.samples):
            for array, names in ((truth, sample.labels), (ignored, sample.ignored)):
                array[row, [rank[name] for name in names]] = True
        return truth, ignored


def hold_out(samples: Sequence[Sample], fraction: float) -> tuple[list[Sample], list[Sample]]:
    """The remaining samples and those held out: the same share of every label, and never all images of one.

    Iterative stratification (Sechidis et al., 2011): the rarest label first. A hash of the file name orders the
    images, so the choice is always the same. Raises DataError if one side would be empty.
    """
    order = sorted(range(len(samples)), key=lambda index: zlib.crc32(os.fsencode(samples[index].image.name)))
    having: dict[str | None, list[int]] = defaultdict(list)  # None: images without a label
    for index in order:
        for label in samples[index].labels or (None,):
            having[label].append(index)
    remaining = {label: len(indices) for label, indices in having.items()}
    held: set[int] = set()
    for label in sorted(having, key=lambda label: (len(having[label]), label or "")):
        wanted = round(fraction * len(having[label]))
        for index in having[label]:
            if len(having[label]) - remaining[label] >= wanted:
                break
            if index in held or any(remaining[name] < 2 for name in samples[index].labels):
                continue
            held.add(index)
            for name in samples[index].labels or (None,):
                remaining[name] -= 1
    if not held and round(fraction * len(samples)):  # too few of every label: one image that is not a label's last
        spare = (index for index in order if all(remaining[name] > 1 for name in samples[index].labels or (None,)))
        held.update(itertools.islice(spare, 1))
    if not held or len(held) == len(samples):
        raise DataError(f"holding out {fraction:g} of {len(samples)} images leaves nothing on one side")
    return [s for i, s in enumerate(samples) if i not in held], [s for i, s in enumerate(samples) if i in held]


@dataclass(frozen=True)
class Options:
    """Options that only some formats use."""

    download: bool = False  # fetch what is missing, where there is an official address
    encoding: str | None = None  # of texts that aren't Unicode, such as cp1250; None: cp1252 where no other one fits
    separator: str | None = None  # between the labels of a table's cell; None: found
    groups: Path | None = None  # a CSV with the columns label and group
    boxes: Path | None = None  # bounding boxes of a table's images, in COCO's JSON
    images: Path | None = None  # folder of a table's images; None: the table's own
    image_column: str | None = None  # names of a table's columns; None: found
    label_column: str | None = None
    split_column: str | None = None
    label_names: Path | None = None  # a file for `read_label_names`, where labels are numbers
    val_fraction: float = 0.2  # held out where a source has no split for validation
