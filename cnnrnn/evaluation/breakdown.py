"""Where predictors differ: by the number of labels in an image, the labels' frequency, the size of the objects, and for
pairs of labels that often go together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnnrnn.data import Sample, Split
from cnnrnn.data.images import ImageError, upright_size
from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.evaluation.metrics import exact_match, precision_recall_f1
from cnnrnn.utils.errors import UserError

MOST_LABELS = 6  # images with more are counted with these
MIN_IMAGES = 5  # with both labels of a pair
FREQUENCIES = ("rare", "medium", "frequent")  # a third of the labels each
# The share of the image in a label's largest box, below which it is small or medium. COCO draws the lines at 32² and
# 96² pixels, which are these shares of its usual 640 × 480.
SMALL, MEDIUM = 32**2 / (640 * 480), 96**2 / (640 * 480)


class ByCount(NamedTuple):
    """The label sets of a predictor on the images that have a number of labels; percentages."""

    images: int
    predicted: float  # labels an image, a mean and no percentage
    of1: float
    exact_match: float


class ByFrequency(NamedTuple):
    """The labels of a range of frequencies; percentages."""

    labels: tuple[str, ...]
    fewest: int  # images with the least frequent of the labels
    most: int
    mean_ap: float | None  # over those with enough positives; None if there are none
    precision: float  # over all pairs of an image and one of the labels, as recall and F1
    recall: float
    f1: float


class BySize(NamedTuple):
    """The labels of the truth whose largest object has a size; percentages."""

    positives: int  # pairs of an image and a label
    recall: float
    probability: float  # mean of the labels' probabilities


class Pair(NamedTuple):
    """Two labels, and the F1 of predicting both at once by each predictor, as a percentage."""

    labels: tuple[str, str]
    images: int  # that have both
    f1: dict[str, float]


def check_same_images(evaluations: Mapping[str, Evaluation]) -> None:
    """Raises UserError unless all evaluations are of the same images with the same truth."""
    (name, first), *others = evaluations.items()
    for other_name, other in others:
        if [s.image for s in first.split.samples] != [s.image for s in other.split.samples] or [
            set(s.labels) for s in first.split.samples
        ] != [set(s.labels) for s in other.split.samples]:
            raise UserError(f"{name} and {other_name} are evaluations of different images; choose one split")


def by_number_of_labels(evaluation: Evaluation) -> dict[int, ByCount]:
    """Metrics of the best path by the number of labels in the truth; `MOST_LABELS` stands for more as well."""
    truth, predicted = evaluation.truth, evaluation.predictions.best_path
    counts = np.minimum(truth.sum(axis=1), MOST_LABELS)
    rows = {int(count): counts == count for count in np.unique(counts)}
    return {
        count: ByCount(
            int(chosen.sum()),
            float(predicted[chosen].sum(axis=1).mean()),
            precision_recall_f1(truth[chosen], predicted[chosen])["OF1"],
            exact_match(truth[chosen], predicted[chosen]),
        )
        for count, chosen in rows.items()
    }


def by_frequency(evaluation: Evaluation, counts: Mapping[str, int] | None = None) -> dict[str, ByFrequency]:
    """Metrics of the best paths for the rarest third of the labels, the middle and the most frequent one.

    `counts` are the labels' numbers of images, such as those in training; without them, those of the truth.
    """
    if counts is None:
        counts = evaluation.metrics["positives"]
    order = sorted(range(len(evaluation.labels)), key=lambda column: counts.get(evaluation.labels[column], 0))
    ap = evaluation.metrics["AP"]
    found = {}
    for name, chosen in zip(FREQUENCIES, np.array_split(np.array(order), len(FREQUENCIES)), strict=True):
        if not len(chosen):
            continue
        labels = tuple(evaluation.labels[column] for column in chosen)
        metrics = precision_recall_f1(
            evaluation.truth[:, chosen], evaluation.predictions.best_path[:, chosen], evaluation.ignored[:, chosen]
        )
        scored = [ap[label] for label in labels if label in ap]
        found[name] = ByFrequency(
            labels,
            counts.get(labels[0], 0),
            counts.get(labels[-1], 0),
            float(np.mean(scored)) if scored else None,
            metrics["OP"], metrics["OR"], metrics["OF1"],
        )  # fmt: skip
    return found


def by_size(evaluation: Evaluation) -> dict[str, BySize]:
    """What is found of small, medium and large objects, by `Evaluation.sizes`; empty where no boxes are known.

    A wrongly predicted label has no box, so there is no precision by size.
    """
    if evaluation.sizes is None:
        return {}
    counted = evaluation.truth & ~evaluation.ignored & ~np.isnan(evaluation.sizes)
    sizes = np.digitize(np.nan_to_num(evaluation.sizes), (SMALL, MEDIUM))  # (image, label): 0, 1 or 2
    found = {}
    for number, name in enumerate(("small", "medium", "large")):
        chosen = counted & (sizes == number)
        if chosen.any():
            found[name] = BySize(
                int(chosen.sum()),
                float(100 * evaluation.predictions.best_path[chosen].mean()),
                float(100 * evaluation.predictions.probabilities[chosen].mean()),
            )
    return found


def label_sizes(split: Split, sample: Sample) -> dict[str, float]:
    """The share of an image in each label's largest box, 0 to 1; empty without boxes and for an image that can't be
    opened. Raises DataError for boxes that can't be read."""
    if split.boxes is None:
        return {}
    try:
        width, height = upright_size(sample.image)
    except ImageError:
        return {}
    return {
        label: min(1.0, max((right - left) * (bottom - top) for left, top, right, bottom in boxes) / width / height)
        for label, boxes in split.boxes(sample).items()
        if boxes
    }


def object_sizes(split: Split) -> dict[Path, dict[str, float]]:
    """`label_sizes` of all images; empty without boxes."""
    return {} if split.boxes is None else {sample.image: label_sizes(split, sample) for sample in split.samples}


def strongest_pairs(evaluations: Mapping[str, Evaluation], most: int = 20) -> list[Pair]:
    """The pairs with the highest Jaccard index in the truth: of the images with either label, the share with both."""
    first = next(iter(evaluations.values()))
    truth = first.truth.astype(int)  # (image, label)
    both = truth.T @ truth  # (label, label)
    positives = np.diag(both)
    either = positives[:, None] + positives[None, :] - both
    jaccard: np.ndarray = np.where(both >= MIN_IMAGES, both / np.maximum(either, 1), 0.0)
    one, other = np.triu_indices(len(first.labels), k=1)
    ranked = np.argsort(-jaccard[one, other], kind="stable")[:most]
    pairs = []
    for a, b in zip(one[ranked].tolist(), other[ranked].tolist(), strict=True):
        if jaccard[a, b] == 0:
            break
        names = (first.labels[a], first.labels[b])
        present = first.truth[:, a] & first.truth[:, b]
        f1 = {}
        for name, evaluation in evaluations.items():
            columns = [evaluation.labels.index(label) for label in names]  # models list labels in their own order
            predicted = np.asarray(evaluation.predictions.best_path[:, columns].all(axis=1))
            f1[name] = precision_recall_f1(present[:, None], predicted[:, None])["OF1"]
        pairs.append(Pair(names, int(present.sum()), f1))
    return pairs
