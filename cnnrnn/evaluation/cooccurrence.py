"""Which labels go together: in the training images, and in what the model says of images it has not seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cnnrnn.decoding.trace import Trace

Cooccurrence = dict[str, dict[str, tuple[float, float]]]  # label -> other -> P(other | label) in training, by the model


def count_pairs(truth: np.ndarray) -> np.ndarray:
    """Which image has which label, bool (image, label) -> in how many both stand, (label, label)."""
    present = truth.astype(np.float64)
    return present.T @ present


def expected_pairs(traces: Iterable[Trace], num_labels: int) -> np.ndarray:
    """In how many of the images both labels stand, as the model believes: (label, label), not whole numbers.

    An image counts by the probabilities of its finished paths that were kept, which are made to add up to 1.
    """
    pairs = np.zeros((num_labels, num_labels))
    for trace in traces:
        total = sum(path.prob for path in trace.paths)
        for path in trace.paths:
            pairs[np.ix_(path.tokens, path.tokens)] += path.prob / total
    return pairs


def cooccurrence_table(
    labels: Sequence[str], in_training: np.ndarray, by_model: np.ndarray, most: int = 10
) -> Cooccurrence:
    """P(other | label) by both tables of pairs (label, label), of the `most` others for which either is highest.

    A label that a table has never seen has no company in it: 0.
    """
    shares = np.stack([_given_label(in_training), _given_label(by_model)])  # (2, label, other)
    strongest = shares.max(axis=0)
    np.fill_diagonal(strongest, -1)
    order = np.argsort(-strongest, axis=1, kind="stable")[:, : min(most, len(labels) - 1)]
    return {
        label: {labels[other]: (float(shares[0, row, other]), float(shares[1, row, other])) for other in order[row]}
        for row, label in enumerate(labels)
    }


def _given_label(pairs: np.ndarray) -> np.ndarray:
    """(label, label) pairs, each label's own number on the diagonal -> P(column | row)."""
    alone = pairs.diagonal()[:, None]
    return np.divide(pairs, alone, out=np.zeros_like(pairs), where=alone > 0)
