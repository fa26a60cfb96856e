"""Multi-label metrics, as percentages 0-100. Truth and predictions are boolean arrays (image, label).

`ignored` (image, label) marks the pairs that the metrics leave out, such as VOC's difficult objects.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve

from cnnrnn.evaluation.reports import Calibration, PrecisionRecallF1


def non_interpolated(truth: np.ndarray, scores: np.ndarray) -> float:
    """Sum of precision times the increase of recall, with ties counted together, as in scikit-learn. 0 to 1."""
    return float(average_precision_score(truth, scores))


def eleven_point(truth: np.ndarray, scores: np.ndarray) -> float:
    """VOC 2007's rule: mean of the best precision at recall of at least 0, 0.1, …, 1. 0 to 1."""
    precision, recall = _curve(truth, scores)
    reached = recall >= np.linspace(0, 1, 11)[:, None] - 1e-12  # (point, threshold)
    return float(np.where(reached, precision, 0.0).max(axis=1).mean())


def area(truth: np.ndarray, scores: np.ndarray) -> float:
    """VOC 2010's rule: area under the monotonically decreasing envelope of precision. 0 to 1."""
    precision, recall = _curve(truth, scores)  # recall increases
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def _curve(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at every distinct score, highest first, without the end point that scikit-learn adds."""
    precision, recall, _ = precision_recall_curve(truth, scores)
    return precision[-2::-1], recall[-2::-1]


AP_RULES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "non_interpolated": non_interpolated,
    "eleven_point": eleven_point,
    "area": area,
}


def average_precisions(
    truth: np.ndarray, scores: np.ndarray, ignored: np.ndarray | None = None, rule: str = "non_interpolated"
) -> np.ndarray:
    """AP of each label (label,) by a rule of `AP_RULES`; NaN for a label without positives."""
    counted = _counted(truth, ignored)
    values = np.full(truth.shape[1], np.nan)
    for label in range(truth.shape[1]):
        rows = counted[:, label]
        if truth[rows, label].any():
            values[label] = 100 * AP_RULES[rule](truth[rows, label], scores[rows, label])
    return values


def map_at_k(truth: np.ndarray, scores: np.ndarray, k: int = 10) -> float:
    """The paper's MAP@10: the mean over images of AP of their k best labels; images without a label are left out.

    AP of an image is the sum of the precisions at the ranks of its hits, divided by min(k, positives).
    """
    positives = truth.sum(axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(truth, order, axis=1)  # (image, rank)
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    per_image = (precision * hits).sum(axis=1)[positives > 0] / np.minimum(positives, k)[positives > 0]
    return float(100 * per_image.mean()) if len(per_image) else 0.0


def hamming_loss(truth: np.ndarray, predicted: np.ndarray, ignored: np.ndarray | None = None) -> float:
    """Percentage of (image, label) pairs that are wrong."""
    counted = _counted(truth, ignored)
    return float(_percent(((truth != predicted) & counted).sum(), counted.sum()))


def precision_recall_f1(
    truth: np.ndarray,
    predicted: np.ndarray,
    ignored: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> PrecisionRecallF1:
    """OP, OR, OF1 over all pairs, and CP, CR, CF1 from the means over `labels` (bool (label,), default all).

    CF1 is the harmonic mean of CP and CR, as in Gong et al. (2014) and the paper. A label that is never
    predicted has precision 0, one without positives recall 0.
    """
    counted = _counted(truth, ignored)
    truth, predicted = truth & counted, predicted & counted
    hits, predictions, positives = (array.sum(axis=0) for array in (truth & predicted, predicted, truth))
    labels = np.ones(truth.shape[1], dtype=bool) if labels is None else labels
    overall = _percent(hits.sum(), predictions.sum()), _percent(hits.sum(), positives.sum())
    per_label = np.zeros(2)
    if labels.any():
        per_label = np.array([_percent(hits, whole)[labels].mean() for whole in (predictions, positives)])
    return {
        "OP": float(overall[0]),
        "OR": float(overall[1]),
        "OF1": float(harmonic_mean(*overall)),
        "CP": float(per_label[0]),
        "CR": float(per_label[1]),
        "CF1": float(harmonic_mean(*per_label)),
    }


def exact_match(truth: np.ndarray, predicted: np.ndarray, ignored: np.ndarray | None = None) -> float:
    """Subset accuracy: the percentage of images whose whole label set is right."""
    counted = _counted(truth, ignored)
    return float(100 * ((truth == predicted) | ~counted).all(axis=1).mean())


def calibration(
    truth: np.ndarray, scores: np.ndarray, ignored: np.ndarray | None = None, bins: int = 10
) -> Calibration:
    """How well probabilities agree with observed frequencies, over all pairs of image and label.

    ``bins`` divide 0 to 1 into equal intervals. Each has the number of its pairs, their mean probability and the
    percentage that is true. ``ece`` is the expected calibration error (Naeini et al., 2015). ``ece_likely`` is that
    of the pairs with a probability of 10 % or more, because the many labels that are clearly absent make ``ece``
    small. All but the numbers of pairs are percentages.
    """
    counted = _counted(truth, ignored)
    hits, probs = truth[counted], scores[counted]
    index = np.minimum((probs * bins).astype(int), bins - 1)
    pairs = np.bincount(index, minlength=bins)
    predicted = _percent(np.bincount(index, probs, bins), pairs)
    observed = _percent(np.bincount(index, hits, bins), pairs)
    gaps = np.abs(predicted - observed)
    likely = np.arange(bins) >= bins // 10
    return {
        "ece": float((gaps * pairs).sum() / max(pairs.sum(), 1)),
        "ece_likely": float((gaps * pairs)[likely].sum() / max(pairs[likely].sum(), 1)),
        "bins": [
            {"from": 100 * number / bins, "pairs": int(count), "predicted": float(p), "observed": float(o)}
            for number, (count, p, o) in enumerate(zip(pairs, predicted, observed, strict=True))
        ],
    }


def enough_positives(truth: np.ndarray, ignored: np.ndarray) -> int:
    """The positives from which on a label counts in mAP and the means over labels; truth, ignored: bool (image, label).

    5. If fewer than half of the labels that occur have so many, 1: of a small split the mean of a few labels, or of
    none, would tell nothing.
    """
    positives = (truth & ~ignored).sum(axis=0)  # (label,)
    return 5 if 2 * (positives >= 5).sum() >= (positives >= 1).sum() else 1


def choose_threshold(truth: np.ndarray, probs: np.ndarray, ignored: np.ndarray) -> float:
    """The threshold with the highest O-F1, 0 to 1; choose it on one split and use it on another."""
    if ignored.all():
        return 0.5  # no pair to choose it on
    order = np.argsort(-probs[~ignored], kind="stable")
    hits, scores = truth[~ignored][order], probs[~ignored][order]
    true_positives = hits.cumsum()
    f1 = 2 * true_positives / (np.arange(1, len(hits) + 1) + hits.sum())  # with the first k predicted
    last_of_ties = np.append(scores[1:] != scores[:-1], True)
    best = int(np.argmax(np.where(last_of_ties, f1, -1.0)))
    below = scores[best + 1] if best + 1 < len(scores) else 0.0
    return float((scores[best] + below) / 2)


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """The k best labels of every image, always k of them: bool (image, label)."""
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    predicted = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(predicted, chosen, True, axis=1)
    return predicted


def _counted(truth: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    return np.ones(truth.shape, dtype=bool) if ignored is None else ~ignored


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return 100 * ratio(part, whole)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)


def harmonic_mean(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return ratio(2 * one * other, one + other)
