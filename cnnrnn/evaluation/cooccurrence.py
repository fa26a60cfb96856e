"""Label co-occurrence in the training set, and in the model's predictions for the validation set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cnnrnn.decoding.trace import Trace

# label -> other label -> P(other | label) in the training set, and as the model predicts it
Cooccurrence = dict[str, dict[str, tuple[float, float]]]
# label -> P(label) in the training set, and as the model predicts it
LabelRates = dict[str, tuple[float, float]]


def count_pairs(truth: np.ndarray) -> np.ndarray:
    """Labels of images, bool (image, label) -> in how many images both labels occur (label, label)."""
    present = truth.astype(np.float64)
    return present.T @ present


def expected_pairs(traces: Iterable[Trace], num_labels: int) -> np.ndarray:
    """The expected number of images in which both labels occur, by the model's distribution: float (label, label).

    Each image's kept paths count with their probabilities, normalized to a sum of 1.
    """
    pairs = np.zeros((num_labels, num_labels))
    for trace in traces:
        normalizer = sum(path.prob for path in trace.paths)
        for path in trace.paths:
            pairs[np.ix_(path.tokens, path.tokens)] += path.prob / normalizer
    return pairs


def cooccurrence_table(
    labels: Sequence[str], in_training: np.ndarray, by_model: np.ndarray, most: int = 10
) -> Cooccurrence:
    """P(other | label) from the pair counts in training and by the model, (label, label) each.

    Each label has the `most` other labels with the highest probability in either. Where a label never occurs, its
    conditional probabilities are 0.
    """
    conditionals = np.stack([_conditional(in_training), _conditional(by_model)])  # (2, label, other)
    strongest = conditionals.max(axis=0)
    np.fill_diagonal(strongest, -1)
    order = np.argsort(-strongest, axis=1, kind="stable")[:, : min(most, len(labels) - 1)]
    return {
        label: {
            labels[other]: (float(conditionals[0, row, other]), float(conditionals[1, row, other]))
            for other in order[row]
        }
        for row, label in enumerate(labels)
    }


def label_rates(
    labels: Sequence[str], in_training: np.ndarray, train_images: int, by_model: np.ndarray, images: int
) -> LabelRates:
    """How often each label occurs in the images, from the pair counts in training and by the model (label, label).

    These are what P(other | label) is compared with: the model's label sequences have fewer labels than the images.
    """
    rates = zip(labels, in_training.diagonal() / train_images, by_model.diagonal() / images, strict=True)
    return {label: (float(training), float(model)) for label, training, model in rates}


def _conditional(pairs: np.ndarray) -> np.ndarray:
    """Pair counts (label, label), with each label's own count on the diagonal -> P(column | row)."""
    counts = pairs.diagonal()[:, None]
    return np.divide(pairs, counts, out=np.zeros_like(pairs), where=counts > 0)
