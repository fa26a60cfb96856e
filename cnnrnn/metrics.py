"""Multi-label metrics, as percentages 0-100. Truth and predictions are boolean arrays (image, label).

`ignored` (image, label) marks pairs that count neither for nor against, such as VOC's difficult objects.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score


def average_precisions(truth: np.ndarray, scores: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    """Non-interpolated AP of each label (label,): scikit-learn's definition; NaN for one without positives."""
    counted = _counted(truth, ignored)
    values = np.full(truth.shape[1], np.nan)
    for label in range(truth.shape[1]):
        rows = counted[:, label]
        if truth[rows, label].any():
            values[label] = 100 * average_precision_score(truth[rows, label], scores[rows, label])
    return values


def precision_recall_f1(
    truth: np.ndarray,
    predicted: np.ndarray,
    ignored: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> dict[str, float]:
    """OP, OR, OF1 over all pairs, and CP, CR, CF1 from the means over `labels` (bool (label,), default all).

    CF1 is the harmonic mean of CP and CR, as in Gong et al. (2014) and the paper. A label that is never
    predicted has precision 0, one without positives recall 0.
    """
    counted = _counted(truth, ignored)
    truth, predicted = truth & counted, predicted & counted
    hits, guesses, positives = (array.sum(axis=0) for array in (truth & predicted, predicted, truth))
    labels = np.ones(truth.shape[1], dtype=bool) if labels is None else labels
    overall = _ratio(hits.sum(), guesses.sum()), _ratio(hits.sum(), positives.sum())
    per_label = (
        float(np.mean(_ratio(hits, guesses)[labels])) if labels.any() else 0.0,
        float(np.mean(_ratio(hits, positives)[labels])) if labels.any() else 0.0,
    )
    return {
        "OP": float(overall[0]),
        "OR": float(overall[1]),
        "OF1": _harmonic_mean(float(overall[0]), float(overall[1])),
        "CP": per_label[0],
        "CR": per_label[1],
        "CF1": _harmonic_mean(*per_label),
    }


def exact_match(truth: np.ndarray, predicted: np.ndarray, ignored: np.ndarray | None = None) -> float:
    """Share of images whose whole label set is right."""
    counted = _counted(truth, ignored)
    return float(100 * ((truth == predicted) | ~counted).all(axis=1).mean())


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """The k best labels of every image, always k of them: bool (image, label)."""
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    predicted = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(predicted, chosen, True, axis=1)
    return predicted


def _counted(truth: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    return np.ones(truth.shape, dtype=bool) if ignored is None else ~ignored


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return 100 * np.divide(part, whole, out=np.zeros(np.shape(part), dtype=float), where=np.asarray(whole) > 0)


def _harmonic_mean(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
