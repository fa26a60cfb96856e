"""An evaluation that was written image by image is the same when it is read again, and a bad file is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Sample, Split, load_split
from cnnrnn.decoding.trace import Path as SearchPath
from cnnrnn.decoding.trace import Trace
from cnnrnn.evaluation.evaluate import Predictions, evaluate, image_record, read_records, report
from cnnrnn.evaluation.metrics import (
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
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.utils.errors import UserError


def test_the_records_of_an_evaluation_give_it_back(loaded: Checkpoint, scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "val")
    lines: list[str] = []
    done = evaluate(Predictor(loaded), split, on_image=lambda *one: lines.append(json.dumps(image_record(*one))))
    again = read_records(lines, "val")
    del done.metrics["seconds"]
    assert json.dumps(again.metrics) == json.dumps(done.metrics)
    np.testing.assert_array_equal(again.predictions.best_path, done.predictions.best_path)


GOOD = {
    "image": "a.jpg", "truth": ["cat"], "ignored": [], "labels": ["cat"], "coverage": 1.0,
    "marginals": {"cat": 0.9, "dog": 0.2},
}  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["{"], "line 1 is not a record"),
        ([json.dumps(GOOD), "[1, 2]"], "line 2 is not a record"),
        ([json.dumps({**GOOD, "coverage": "all"})], "line 1 is not a record"),
        ([json.dumps({**GOOD, "marginals": {"cat": 1.5}})], "line 1 is not a record"),
        (["[" * 100_000], "line 1 is not a record"),
        ([json.dumps({**GOOD, "truth": ["horse"]})], "labels without a marginal: horse"),
        ([json.dumps(GOOD), json.dumps({**GOOD, "marginals": {"cat": 0.1}})], "image 2 has marginals for other"),
        ([json.dumps({"image": "a.jpg", "truth": [], "ignored": [], "error": "damaged"})], "no decoded image"),
        ([], "no decoded image"),
    ],
)
def test_an_invalid_evaluation_file_is_refused_by_its_line(lines: list[str], why: str) -> None:
    with pytest.raises(UserError, match=why):
        read_records(lines, "file")


def test_an_unreadable_image_counts_as_without_prediction() -> None:
    failed = {"image": "b.jpg", "truth": ["dog"], "ignored": [], "error": "damaged"}
    evaluation = read_records([json.dumps(GOOD), json.dumps(failed), ""], "file", min_positives=1)
    assert evaluation.metrics["images"] == 2
    assert evaluation.metrics["errors"] == {"b.jpg": "damaged"}
    assert evaluation.metrics["exact_match"] == 50


LABELS = ("a", "b", "c", "d", "e")


def random_report(
    auxiliary: bool = False, **settings: Any
) -> tuple[dict[str, Any], np.ndarray, np.ndarray, Predictions]:
    """A report of 40 random images, their truth, what of it is ignored, and the predictions."""
    rng = np.random.default_rng(3)
    truth, ignored = rng.random((40, 5)) < [0.6, 0.4, 0.3, 0.2, 0.05], rng.random((40, 5)) < 0.15
    predictions = Predictions(40, 5)
    predictions.probabilities[:] = np.round(0.4 * truth + 0.6 * rng.random((40, 5)), 2)
    predictions.marginals[:] = np.round(rng.random((40, 5)), 2)
    predictions.best_path[:] = truth ^ (rng.random((40, 5)) < 0.2)
    predictions.coverage[:] = rng.random(40)
    if auxiliary:
        predictions.auxiliary = np.round(rng.random((40, 5)), 2).astype(np.float32)
    return report(truth, ignored, predictions, LABELS, **settings), truth, ignored, predictions


@pytest.mark.parametrize(("min_positives", "threshold"), [(5, 0.5), (1, 0.7), (11, 0.3), (1000, 0.5)])
def test_a_report_judges_each_prediction_by_its_own_rule(min_positives: int, threshold: float) -> None:
    found, truth, ignored, predictions = random_report(min_positives=min_positives, threshold=threshold)
    positives = (truth & ~ignored).sum(axis=0)
    scored = positives >= min_positives
    names = [label for label, keep in zip(LABELS, scored, strict=True) if keep]
    probs, best_path = predictions.probabilities, predictions.best_path
    assert (found["images"], found["labels_scored"], found["min_positives"]) == (40, len(names), min_positives)
    assert found["threshold"] == threshold
    assert found["positives"] == dict(zip(LABELS, positives.tolist(), strict=True))
    for rule, suffix in (("non_interpolated", ""), ("eleven_point", "_eleven_point"), ("area", "_area")):
        values = average_precisions(truth, probs, ignored, rule)[scored]
        assert found[f"AP{suffix}"] == dict(zip(names, values.tolist(), strict=True))
        assert found[f"mAP{suffix}"] == pytest.approx(values.mean() if names else 0)
    assert found["MAP@10"] == map_at_k(truth & ~ignored, probs, 10)
    assert found["best_threshold"] == choose_threshold(truth, probs, ignored)

    def six(predicted: np.ndarray) -> dict[str, float]:
        return precision_recall_f1(truth, predicted, ignored, scored)

    likely, three = probs >= threshold, top_k(probs, 3)
    assert six(best_path).items() <= found.items()
    assert found["top3"] == six(three)
    assert found["top3_at_most"] == six(three & likely)
    exact = {"mAP": found["mAP"], "exact_match": exact_match(truth, likely, ignored)}
    assert found["above_threshold"] == {**exact, **six(likely)}
    assert found["exact_match"] == exact_match(truth, best_path, ignored)
    assert found["hamming_loss"] == hamming_loss(truth, best_path, ignored)
    assert found["coverage"] == pytest.approx(100 * predictions.coverage.mean())
    assert found["calibration"] == calibration(truth, probs, ignored)
    assert found.keys().isdisjoint({"auxiliary", "mix"})
    assert found["marginals"]["mAP"] == pytest.approx(
        average_precisions(truth, predictions.marginals, ignored)[scored].mean() if names else 0
    )
    json.dumps(found)
    predictions.probabilities = predictions.marginals
    assert "marginals" not in report(truth, ignored, predictions, LABELS)


def test_a_report_has_its_documented_defaults_and_counts_a_label_from_exactly_enough_positives() -> None:
    found, *_ = random_report()
    assert (found["min_positives"], found["threshold"]) == (5, 0.5)
    number = found["positives"]["c"]
    assert "c" in random_report(min_positives=number)[0]["AP"]
    assert "c" not in random_report(min_positives=number + 1)[0]["AP"]


def test_a_report_judges_the_auxiliary_head_and_its_mean_with_the_marginals() -> None:
    found, truth, ignored, predictions = random_report(auxiliary=True, threshold=0.4)
    scored = (truth & ~ignored).sum(axis=0) >= 5
    assert predictions.auxiliary is not None
    mean = (predictions.auxiliary + predictions.marginals) / 2
    for key, scores in (("auxiliary", predictions.auxiliary), ("mix", mean)):
        assert found[key] == {
            "mAP": pytest.approx(average_precisions(truth, scores, ignored)[scored].mean()),
            "exact_match": exact_match(truth, scores >= 0.4, ignored),
            **precision_recall_f1(truth, scores >= 0.4, ignored, scored),
        }


def trace(tokens: tuple[int, ...], marginals: list[float], auxiliary: list[float] | None = None) -> Trace:
    paths = (SearchPath(tokens, -0.1, ()), SearchPath((2,), -3.0, ()))
    beside = None if auxiliary is None else np.array(auxiliary)
    return Trace(("a", "b", "c"), 8, (), paths, np.array(marginals), 0.75, auxiliary=beside)


def test_predictions_take_the_best_path_the_marginals_and_the_coverage_of_each_trace() -> None:
    predictions = Predictions(3, 3)
    predictions.put(1, trace((1, 0), [0.5, 0.25, 0.125]))
    assert predictions.auxiliary is None
    assert predictions.best_path.tolist() == [[False] * 3, [True, True, False], [False] * 3]
    assert predictions.marginals.tolist() == [[0, 0, 0], [0.5, 0.25, 0.125], [0, 0, 0]]
    assert predictions.probabilities.tolist() == predictions.marginals.tolist()
    predictions.put(1, replace(trace((1, 0), [0.5, 0.25, 0.125]), calibrated=np.array([0.75, 0.5, 0.25])))
    assert predictions.probabilities[1].tolist() == [0.75, 0.5, 0.25]
    assert predictions.coverage.tolist() == [0, 0.75, 0]
    predictions.put(0, trace((), [0, 0, 0], [0.5, 0, 0.25]))
    predictions.put(2, trace((2,), [0, 0, 1], [0, 0.75, 0]))
    assert predictions.auxiliary is not None
    assert predictions.auxiliary.tolist() == [[0.5, 0, 0.25], [0, 0, 0], [0, 0.75, 0]]
    assert predictions.best_path.tolist() == [[False] * 3, [True, True, False], [False, False, True]]


@pytest.mark.parametrize("auxiliary", [None, [0.5, 0.25, 0.0]])
@pytest.mark.parametrize("mine", [0, 1])
def test_predictions_of_several_processes_are_put_together(mine: int, auxiliary: list[float] | None) -> None:
    """Each of two processes has one image; `total` is the sum over both."""
    parts = [Predictions(2, 3), Predictions(2, 3)]
    parts[0].put(0, trace((1,), [0.5, 0.25, 0], auxiliary))
    other = Predictions(2, 3)
    if mine == 0:
        other.put(1, trace((0, 2), [0.125, 0, 1], auxiliary))  # else the other has no image, and no auxiliary array
    parts[1] = other

    def values(predictions: Predictions) -> list[np.ndarray]:
        has = np.array([predictions.auxiliary is not None], dtype=np.uint8)
        beside = np.zeros_like(predictions.marginals) if predictions.auxiliary is None else predictions.auxiliary
        probs, best_path = predictions.probabilities, predictions.best_path.astype(np.uint8)
        return [probs, predictions.marginals, predictions.coverage, best_path, has, beside]

    for here, there in ((parts[0], parts[1]), (parts[1], parts[0])):
        arrays = iter([one.copy() for one in values(there)])
        copy = Predictions(2, 3)
        copy.probabilities, copy.marginals = here.probabilities, here.marginals
        copy.coverage, copy.best_path = here.coverage, here.best_path
        copy.auxiliary = here.auxiliary
        copy.all_reduce(lambda array, arrays=arrays: array + next(arrays))
        assert copy.best_path.dtype == bool
        assert copy.best_path[0].tolist() == [False, True, False]
        assert copy.best_path[1].tolist() == ([True, False, True] if mine == 0 else [False] * 3)
        assert copy.marginals[0].tolist() == [0.5, 0.25, 0]
        assert copy.marginals[1].tolist() == ([0.125, 0, 1] if mine == 0 else [0, 0, 0])
        assert copy.probabilities.tolist() == copy.marginals.tolist()  # these traces are not calibrated
        assert copy.coverage.tolist() == ([0.75, 0.75] if mine == 0 else [0.75, 0])
        if auxiliary is None:
            assert copy.auxiliary is None
        else:
            assert copy.auxiliary is not None
            assert copy.auxiliary.tolist() == [auxiliary, auxiliary if mine == 0 else [0, 0, 0]]


@pytest.fixture
def small_split(scenes_root: Path, tmp_path: Path) -> Split:
    """Five scenes and, among them, one file that is no image."""
    whole = load_split("scenes", scenes_root, "val")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not an image")
    samples = (*whole.samples[:3], Sample(broken, ("star",), ("cross",)), *whole.samples[3:5])
    return replace(whole, samples=samples)


def small_checkpoint(split: Split) -> Checkpoint:
    return new_checkpoint(
        split, "test_byobnet", 64, False, 0, torch.device("cpu"), embedding_dim=8, hidden_dim=8, auxiliary=True
    )  # fmt: skip


def test_an_evaluation_is_the_report_of_each_images_prediction(small_split: Split) -> None:
    checkpoint = small_checkpoint(small_split)
    checkpoint.model.eval()
    results: list[tuple[Sample, Trace | str]] = []
    predictor = Predictor(checkpoint, beam=3, batch_size=2)
    done = evaluate(predictor, small_split, 1, 0.2, on_image=lambda *one: results.append(one))
    expected = list(
        Predictor(checkpoint, beam=3, batch_size=32).predict([sample.image for sample in small_split.samples])
    )
    truth, ignored = small_split.truth(checkpoint.vocabulary.labels)
    predictions = Predictions(6, 6)
    assert [sample for sample, _ in results] == list(small_split.samples)
    for row, ((_, result), (_, wanted)) in enumerate(zip(results, expected, strict=True)):
        if row == 3:
            assert result == wanted
            assert isinstance(wanted, str)
            continue
        assert isinstance(wanted, Trace)
        predictions.put(row, wanted)
    assert list(done.metrics["errors"]) == [str(small_split.samples[3].image)]
    assert 0 < done.metrics.pop("seconds") < 60
    assert done.metrics.pop("errors")[str(small_split.samples[3].image)] == results[3][1]
    wanted_report = report(truth, ignored, predictions, checkpoint.vocabulary.labels, 1, 0.2)
    assert json.loads(json.dumps(done.metrics)) == approximately(json.loads(json.dumps(wanted_report)))
    assert (done.split, done.labels) == (small_split, checkpoint.vocabulary.labels)
    np.testing.assert_array_equal(done.truth, truth)
    np.testing.assert_array_equal(done.ignored, ignored)
    np.testing.assert_array_equal(done.predictions.best_path, predictions.best_path)
    other = evaluate(Predictor(checkpoint, beam=1), small_split).metrics
    assert other["coverage"] != pytest.approx(done.metrics["coverage"])
    assert (other["min_positives"], other["threshold"]) == (1, 0.5)


def approximately(value: Any) -> Any:
    """The same JSON with every number compared up to rounding."""
    if isinstance(value, dict):
        return {key: approximately(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [approximately(inner) for inner in value]
    return pytest.approx(value, abs=1e-3) if isinstance(value, float) else value


def test_the_defaults_of_an_evaluation_are_a_beam_of_eight_with_recurrence(small_split: Split) -> None:
    checkpoint = small_checkpoint(small_split)
    with torch.no_grad():
        checkpoint.rnn.label_embedding *= 5  # so that what was emitted matters
        checkpoint.rnn.U_o.weight *= 5
    checkpoint.model.eval()

    def coverage(**settings: Any) -> list[float]:
        return evaluate(Predictor(checkpoint, **settings), small_split).predictions.coverage.tolist()

    assert coverage() == pytest.approx(coverage(beam=8, recurrence=True))
    assert coverage() != pytest.approx(coverage(beam=7))
    assert coverage() != pytest.approx(coverage(recurrence=False))
    images = []

    def forward(batch: torch.Tensor) -> torch.Tensor:
        images.append(len(batch))
        return 2 * checkpoint.model.backbone(batch)

    predictor = Predictor(checkpoint, batch_size=2)
    predictor.forward = forward  # another engine
    assert evaluate(predictor, small_split).predictions.coverage.tolist() != pytest.approx(coverage())
    assert images == [2, 1, 2]  # the fourth of six can't be read


def test_an_image_record_holds_truth_and_outcome() -> None:
    sample = Sample(Path("folder/a.png"), ("dog", "cat"), ("tree", "bird"))
    truth = {"image": "folder/a.png", "truth": ["cat", "dog"], "ignored": ["bird", "tree"]}
    assert image_record(sample, "damaged") == {**truth, "error": "damaged"}
    decoded = trace((1,), [0.1, 0.8, 0.2])
    assert image_record(sample, decoded) == {**truth, **decoded.summary()}


def test_records_are_read_with_their_own_labels_order_and_settings() -> None:
    second = {
        "image": "b.jpg", "truth": ["dog"], "ignored": ["cat"], "labels": [], "coverage": 0.5,
        "marginals": {"dog": 0.75, "cat": 0.25},
    }  # fmt: skip
    lines = ["", json.dumps(GOOD), json.dumps(second)]
    found = read_records(lines, "name", 1, 0.8)
    assert found.labels == ("cat", "dog")
    assert found.split.name == "name"
    assert found.split.labels == ("cat", "dog")
    assert found.split.samples == (Sample(Path("a.jpg"), ("cat",), ()), Sample(Path("b.jpg"), ("dog",), ("cat",)))
    assert found.truth.tolist() == [[True, False], [False, True]]
    assert found.ignored.tolist() == [[False, False], [True, False]]
    np.testing.assert_allclose(found.predictions.marginals, [[0.9, 0.2], [0.25, 0.75]])
    assert found.predictions.best_path.tolist() == [[True, False], [False, False]]
    assert found.predictions.coverage.tolist() == [1, 0.5]
    expected = report(found.truth, found.ignored, found.predictions, found.labels, 1, 0.8)
    assert found.metrics == {**expected, "errors": {}}
    default = read_records(lines, "name").metrics
    assert (default["min_positives"], default["threshold"]) == (1, 0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"image": 3}, {"truth": "cat"}, {"truth": [1]}, {"ignored": None}, {"labels": "cat"}, {"labels": [2]},
        {"coverage": 1.01}, {"coverage": -0.01}, {"coverage": None}, {"marginals": ["cat"]}, {"error": 5},
        {"probabilities": {"cat": 0.5, "dog": 2}}, {"probabilities": 0.5},
        {"marginals": {"cat": "0.5"}}, {"marginals": {"cat": -0.1}}, {"marginals": {"cat": 0.5, "dog": 1.01}},
    ],
)  # fmt: skip
def test_a_record_of_other_types_or_figures_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="file: line 2 is not a record of an image"):
        read_records([json.dumps(GOOD), json.dumps({**GOOD, **change})], "file")


@pytest.mark.parametrize("missing", GOOD)
def test_a_record_without_a_field_is_refused(missing: str) -> None:
    record = {key: value for key, value in GOOD.items() if key != missing}
    with pytest.raises(UserError, match="file: line 3 is not a record of an image"):
        read_records([json.dumps(GOOD), "", json.dumps(record)], "file")


def test_extreme_probabilities_are_read_and_unknown_labels_named() -> None:
    edge = {**GOOD, "coverage": 0, "marginals": {"cat": 0, "dog": 1}}
    assert read_records([json.dumps(edge)], "file").predictions.marginals.tolist() == [[0, 1]]
    for field in ("truth", "ignored", "labels"):
        lines = [json.dumps(GOOD), json.dumps({**GOOD, field: ["zebra", "horse"]})]
        with pytest.raises(UserError, match=r"file: image 2 has labels without a marginal: horse, zebra"):
            read_records(lines, "file")


def test_the_average_precision_is_computed_once_for_each_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counting(*arguments: Any) -> Any:
        calls.append("")
        return average_precisions(*arguments)

    monkeypatch.setattr("cnnrnn.evaluation.evaluate.average_precisions", counting)
    metrics = read_records([json.dumps(GOOD)], "file", min_positives=1).metrics
    assert len(calls) == 3
    assert metrics["above_threshold"]["mAP"] == metrics["mAP"]
