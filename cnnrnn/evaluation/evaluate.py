"""Evaluation of a predictor on a split of a data set, with the metrics of the paper's tables."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from cnnrnn.data import Sample, Split
from cnnrnn.decoding.beam_search import ensemble
from cnnrnn.decoding.trace import StepEvidence, Trace
from cnnrnn.evaluation.metrics import (
    AP_RULES,
    average_precisions,
    calibration,
    choose_threshold,
    enough_positives,
    exact_match,
    hamming_loss,
    map_at_k,
    precision_recall_f1,
    top_k,
)
from cnnrnn.evaluation.reports import EvaluationReport, ImageRecord, PrecisionRecallF1, RankingMetrics, ThresholdMetrics
from cnnrnn.inference.predictor import Predictor
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.style import on_one_line


class Predictions:
    """The arrays that the metrics are computed from. The rows of an image without a trace are zeros."""

    def __init__(self, images: int, num_labels: int) -> None:
        self.probabilities = np.zeros((images, num_labels), dtype=np.float32)  # (image, label) what ranks the labels
        self.marginals = np.zeros((images, num_labels), dtype=np.float32)  # (image, label)
        self.best_path = np.zeros((images, num_labels), dtype=bool)  # (image, label) the best path's label set
        self.coverage = np.zeros(images)  # (image,) 0 to 1
        self.auxiliary: np.ndarray | None = None  # (image, label) of the auxiliary head, if there is one

    def put(self, image: int, trace: Trace) -> None:
        self.probabilities[image] = trace.probabilities
        self.marginals[image] = trace.marginals
        self.best_path[image, list(trace.paths[0].tokens)] = True
        self.coverage[image] = trace.coverage
        if trace.auxiliary is not None:
            if self.auxiliary is None:
                self.auxiliary = np.zeros_like(self.marginals)
            self.auxiliary[image] = trace.auxiliary

    def all_reduce(self, total: Callable[[np.ndarray], np.ndarray]) -> None:
        """Add the predictions of the other processes.

        `total` sums an array over the processes. A row is zeros in every process but the one that decoded its image.
        """
        self.probabilities, self.marginals = total(self.probabilities), total(self.marginals)
        self.coverage = total(self.coverage)
        self.best_path = total(self.best_path.astype(np.uint8)).astype(bool)
        # A process that decoded no image has no auxiliary array yet.
        if total(np.array([self.auxiliary is not None], dtype=np.uint8)).any():
            self.auxiliary = total(np.zeros_like(self.marginals) if self.auxiliary is None else self.auxiliary)


@dataclass(frozen=True)
class Steps:
    """The labels of all best paths, in order of emission, and their evidence (`StepEvidence`); all arrays (step,)."""

    image: np.ndarray  # row of the evaluation
    label: np.ndarray  # column
    prefix: np.ndarray
    raised_by: np.ndarray  # column, or -1
    strength: np.ndarray

    @classmethod
    def of(cls, found: Iterable[tuple[int, Sequence[int], StepEvidence | None]]) -> Steps | None:
        """From each image's row, path and evidence; None if an image has none."""
        images, labels, parts = list[int](), list[int](), list[StepEvidence]()
        for row, tokens, evidence in found:
            if evidence is None:
                return None
            images += [row] * len(tokens)
            labels += tokens
            parts.append(evidence)
        if not parts:
            return None
        arrays = ([getattr(part, name) for part in parts] for name in ("prefix", "raised_by", "strength"))
        return cls(np.array(images, dtype=np.int64), np.array(labels, dtype=np.int64), *map(np.concatenate, arrays))


