"""A checkpoint on a data set -> one report, in the terms of the paper's tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split
from cnnrnn.decoding import Trace
from cnnrnn.metrics import average_precisions, exact_match, precision_recall_f1, top_k
from cnnrnn.prediction import predict


class Predictions:
    """What metrics need of many traces; a picture without a trace has no prediction."""

    def __init__(self, images: int, num_labels: int) -> None:
        self.marginals = np.zeros((images, num_labels), dtype=np.float32)  # (image, label)
        self.best_path = np.zeros((images, num_labels), dtype=bool)  # (image, label) the best path's label set
        self.coverage = np.zeros(images)  # (image,) 0 to 1

    def put(self, image: int, trace: Trace) -> None:
        self.marginals[image] = trace.marginals
        self.best_path[image, list(trace.paths[0].tokens)] = True
        self.coverage[image] = trace.coverage


def evaluate(
    checkpoint: Checkpoint,
    split: Split,
    beam: int = 8,
    batch_size: int = 32,
    min_positives: int = 5,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Decode every picture of a split and compare with its labels. Keys: see `report`, and seconds, errors.

    A picture that can't be read counts as one without a prediction and is named under ``errors``.
    Raises DataError if the split has labels that the checkpoint doesn't know.
    """
    started = time.perf_counter()
    labels = checkpoint.vocabulary.labels
    truth, ignored = split.truth(labels)
    predictions = Predictions(len(truth), len(labels))
    errors: dict[str, str] = {}
    paths = [sample.image for sample in split.samples]
    for row, (path, outcome) in enumerate(predict(checkpoint, paths, beam, batch_size)):
        if isinstance(outcome, str):
            errors[str(path)] = outcome
        else:
            predictions.put(row, outcome)
        progress(row + 1)
    result = report(truth, ignored, predictions, labels, min_positives)
    return {**result, "errors": errors, "seconds": time.perf_counter() - started}


def report(
    truth: np.ndarray,
    ignored: np.ndarray,
    predictions: Predictions,
    labels: Sequence[str],
    min_positives: int = 5,
) -> dict[str, Any]:
    """Metrics of decoded pictures; percentages 0-100. truth and ignored: bool (image, label).

    mAP and the per-label means CP, CR, CF1 are over the labels with at least `min_positives` positives, the
    keys of AP. OP … CF1 and exact_match judge the best path's label set, top3 the three best marginals.
    coverage is the mean probability of the paths that the search closed.
    """
    scored = (truth & ~ignored).sum(axis=0) >= min_positives  # (label,)
    ap = average_precisions(truth, predictions.marginals, ignored)  # (label,)
    best_path = predictions.best_path
    return {
        "images": len(truth),
        "labels_scored": int(scored.sum()),
        "min_positives": min_positives,
        "mAP": float(ap[scored].mean()) if scored.any() else 0.0,
        "AP": {label: float(value) for label, value, keep in zip(labels, ap, scored, strict=True) if keep},
        **precision_recall_f1(truth, best_path, ignored, scored),
        "top3": precision_recall_f1(truth, top_k(predictions.marginals, 3), ignored, scored),
        "exact_match": exact_match(truth, best_path, ignored),
        "coverage": float(100 * predictions.coverage.mean()),
    }
