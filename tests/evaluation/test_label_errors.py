"""Labels that are probably wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnnrnn.data import Sample, Split
from cnnrnn.evaluation.evaluate import Evaluation, Predictions, report
from cnnrnn.evaluation.label_errors import MISSING, WRONG, LabelError, likely_label_errors

LABELS = ("cat", "dog", "elk")


def made(truth: list[list[int]], probs: list[list[float]], ignored: list[tuple[int, int]] = []) -> Evaluation:  # noqa: B006
    samples = tuple(
        Sample(Path(f"{n}.jpg"), tuple(label for label, there in zip(LABELS, row, strict=True) if there))
        for n, row in enumerate(truth)
    )
    predictions = Predictions(len(truth), 3)
    predictions.probabilities[:] = probs
    left_out = np.zeros((len(truth), 3), dtype=bool)
    for place in ignored:
        left_out[place] = True
    metrics = report(np.array(truth, dtype=bool), left_out, predictions, LABELS)
    return Evaluation(Split("x", LABELS, samples), LABELS, np.array(truth, dtype=bool), left_out, predictions, metrics)


TRUTH = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]]
PROBS = [[0.9, 0.1, 0.1], [0.8, 0.1, 0.1], [0.95, 0.9, 0.1], [0.1, 0.01, 0.1], [0.1, 0.1, 0.45], [0.7, 0.1, 0.1]]


def test_surprising_labels_are_found_the_surest_first() -> None:
    found = likely_label_errors(made(TRUTH, PROBS))
    assert [(e.row, e.label, e.kind) for e in found] == [(3, "dog", WRONG), (2, "cat", MISSING)]
    assert found[1] == LabelError(2, "cat", MISSING, float(np.float32(0.95)))
    assert likely_label_errors(made(TRUTH, PROBS), most=1) == found[:1]


def test_what_the_truth_ignores_and_images_that_were_not_read_are_no_errors() -> None:
    assert [e.row for e in likely_label_errors(made(TRUTH, PROBS, [(2, 0)]))] == [3]
    unread = made(TRUTH, [*PROBS[:3], [0, 0, 0], *PROBS[4:]])
    unread.metrics["errors"] = {"3.jpg": "cut off"}
    assert [e.row for e in likely_label_errors(unread)] == [2]


def test_a_label_without_any_positive_is_not_called_missing() -> None:
    probs = [[0.9, 0.1, 0.99], *PROBS[1:]]
    assert all(error.label != "elk" for error in likely_label_errors(made(TRUTH, probs)))
