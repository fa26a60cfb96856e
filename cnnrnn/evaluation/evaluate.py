"""A checkpoint on a data set -> one report, in the terms of the paper's tables."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnrnn.data import Sample, Split
from cnnrnn.decoding.trace import Trace
from cnnrnn.evaluation.metrics import (
    AP_RULES,
    average_precisions,
    calibration,
    choose_threshold,
    exact_match,
    hamming_loss,
    map_at_k,
    precision_recall_f1,
    top_k,
)
from cnnrnn.inference.predictor import Predictor
from cnnrnn.utils.errors import UserError


class Predictions:
    """What metrics need of many traces; an image without a trace has no prediction."""

    def __init__(self, images: int, num_labels: int) -> None:
        self.marginals = np.zeros((images, num_labels), dtype=np.float32)  # (image, label)
        self.best_path = np.zeros((images, num_labels), dtype=bool)  # (image, label) the best path's label set
        self.coverage = np.zeros(images)  # (image,) 0 to 1
        self.auxiliary: np.ndarray | None = None  # (image, label) of the auxiliary head, if there is one

    def put(self, image: int, trace: Trace) -> None:
        self.marginals[image] = trace.marginals
        self.best_path[image, list(trace.paths[0].tokens)] = True
        self.coverage[image] = trace.coverage
        if trace.auxiliary is not None:
            if self.auxiliary is None:
                self.auxiliary = np.zeros_like(self.marginals)
            self.auxiliary[image] = trace.auxiliary

    def all_reduce(self, total: Callable[[np.ndarray], np.ndarray]) -> None:
        """Take over other processes' predictions. `total` adds up their arrays; a row is zeros in all but one."""
        self.marginals, self.coverage = total(self.marginals), total(self.coverage)
        self.best_path = total(self.best_path.astype(np.uint8)).astype(bool)
        if total(np.array([self.auxiliary is not None], dtype=np.uint8)).any():  # not in one without an image
            self.auxiliary = total(np.zeros_like(self.marginals) if self.auxiliary is None else self.auxiliary)


@dataclass(frozen=True)
class Evaluation:
    """A split's truth beside what was predicted; bool and float arrays (image, label)."""

    split: Split
    labels: tuple[str, ...]  # the columns, in the model's order
    truth: np.ndarray
    ignored: np.ndarray
    predictions: Predictions
    metrics: dict[str, Any]


def evaluate(
    predictor: Predictor,
    split: Split,
    min_positives: int = 5,
    threshold: float = 0.5,
    on_image: Callable[[Sample, Trace | str], None] = lambda sample, result: None,
) -> Evaluation:
    """Decode every image of a split and compare with its labels. Metrics: see `report`, and seconds, errors.

    `on_image` gets every image's trace, or the reason why it can't be read; such an image counts as one without a
    prediction and is named under ``errors``. Raises DataError if the split has labels that the checkpoint doesn't know.
    """
    started = time.perf_counter()
    labels = predictor.labels
    truth, ignored = split.truth(labels)
    predictions = Predictions(len(truth), len(labels))
    errors: dict[str, str] = {}
    paths = [sample.image for sample in split.samples]
    for row, (path, outcome) in enumerate(predictor.predict(paths)):
        if isinstance(outcome, str):
            errors[str(path)] = outcome
        else:
            predictions.put(row, outcome)
        on_image(split.samples[row], outcome)
    metrics = report(truth, ignored, predictions, labels, min_positives, threshold)
    metrics |= {"errors": errors, "seconds": time.perf_counter() - started}
    return Evaluation(split, labels, truth, ignored, predictions, metrics)


def image_record(sample: Sample, outcome: Trace | str) -> dict[str, Any]:
    """One line of the per-image JSONL: the truth beside what was predicted, or why nothing could be."""
    truth = {"image": str(sample.image), "truth": sorted(sample.labels), "ignored": sorted(sample.ignored)}
    return {**truth, **({"error": outcome} if isinstance(outcome, str) else outcome.summary())}


