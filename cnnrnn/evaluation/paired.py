"""Two models on the same images: which images changed, and by how much each metric differs, with its uncertainty."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cnnrnn.evaluation.evaluate import Evaluation, Predictions
from cnnrnn.evaluation.metrics import enough_positives, harmonic_mean, ratio
from cnnrnn.evaluation.reports import MAIN_METRICS
from cnnrnn.utils.errors import UserError

RESAMPLES = 1000


class Difference(NamedTuple):
    """A metric of two models, in percent; `low` and `high` bound their difference, the second minus the first."""

    one: float
    other: float
    low: float  # of the 95 % interval, in percentage points
    high: float


@dataclass(frozen=True)
class Paired:
    """What two models predict for the same images. All arrays are (image, label), over the labels that both know."""

    labels: tuple[str, ...]
    truth: np.ndarray  # bool
    ignored: np.ndarray  # bool
    predicted: tuple[np.ndarray, np.ndarray]  # bool, the label sets
    probabilities: tuple[np.ndarray, np.ndarray]

    @property
    def changed(self) -> np.ndarray:
        """bool (image,)"""
        changed: np.ndarray = (self.predicted[0] != self.predicted[1]).any(axis=1)
        return changed

    def digest(self) -> str:
        """The same for the same images, labels and predictions."""
        found = hashlib.sha256("\0".join(self.labels).encode())
        for array in (self.truth, self.ignored, *self.predicted, *self.probabilities):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    @property
    def errors(self) -> tuple[np.ndarray, np.ndarray]:
        """The number of labels that each model misses or predicts wrongly: (image,) each."""
        one, other = (((found != self.truth) & ~self.ignored).sum(axis=1) for found in self.predicted)
        return one, other


def pair_predictions(
    labels: tuple[Sequence[str], Sequence[str]],
    predictions: tuple[Predictions, Predictions],
    truth: Sequence[Sequence[str]],
    ignored: Sequence[Sequence[str]],
    thresholds: tuple[float, float] | None = None,
) -> Paired:
    """Predictions for the same images in the same order, with the labels in each model's own order. `truth` and
    `ignored` are each image's labels. The label sets are those of the best paths or, with `thresholds`, the labels
    whose probability reaches that of the model. Raises UserError if the models have no label in common."""
    shared = [label for label in labels[0] if label in set(labels[1])]
    if not shared:
        raise UserError("the two models have no label in common")
    columns = [[list(names).index(label) for label in shared] for names in labels]
    rank = {label: column for column, label in enumerate(shared)}
    arrays = np.zeros((2, len(truth), len(shared)), dtype=bool)
    for array, by_image in zip(arrays, (truth, ignored), strict=True):
        for row, names in enumerate(by_image):
            array[row, [rank[name] for name in names if name in rank]] = True
    one, other = (found.probabilities[:, shown] for found, shown in zip(predictions, columns, strict=True))
    if thresholds is None:
        label_sets = predictions[0].best_path[:, columns[0]], predictions[1].best_path[:, columns[1]]
    else:
        label_sets = one >= thresholds[0], other >= thresholds[1]
    return Paired(tuple(shared), arrays[0], arrays[1], label_sets, (one, other))


def pair_evaluations(one: Evaluation, other: Evaluation, thresholds: tuple[float, float] | None = None) -> Paired:
    """As `pair_predictions`. Raises UserError unless both are of the same images, in the same order and with the same
    truth."""
    samples = [evaluation.split.samples for evaluation in (one, other)]
    same = [sample.image for sample in samples[0]] == [sample.image for sample in samples[1]]
    if not same or (one.digests and other.digests and one.digests != other.digests):
        raise UserError(
            f"{one.split.name} and {other.split.name} are evaluations of different images; choose one split"
        )
    return pair_predictions(
        (one.labels, other.labels), (one.predictions, other.predictions),
        [tuple(sample.labels) for sample in samples[0]], [tuple(sample.ignored) for sample in samples[0]], thresholds,
    )  # fmt: skip


def differences(
    paired: Paired, min_positives: int | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Difference]:
    """Each of `MAIN_METRICS` for both models, with the 95 % interval of the difference by the paired bootstrap over
    images (Efron and Tibshirani, 1993; percentiles).

    mAP and C-F1 are means over the labels with at least `min_positives` positives (by default `enough_positives`); a
    label without a positive in a resample is left out of its mAP. A metric that no label can have is left out.
    """
    images = len(paired.truth)
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    weights = np.concatenate([np.ones((1, images)), drawn]).T.astype(np.float32)  # (image, resample), all images first
    enough = enough_positives(paired.truth, paired.ignored) if min_positives is None else min_positives
    scored = (paired.truth & ~paired.ignored).sum(axis=0) >= enough
    one, other = (
        _metrics(weights, paired.truth, paired.ignored, predicted, probs, scored)
        for predicted, probs in zip(paired.predicted, paired.probabilities, strict=True)
    )
    found = {}
    for key in MAIN_METRICS:
        if not np.isnan(one[key][0]):
            low, high = np.nanpercentile(other[key][1:] - one[key][1:], (2.5, 97.5))
            found[key] = Difference(float(one[key][0]), float(other[key][0]), float(low), float(high))
    return found


def _metrics(
    weights: np.ndarray,
    truth: np.ndarray,
    ignored: np.ndarray,
    predicted: np.ndarray,
    probs: np.ndarray,
    scored: np.ndarray,
) -> dict[str, np.ndarray]:
    """The metrics of `metrics.py` for images that count several times or not at all: weights (image, resample) ->
    percentages (resample,) each; NaN for mAP and C-F1 if no label is `scored`, bool (label,)."""
    counted = ~ignored
    truth, predicted = truth & counted, predicted & counted
    hits, predictions, positives = (
        weights.T @ array.astype(np.float32) for array in (truth & predicted, predicted, truth)
    )  # (resample, label) each
    exact = (truth == predicted).all(axis=1).astype(np.float32)
    ap = [
        _weighted_average_precision(weights[rows], truth[rows, label], probs[rows, label])
        for label, rows in ((label, counted[:, label]) for label in np.flatnonzero(scored))
    ]
    undefined = np.full(weights.shape[1], np.nan)
    return {
        "mAP": 100 * np.nanmean(ap, axis=0) if ap else undefined,
        "OF1": 100 * ratio(2 * hits.sum(axis=1), predictions.sum(axis=1) + positives.sum(axis=1)),
        "CF1": 100 * harmonic_mean(
            ratio(hits, predictions)[:, scored].mean(axis=1), ratio(hits, positives)[:, scored].mean(axis=1)
        ) if scored.any() else undefined,
        "exact_match": 100 * weights.T @ exact / weights.sum(axis=0),
    }  # fmt: skip


def _weighted_average_precision(weights: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Non-interpolated AP of one label, ties counted together: (image, resample), (image,), (image,) -> (resample,).

    The precision matters only where the recall grows, at the distinct scores of the positives.
    """
    order = np.argsort(-scores, kind="stable")
    truth, scores = truth[order], scores[order]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # the last image of each score
    grows = np.diff(truth.cumsum()[ends], prepend=0) > 0
    starts = np.append(0, ends[grows][:-1] + 1)  # of the images up to each such score
    weights = weights[order][: ends[grows][-1] + 1]
    images = np.add.reduceat(weights, starts, axis=0).cumsum(axis=0)  # (score, resample)
    gained = np.add.reduceat(weights * truth[: len(weights), None], starts, axis=0)  # positives of each score
    total = gained.sum(axis=0)
    precision = ratio(gained.cumsum(axis=0), images)
    ap: np.ndarray = np.where(total > 0, (precision * gained).sum(axis=0) / np.maximum(total, 1), np.nan)
    return ap