@dataclass(frozen=True)
class Evaluation:
    """A split's labels, the predictions for it, and the metrics; `truth` and `ignored` are bool (image, label)."""

    split: Split
    labels: tuple[str, ...]  # the columns, in the model's order
    truth: np.ndarray
    ignored: np.ndarray
    predictions: Predictions
    metrics: EvaluationReport
    steps: Steps | None = None  # where the evidence was asked for, of a model with a recurrence
    sizes: np.ndarray | None = None  # (image, label) share of the image in the label's largest box; NaN where unknown
    digests: tuple[str, ...] | None = None  # beginnings of the images' SHA-256, where they are recorded

    def __repr__(self) -> str:
        found = f"mAP {self.metrics['mAP']:.1f}, O-F1 {self.metrics['OF1']:.1f}"
        return f"<Evaluation on {on_one_line(self.split.name)}: {len(self.split.samples)} images, {found}>"


def evaluate(
    predictor: Predictor,
    split: Split,
    min_positives: int | None = None,
    threshold: float = 0.5,
    on_image: Callable[[Sample, Trace | str], None] = lambda sample, result: None,
    evidence: bool = False,
    sizes: Mapping[Path, dict[str, float]] | None = None,
) -> Evaluation:
    """Decode every image of a split and compare the predictions with its labels; `report` describes the metrics.

    `on_image` receives each image's trace, or the reason why the image can't be read. Such an image counts as one
    without predicted labels and is listed under ``errors``. `evidence` adds that of the best paths, in `steps`;
    `sizes` are those of `breakdown.object_sizes`. Raises DataError if the split has labels that the checkpoint doesn't
    know.
    """
    started = time.perf_counter()
    labels = predictor.labels
    truth, ignored = split.truth(labels)
    predictions = Predictions(len(truth), len(labels))
    errors: dict[str, str] = {}
    steps: list[tuple[int, Sequence[int], StepEvidence | None]] = []
    paths = [sample.image for sample in split.samples]
    for row, (path, result) in enumerate(predictor.predict(paths, evidence)):
        if isinstance(result, str):
            errors[str(path)] = result
        else:
            predictions.put(row, result)
            steps.append((row, result.paths[0].tokens, result.evidence))
        on_image(split.samples[row], result)
    metrics = report(truth, ignored, predictions, labels, min_positives, threshold)
    metrics["errors"] = errors
    metrics["seconds"] = time.perf_counter() - started
    by_image = None if sizes is None else [sizes.get(path, {}) for path in paths]
    return Evaluation(
        split, labels, truth, ignored, predictions, metrics, Steps.of(steps), _sizes_array(by_image, labels)
    )


def _sizes_array(by_image: Sequence[Mapping[str, float]] | None, labels: Sequence[str]) -> np.ndarray | None:
    if by_image is None or not any(by_image):
        return None
    rank = {label: index for index, label in enumerate(labels)}
    array = np.full((len(by_image), len(labels)), np.nan, dtype=np.float32)
    for row, shares in enumerate(by_image):
        for label, share in shares.items():
            if label in rank:
                array[row, rank[label]] = share
    return array


def image_record(sample: Sample, result: Trace | str, sizes: Mapping[str, float] | None = None) -> ImageRecord:
    """One line of the per-image JSONL: the labels and the prediction, or the reason why there is none; and the sizes
    of its objects, where boxes are known."""
    truth = {"image": str(sample.image), "truth": sorted(sample.labels), "ignored": sorted(sample.ignored)}
    found = {"error": result} if isinstance(result, str) else result.summary()
    return cast(ImageRecord, {**truth, **({"sizes": sizes} if sizes else {}), **found})


