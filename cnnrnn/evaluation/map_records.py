"""A decoded image with its boxes, and the metrics of its steps' maps with their means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from cnnrnn.data import Box, Boxes
from cnnrnn.evaluation.map_metrics import TOLERANCE, box_mask, pointing_hit
from cnnrnn.evaluation.reports import PointingMetrics

DIFFICULT = 0.25  # a step is difficult if its label's boxes cover less than this fraction of the image

Record = dict[str, Any]  # the metrics of one map of one step


@dataclass(frozen=True)
class DecodedImage:
    """An image, its best path, and the boxes of its labels."""

    size: tuple[int, int]  # of the image: width, height
    image: Tensor  # preprocessed: (3, size, size)
    feature_map: Tensor  # (channel, height, width)
    tokens: tuple[int, ...]  # the best path
    names: tuple[str, ...]  # of its labels
    boxes: Boxes  # of all labels of the image
    ignored: frozenset[str] = frozenset()  # labels that are not evaluated for this image

    @property
    def true_positives(self) -> list[int]:
        """The steps that are true positives."""
        return [step for step, name in enumerate(self.names) if name in self.boxes]

    @property
    def false_positives(self) -> list[int]:
        """The steps that are false positives."""
        known = self.boxes.keys() | self.ignored
        return [step for step, name in enumerate(self.names) if name not in known]

    @property
    def is_exact(self) -> bool:
        """Whether the path has exactly the labels of the image: an exact match."""
        return not self.false_positives and self.boxes.keys() - self.ignored <= set(self.names)

    @property
    def centre(self) -> tuple[float, float]:
        """x, y of the middle of the image, in pixels."""
        return self.size[0] / 2, self.size[1] / 2

    @property
    def tolerance(self) -> float:
        """The distance from a box, in pixels, within which the pointing game still counts a hit."""
        return TOLERANCE * max(self.size)

    def own_boxes(self, step: int) -> list[Box]:
        """The boxes of the label that a true positive step emits."""
        return self.boxes[self.names[step]]

    @cached_property
    def masks(self) -> dict[int, np.ndarray]:
        """Step -> the pixels inside the boxes of its label, bool (height, width), for every true positive step."""
        return {step: box_mask(self.own_boxes(step), self.size) for step in self.true_positives}

    def is_difficult(self, step: int) -> bool:
        """Whether the boxes of the step's label are small, and the image has other labels."""
        return len(self.boxes) > 1 and self.masks[step].mean() < DIFFICULT

    def hits(self, point: tuple[float, float] | None, step: int) -> bool:
        """Whether a point (x, y) is a hit of the pointing game for the step's label."""
        return pointing_hit(point, self.own_boxes(step), self.tolerance)


class StepRecords:
    """The metrics of many steps, and their means.

    The mean of a metric is over the records that have it, and None if none has it.
    """

    def __init__(self, records: list[Record] | None = None) -> None:
        self.records = records or []

    def __len__(self) -> int:
        return len(self.records)

    def add(self, decoded: DecodedImage, step: int, **metrics: float | bool | None) -> None:
        """Record the metrics of a step, without those that are None: they are not defined for it."""
        known = {key: value for key, value in metrics.items() if value is not None}
        attributes = {
            "label": decoded.names[step],
            "difficult": step in decoded.true_positives and decoded.is_difficult(step),
        }
        self.records.append({**attributes, **known})

    def difficult(self) -> StepRecords:
        return StepRecords([record for record in self.records if record["difficult"]])

    def by_label(self, key: str) -> dict[str, float]:
        """Label -> the mean over its steps, in percent."""
        values_by_label: dict[str, list[float]] = {}
        for record in self.records:
            if key in record:
                values_by_label.setdefault(record["label"], []).append(record[key])
        return {label: 100 * float(np.mean(values)) for label, values in sorted(values_by_label.items())}

    def over_labels(self, key: str) -> float | None:
        """Mean over the labels of their means, in percent."""
        means = self.by_label(key)
        return float(np.mean(list(means.values()))) if means else None

    def mean(self, key: str) -> float | None:
        """Mean over the steps, in the metric's own unit."""
        values = [record[key] for record in self.records if key in record]
        return float(np.mean(values)) if values else None

    def percent(self, key: str) -> float | None:
        """Mean over the steps, in percent."""
        mean = self.mean(key)
        return None if mean is None else 100 * mean

    def all_and_difficult(self, key: str) -> tuple[float | None, float | None]:
        """Mean over the labels, in percent, of all steps, and of the difficult ones."""
        return self.over_labels(key), self.difficult().over_labels(key)

    def pointing(self) -> PointingMetrics:
        difficult = self.difficult()
        return {
            "pointing": self.over_labels("pointing"),
            "pointing_difficult": difficult.over_labels("pointing"),
            "pointing_steps": self.percent("pointing"),
            "pointing_steps_difficult": difficult.percent("pointing"),
        }
