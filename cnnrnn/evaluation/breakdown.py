"""Where predictors differ: by the number of labels in an image, and for pairs of labels that often go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.evaluation.metrics import exact_match, precision_recall_f1
from cnnrnn.utils.errors import UserError

MOST_LABELS = 6  # images with more are counted with these
MIN_IMAGES = 5  # with both labels of a pair


class ByCount(NamedTuple):
    """The label sets of a predictor on the images that have a number of labels; percentages."""

    images: int
    predicted: float  # labels an image, a mean and no percentage
    of1: float
    exact_match: float


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