def read_records(
    lines: Iterable[str], name: str, min_positives: int | None = None, threshold: float = 0.5
) -> Evaluation:
    """Evaluate the predictions that `image_record` wrote, one image per line.

    `name` names the file in messages, and the split. Raises UserError for a line that `image_record` did not write.
    """
    records = [
        _parse_record(line, f"{name}: line {number}") for number, line in enumerate(lines, start=1) if line.strip()
    ]
    decoded = next((record for record in records if "error" not in record), None)
    if decoded is None:
        raise UserError(f"{name} contains no decoded image")
    labels = tuple(decoded["marginals"])
    rank = {label: index for index, label in enumerate(labels)}
    predictions = Predictions(len(records), len(labels))
    samples, errors = [], {}
    steps: list[tuple[int, Sequence[int], StepEvidence | None]] = []
    for row, record in enumerate(records):
        sample = Sample(Path(record["image"]), tuple(record["truth"]), tuple(record["ignored"]))
        if unknown := {*sample.labels, *sample.ignored, *record.get("labels", ())} - rank.keys():
            raise UserError(f"{name}: image {row + 1} has labels without a marginal: {', '.join(sorted(unknown))}")
        samples.append(sample)
        if "error" in record:
            errors[record["image"]] = record["error"]
        elif any(values.keys() != rank.keys() for values in _by_label(record)):
            raise UserError(f"{name}: image {row + 1} has marginals for other labels than the images before it")
        else:
            probabilities = record.get("probabilities", record["marginals"])
            predictions.probabilities[row] = [probabilities[label] for label in labels]
            predictions.marginals[row] = [record["marginals"][label] for label in labels]
            tokens = [rank[label] for label in record["labels"]]
            predictions.best_path[row, tokens] = True
            predictions.coverage[row] = record["coverage"]
            steps.append((row, tokens, _evidence(record, rank, name, row)))
    split = Split(name, labels, tuple(samples))
    truth, ignored = split.truth(labels)
    metrics = report(truth, ignored, predictions, labels, min_positives, threshold)
    metrics["errors"] = errors
    sizes = _sizes_array([record.get("sizes", {}) for record in records], labels)
    return Evaluation(split, labels, truth, ignored, predictions, metrics, Steps.of(steps), sizes)


def _evidence(record: ImageRecord, rank: dict[str, int], name: str, row: int) -> StepEvidence | None:
    """Raises UserError for evidence that is not of the record's labels."""
    if "evidence" not in record:
        return None
    try:
        evidence = StepEvidence.from_json(record["evidence"], rank)
        shapes = {values.shape for values in (evidence.prefix, evidence.raised_by, evidence.strength)}
        valid = shapes == {(len(record["labels"]),)} and bool(np.isfinite(evidence.prefix).all())
    except (KeyError, TypeError, ValueError, OverflowError):
        valid = False
    if not valid:
        raise UserError(f"{name}: the evidence of image {row + 1} is not that of its labels")
    return evidence


def _by_label(record: ImageRecord) -> list[dict[str, float]]:
    """The marginals of a record, and the probabilities that a calibrated checkpoint has besides."""
    return [record["marginals"], *([record["probabilities"]] if "probabilities" in record else [])]