def read_records(lines: Iterable[str], name: str, min_positives: int = 5, threshold: float = 0.5) -> Evaluation:
    """The evaluation whose images `image_record` wrote, one a line; `name` is for people.

    Raises UserError, which names the line, for one that was not written by it.
    """
    records = [_record(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
    decoded = next((record for record in records if "error" not in record), None)
    if decoded is None:
        raise UserError(f"{name} holds no image that was decoded")
    labels = tuple(decoded["marginals"])
    rank = {label: index for index, label in enumerate(labels)}
    predictions = Predictions(len(records), len(labels))
    samples, errors = [], {}
    for row, record in enumerate(records):
        sample = Sample(Path(record["image"]), tuple(record["truth"]), tuple(record["ignored"]))
        if unknown := {*sample.labels, *sample.ignored, *record.get("labels", ())} - rank.keys():
            raise UserError(f"{name}: image {row + 1} has labels without a marginal: {', '.join(sorted(unknown))}")
        samples.append(sample)
        if "error" in record:
            errors[record["image"]] = record["error"]
        elif record["marginals"].keys() != rank.keys():
            raise UserError(f"{name}: image {row + 1} has marginals of other labels than those before it")
        else:
            predictions.marginals[row] = [record["marginals"][label] for label in labels]
            predictions.best_path[row, [rank[label] for label in record["labels"]]] = True
            predictions.coverage[row] = record["coverage"]
    split = Split(name, labels, tuple(samples))
    truth, ignored = split.truth(labels)
    metrics = report(truth, ignored, predictions, labels, min_positives, threshold) | {"errors": errors}
    return Evaluation(split, labels, truth, ignored, predictions, metrics)


def _record(line: str, number: int) -> dict[str, Any]:
    """One line of a JSONL from anywhere, its types checked."""

    def names(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(name, str) for name in value)

    def probability(value: Any) -> bool:
        return isinstance(value, int | float) and 0 <= value <= 1

    try:
        record = json.loads(line)
        fits = isinstance(record["image"], str) and names(record["truth"]) and names(record["ignored"])
        fits &= isinstance(record["error"], str) if "error" in record else (
            names(record["labels"])
            and probability(record["coverage"])
            and all(probability(value) for value in record["marginals"].values())
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        fits = False
    if not fits:
        raise UserError(
            f"line {number} is no image of an evaluation; such files come from `cnnrnn evaluate --per-image`"
        )
    return record


def report(
    truth: np.ndarray,
    ignored: np.ndarray,
    predictions: Predictions,
    labels: Sequence[str],
    min_positives: int = 5,
    threshold: float = 0.5,
) -> dict[str, Any]:
    """Metrics of decoded images; percentages 0-100. truth and ignored: bool (image, label).

    mAP and the per-label means CP, CR, CF1 are over the labels with at least `min_positives` positives, the
    keys of AP; AP is non-interpolated, and VOC's two rules stand beside it. OP … CF1, exact_match and
    hamming_loss judge the best path's label set. From the marginals: top3 always takes three labels, as the
    paper's tables do; top3_at_most those of the three that reach `threshold`; above_threshold all that do.
    coverage is the mean probability of the paths that the search closed; calibration judges the marginals.
    best_threshold is the one at which the marginals have the highest O-F1 here: for use on another split.
    auxiliary and mix, of a model with an auxiliary head, judge its probabilities, and their mean with the
    marginals, as above_threshold does the marginals.
    """
    positives = (truth & ~ignored).sum(axis=0)  # (label,)
    scored = positives >= min_positives  # (label,)
    best_path, marginals = predictions.best_path, predictions.marginals
    likely, three = marginals >= threshold, top_k(marginals, 3)
    ap = {rule: average_precisions(truth, marginals, ignored, rule)[scored] for rule in AP_RULES}
    names = [label for label, keep in zip(labels, scored, strict=True) if keep]

    def six(predicted: np.ndarray) -> dict[str, float]:
        return precision_recall_f1(truth, predicted, ignored, scored)

    def judged(predicted: np.ndarray, mean_ap: float) -> dict[str, float]:
        return {"mAP": mean_ap, "exact_match": exact_match(truth, predicted, ignored), **six(predicted)}

    def judged_alone(scores: np.ndarray) -> dict[str, float]:
        return judged(scores >= threshold, _mean(average_precisions(truth, scores, ignored)[scored]))

    return {
        "images": len(truth),
        "labels_scored": len(names),
        "min_positives": min_positives,
        "threshold": threshold,
        "best_threshold": choose_threshold(truth, marginals, ignored),
        "mAP": _mean(ap["non_interpolated"]),
        "mAP_eleven_point": _mean(ap["eleven_point"]),
        "mAP_area": _mean(ap["area"]),
        "MAP@10": map_at_k(truth & ~ignored, marginals),
        "AP": dict(zip(names, ap["non_interpolated"].tolist(), strict=True)),
        "AP_eleven_point": dict(zip(names, ap["eleven_point"].tolist(), strict=True)),
        "AP_area": dict(zip(names, ap["area"].tolist(), strict=True)),
        "positives": dict(zip(labels, positives.tolist(), strict=True)),
        **six(best_path),
        "top3": six(three),
        "top3_at_most": six(three & likely),
        "above_threshold": judged(likely, _mean(ap["non_interpolated"])),
        "exact_match": exact_match(truth, best_path, ignored),
        "hamming_loss": hamming_loss(truth, best_path, ignored),
        "coverage": 100 * _mean(predictions.coverage),
        "calibration": calibration(truth, marginals, ignored),
        **(
            {}
            if predictions.auxiliary is None
            else {
                "auxiliary": judged_alone(predictions.auxiliary),
                "mix": judged_alone((predictions.auxiliary + marginals) / 2),
            }
        ),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
