"""Labels of a data set that are probably wrong, found by comparing them with a model's probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cnnrnn.evaluation.evaluate import Evaluation

MISSING, WRONG = "missing", "not there"
_LEAST = 0.5  # a model that is rarely sure of a label is no witness for it


class LabelError(NamedTuple):
    """A label that the truth lacks though the model is sure of it, or has though the model sees none of it."""

    row: int  # of the evaluation
    label: str
    kind: str  # MISSING or WRONG
    probability: float  # of the label


def likely_label_errors(evaluation: Evaluation, most: int = 200) -> list[LabelError]:
    """The labels of which the model is surest that they are wrong, the surest first.

    The thresholds are those of confident learning (Northcutt, Jiang & Chuang, 2021), for each label by itself: a label
    is missing if its probability is at least the mean over the images that have it, and it is not there if it is as
    improbable as it is on average in the images without it. The images must not be those that the model was trained
    on, whose labels it has learned by heart.
    """
    truth, probs = evaluation.truth & ~evaluation.ignored, evaluation.predictions.probabilities  # (image, label)
    counted = ~evaluation.ignored
    counted[[str(sample.image) in evaluation.metrics.get("errors", {}) for sample in evaluation.split.samples]] = False
    missing = counted & ~truth & (probs >= np.maximum(_mean(probs, truth), _LEAST))
    wrong = counted & truth & (1 - probs >= np.maximum(_mean(1 - probs, counted & ~truth), _LEAST))
    found = [
        LabelError(int(row), evaluation.labels[column], kind, float(probs[row, column]))
        for kind, suspects in ((MISSING, missing), (WRONG, wrong))
        for row, column in np.argwhere(suspects)
    ]
    certainty = {MISSING: lambda error: error.probability, WRONG: lambda error: 1 - error.probability}
    return sorted(found, key=lambda error: -certainty[error.kind](error))[:most]


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Of every label over some images: (image, label), bool (image, label) -> (label,); 1 where there are none."""
    counts = where.sum(axis=0)
    means: np.ndarray = np.where(counts > 0, (values * where).sum(axis=0) / np.maximum(counts, 1), 1.0)
    return means