def _parse_record(line: str, where: str) -> ImageRecord:
    """Parse one line of a JSONL file and check its types. Raises UserError for an invalid one."""

    def is_names(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(name, str) for name in value)

    def is_probability(value: object) -> bool:
        return isinstance(value, int | float) and 0 <= value <= 1

    try:
        record = json.loads(line)
        valid = isinstance(record["image"], str) and is_names(record["truth"]) and is_names(record["ignored"])
        valid &= isinstance(record["error"], str) if "error" in record else (
            is_names(record["labels"])
            and is_probability(record["coverage"])
            and all(is_probability(value) for values in _by_label(record) for value in values.values())
        )  # fmt: skip
        valid &= all(is_probability(share) for share in record.get("sizes", {}).values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        valid = False
    if not valid:
        raise UserError(f"{where} is not a record of an image; `cnnrnn evaluate --per-image` writes such files")
    return record


def report(
    truth: np.ndarray,
    ignored: np.ndarray,
    predictions: Predictions,
    labels: Sequence[str],
    min_positives: int | None = None,
    threshold: float = 0.5,
) -> EvaluationReport:
    """Metrics of decoded images; percentages 0-100. truth and ignored: bool (image, label).

    mAP and the per-label means CP, CR and CF1 are means over the labels with at least `min_positives` positives (by
    default `enough_positives`), which are the keys of AP. AP is non-interpolated; AP_eleven_point and AP_area follow
    VOC's two rules. OP … CF1, exact_match and hamming_loss evaluate the label set of the best path. Everything else is
    computed from the labels' probabilities (`Trace.probabilities`). top3 evaluates the three most probable labels of
    every image, as the paper's tables do; top3_at_most those of the three that reach `threshold`; above_threshold every
    label that reaches it. coverage is the mean probability of the paths that the search finished. best_threshold is the
    threshold with the highest O-F1 here, for use on another split. For a model with an auxiliary head, auxiliary has
    the metrics of its probabilities and mix those of their mean with the marginals; for a calibrated one, marginals has
    the metrics of the marginals.
    """
    positives = (truth & ~ignored).sum(axis=0)  # (label,)
    min_positives = enough_positives(truth, ignored) if min_positives is None else min_positives
    scored = positives >= min_positives  # (label,)
    best_path, probabilities = predictions.best_path, predictions.probabilities
    reaches_threshold, top3 = probabilities >= threshold, top_k(probabilities, 3)  # (image, label)

    def set_metrics(predicted: np.ndarray) -> PrecisionRecallF1:
        return precision_recall_f1(truth, predicted, ignored, scored)

    def score_metrics(scores: np.ndarray, mean_ap: float | None = None) -> ThresholdMetrics:
        predicted = scores >= threshold
        return {
            "mAP": _mean(average_precisions(truth, scores, ignored)[scored]) if mean_ap is None else mean_ap,
            "exact_match": exact_match(truth, predicted, ignored),
            **set_metrics(predicted),
        }

    ranking = _ranking_metrics(truth, probabilities, ignored, labels, scored)
    result: EvaluationReport = {
        "images": len(truth),
        "labels_scored": int(scored.sum()),
        "min_positives": min_positives,
        "threshold": threshold,
        "best_threshold": choose_threshold(truth, probabilities, ignored),
        **ranking,
        "positives": dict(zip(labels, positives.tolist(), strict=True)),
        **set_metrics(best_path),
        "top3": set_metrics(top3),
        "top3_at_most": set_metrics(top3 & reaches_threshold),
        "above_threshold": score_metrics(probabilities, ranking["mAP"]),
        "exact_match": exact_match(truth, best_path, ignored),
        "hamming_loss": hamming_loss(truth, best_path, ignored),
        "coverage": 100 * _mean(predictions.coverage),
        "calibration": calibration(truth, probabilities, ignored),
    }
    if predictions.auxiliary is not None:
        result["auxiliary"] = score_metrics(predictions.auxiliary)
        result["mix"] = score_metrics(ensemble(predictions.marginals, predictions.auxiliary))
    if not np.array_equal(probabilities, predictions.marginals):
        result["marginals"] = score_metrics(predictions.marginals)
    return result


def _ranking_metrics(
    truth: np.ndarray, scores: np.ndarray, ignored: np.ndarray, labels: Sequence[str], scored: np.ndarray
) -> RankingMetrics:
    """AP by every rule, of the labels that are `scored`, bool (label,), and MAP@10; arrays are (image, label)."""
    ap = {rule: average_precisions(truth, scores, ignored, rule)[scored] for rule in AP_RULES}
    names = [label for label, keep in zip(labels, scored, strict=True) if keep]
    return {
        "mAP": _mean(ap["non_interpolated"]),
        "mAP_eleven_point": _mean(ap["eleven_point"]),
        "mAP_area": _mean(ap["area"]),
        "MAP@10": map_at_k(truth & ~ignored, scores),
        "AP": dict(zip(names, ap["non_interpolated"].tolist(), strict=True)),
        "AP_eleven_point": dict(zip(names, ap["eleven_point"].tolist(), strict=True)),
        "AP_area": dict(zip(names, ap["area"].tolist(), strict=True)),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
