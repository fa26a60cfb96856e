"""Two models on the same images: what changed, and the metrics with their bootstrap intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnnrnn.data import Sample, Split
from cnnrnn.evaluation import paired
from cnnrnn.evaluation.evaluate import Evaluation, Predictions, report
from cnnrnn.evaluation.paired import differences, pair_evaluations
from cnnrnn.utils.errors import UserError

LABELS = tuple("abcdef")


def made(seed: int, error: float, labels: tuple[str, ...] = LABELS, images: int = 120) -> Evaluation:
    """Random predictions for images whose truth is the same for every seed; its own order of labels."""
    rng = np.random.default_rng(7)
    shape = (images, len(LABELS))
    truth, ignored = rng.random(shape) < [0.6, 0.4, 0.3, 0.2, 0.1, 0.02], rng.random(shape) < 0.1
    truth &= ~ignored
    rng = np.random.default_rng(seed)
    predictions = Predictions(*shape)
    predictions.best_path = truth ^ (rng.random(shape) < error)
    predictions.probabilities = np.round(0.5 * truth + 0.5 * rng.random(shape), 1).astype(np.float32)  # ties
    samples = tuple(
        Sample(Path(f"{row}.jpg"), *(tuple(LABELS[i] for i in np.flatnonzero(v[row])) for v in (truth, ignored)))
        for row in range(images)
    )
    order = [LABELS.index(label) for label in labels]
    truth, ignored = truth[:, order], ignored[:, order]
    for name in ("best_path", "probabilities"):
        setattr(predictions, name, getattr(predictions, name)[:, order])
    metrics = report(truth, ignored, predictions, labels)
    return Evaluation(Split("toy", labels, samples), labels, truth, ignored, predictions, metrics)


ONE, OTHER = made(1, 0.2), made(2, 0.1, labels=tuple("fbcade"))


def test_the_metrics_are_those_of_the_reports() -> None:
    found = differences(pair_evaluations(ONE, OTHER))
    assert list(found) == ["mAP", "OF1", "CF1", "exact_match"]
    for key, value in found.items():
        assert value.one == pytest.approx(ONE.metrics[key], abs=1e-3)
        assert value.other == pytest.approx(OTHER.metrics[key], abs=1e-3)
        assert value.low <= value.other - value.one <= value.high


def test_a_resample_has_the_metrics_of_its_images() -> None:
    rows = np.random.default_rng(5).integers(0, 120, 120)
    weights = np.bincount(rows, minlength=120)[:, None].astype(np.float32)
    scored = np.array([label in ONE.metrics["AP"] for label in LABELS])
    drawn = Predictions(120, 6)
    drawn.best_path, drawn.probabilities = ONE.predictions.best_path[rows], ONE.predictions.probabilities[rows]
    expected = report(ONE.truth[rows], ONE.ignored[rows], drawn, LABELS)
    assert list(expected["AP"]) == list(ONE.metrics["AP"])  # the same labels have enough positives
    found = paired._metrics(
        weights, ONE.truth, ONE.ignored, ONE.predictions.best_path, ONE.predictions.probabilities, scored
    )
    for key, values in found.items():
        assert values[0] == pytest.approx(expected[key], abs=1e-3)


def test_the_interval_is_that_of_a_bootstrap_over_images() -> None:
    both = pair_evaluations(ONE, OTHER)
    rng = np.random.default_rng(11)
    exact = [(found == both.truth) | both.ignored for found in both.predicted]
    gains = exact[1].all(axis=1).astype(float) - exact[0].all(axis=1)
    means = [100 * gains[rng.integers(0, 120, 120)].mean() for _ in range(4000)]
    low, high = np.percentile(means, (2.5, 97.5))
    found = differences(both, resamples=4000)["exact_match"]
    assert (found.low, found.high) == pytest.approx((low, high), abs=1.0)
    assert found == differences(both, resamples=4000)["exact_match"]  # seeded
    itself = differences(pair_evaluations(ONE, ONE))
    assert all(value.low == value.high == 0 for value in itself.values())  # paired: the same images in both


def test_changes_and_errors_are_counted_per_image() -> None:
    both = pair_evaluations(ONE, OTHER)
    assert both.labels == LABELS
    for row in range(120):
        sets = [{LABELS[i] for i in np.flatnonzero(found[row])} for found in both.predicted]
        sample = ONE.split.samples[row]
        assert both.changed[row] == (sets[0] != sets[1])
        assert [errors[row] for errors in both.errors] == [
            len((found ^ set(sample.labels)) - set(sample.ignored)) for found in sets
        ]


def test_the_label_sets_are_those_of_each_models_threshold_if_there_are_thresholds() -> None:
    thresholds = (0.7, 0.3)
    both = pair_evaluations(ONE, OTHER, thresholds)
    for found, evaluation, threshold in zip(both.predicted, (ONE, OTHER), thresholds, strict=True):
        order = [evaluation.labels.index(label) for label in both.labels]
        np.testing.assert_array_equal(found, evaluation.predictions.probabilities[:, order] >= threshold)
    at_threshold = report(ONE.truth, ONE.ignored, ONE.predictions, LABELS, threshold=0.7)["above_threshold"]
    found = differences(both)
    assert [found[key].one for key in ("OF1", "CF1", "exact_match")] == pytest.approx(
        [at_threshold[key] for key in ("OF1", "CF1", "exact_match")], abs=1e-3
    )
    assert found["mAP"] == differences(pair_evaluations(ONE, OTHER))["mAP"]  # it has no threshold


def test_only_shared_labels_and_only_the_same_images_are_compared() -> None:
    fewer = replace(OTHER, labels=("x", "b", "c", "y", "z", "w"))
    assert pair_evaluations(ONE, fewer).labels == ("b", "c")
    with pytest.raises(UserError, match="no label in common"):
        pair_evaluations(ONE, replace(OTHER, labels=tuple("uvwxyz")))
    with pytest.raises(UserError, match="different images"):
        pair_evaluations(ONE, made(2, 0.1, images=119))
    digests = tuple(map(str, range(120)))
    with pytest.raises(UserError, match="different images"):
        pair_evaluations(replace(ONE, digests=digests), replace(OTHER, digests=digests[::-1]))


def test_without_enough_positives_there_is_no_map() -> None:
    found = differences(pair_evaluations(ONE, OTHER), min_positives=1000)
    assert list(found) == ["OF1", "exact_match"]
