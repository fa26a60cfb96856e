from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnnrnn.checkpoint import Checkpoint, CheckpointError, read_results
from cnnrnn.data import Sample, Split, load_split
from cnnrnn.data.images import open_image
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.decoding.trace import Trace
from cnnrnn.evaluation.evaluate import evaluate
from cnnrnn.evaluation.record import record_choice, record_evaluation
from cnnrnn.evaluation.recorded import predictions_file
from cnnrnn.evaluation.temperature import best_temperature, choose, fit_calibration
from cnnrnn.inference.predictor import Predictor
from cnnrnn.models.sigmoid import SigmoidClassifier, SigmoidConfig
from cnnrnn.utils.calibration import calibrate
from cnnrnn.utils.errors import UserError


def first(root: Path, images: int) -> Split:
    split = load_split("scenes", root, "val")
    return replace(split, samples=split.samples[:images])


def test_the_temperature_divides_the_logits_of_every_step(loaded: Checkpoint) -> None:
    model = loaded.rnn
    feature, inputs = torch.randn(2, 1, model.backbone.feature_dim), torch.tensor([[model.start, 2, 0]] * 2)
    with torch.no_grad():
        logits = teacher_forced_logits(model, feature, inputs)
        model.config = replace(model.config, temperature=0.25)
        torch.testing.assert_close(teacher_forced_logits(model, feature, inputs), 4 * logits)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_temperature_is_refused(value: float, scenes_checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scenes_checkpoint, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    config["model"]["temperature"] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="temperature must be positive"):
        Checkpoint.load(folder)
    config["model"] |= {"temperature": 1.0, "calibration": [1, "high", 0]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="calibration must be three numbers"):
        Checkpoint.load(folder)


def test_reports_are_those_of_evaluations_with_each_setting(loaded: Checkpoint, scenes_root: Path) -> None:
    split, predictor = first(scenes_root, 40), Predictor(loaded, batch_size=16)
    done: list[int] = []
    choice = choose(predictor, split, (1.0, 3.0), done.append)
    assert done == [16, 16, 8]
    untouched = loaded.rnn.config
    assert (untouched.temperature, untouched.calibration) == (1.0, None)
    for temperature, report in choice.at_temperatures.items():
        loaded.rnn.config = replace(untouched, temperature=temperature)
        expected = evaluate(predictor, split).metrics
        assert {key: expected[key] for key in report} == report  # type: ignore[literal-required]
    assert choice.at_temperatures[1.0]["coverage"] > choice.at_temperatures[3.0]["coverage"] + 1
    loaded.rnn.config = replace(untouched, temperature=choice.temperature, calibration=choice.calibration)
    expected = evaluate(predictor, split).metrics
    assert {key: expected[key] for key in choice.report} == choice.report  # type: ignore[literal-required]
    # A second choice does not build on the first one's calibration.
    assert choose(predictor, split, (1.0, 3.0)) == choice


def test_an_unreadable_image_ends_the_choice_and_leaves_the_model_as_it_was(
    loaded: Checkpoint, scenes_root: Path, tmp_path: Path
) -> None:
    split = first(scenes_root, 3)
    (tmp_path / "bad.png").write_bytes(b"no image")
    split = replace(split, samples=(*split.samples, Sample(tmp_path / "bad.png", ())))
    with pytest.raises(UserError, match=r"bad\.png"):
        choose(Predictor(loaded), split, (0.5,))
    assert loaded.rnn.config.temperature == 1.0


def test_a_calibration_is_fitted_to_the_observed_frequencies() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(200_000)
    truth = rng.random(200_000) < right
    overconfident = right**2 / (right**2 + (1 - right) ** 2)  # log-odds twice what they should be
    a, b, c = fit_calibration(truth, overconfident)
    assert (a, b, c) == pytest.approx((0.5, 0.5, 0.0), abs=0.02)
    # Of the lowest probabilities more are right than of the middle ones: a would be negative, and is left out.
    truth = np.concatenate([np.arange(1000) % 10 < tenths for tenths in (3, 1, 9)])
    a, b, _ = fit_calibration(truth, np.repeat([0.001, 0.5, 0.999], 1000))
    assert a == 0
    assert b > 0


@pytest.mark.parametrize(
    "truth", [np.zeros(4, dtype=bool), np.ones(4, dtype=bool), np.array([True, True, False, False])]
)
def test_what_cant_be_calibrated_is_refused(truth: np.ndarray) -> None:
    with pytest.raises(UserError, match="calibrat"):
        fit_calibration(truth, np.array([0.1, 0.2, 0.8, 0.9]))


def test_the_best_temperature_is_the_highest_within_the_tolerance() -> None:
    reports: dict[float, Any] = {1.0: {"OF1": 50.0, "exact_match": 30.0}, 2.0: {"OF1": 50.0, "exact_match": 31.0}}
    assert best_temperature(reports) == 2.0
    reports[1.0]["exact_match"] = 31.5
    assert best_temperature(reports) == 2.0  # 0.25 below the best, but higher
    reports[1.0]["exact_match"] = 31.7
    assert best_temperature(reports) == 1.0


def test_the_choice_is_recorded_and_older_evaluations_are_dropped(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(scenes_checkpoint, tmp_path / "model"))
    split = first(scenes_root, 20)
    choice = choose(Predictor(folder), split, (1.0, 2.0))
    record_evaluation(folder, "scenes val", {**evaluate(Predictor(folder), split).metrics, "command": "x"})
    record_choice(folder, replace(choice, temperature=2.0))
    config = Checkpoint.load(folder).rnn.config
    assert (config.temperature, config.calibration) == (2.0, choice.calibration)
    results = read_results(folder)
    assert results["val"] == choice.report
    assert results["evaluations"] == {}
    assert "temperature 2, probabilities calibrated" in (folder / "README.md").read_text()
    record_evaluation(folder, "scenes val", {**evaluate(Predictor(folder), split).metrics, "command": "x"})
    predictions = predictions_file(folder, "scenes val")
    predictions.touch()
    record_choice(folder, replace(choice, temperature=2.0))  # the same again: the evaluation still holds
    assert list(read_results(folder)["evaluations"]) == ["scenes val"]
    assert predictions.exists()
    record_choice(folder, replace(choice, temperature=2.0, calibration=(1.0, 1.0, 0.0)))
    assert read_results(folder)["evaluations"] == {}
    assert not predictions.exists()


def test_the_baseline_is_calibrated_and_predicts_what_it_did(
    loaded: Checkpoint, scenes_root: Path, tmp_path: Path
) -> None:
    split = first(scenes_root, 60)
    paths, folder = [sample.image for sample in split.samples], tmp_path / "model"
    model = SigmoidClassifier(SigmoidConfig(len(loaded.vocabulary.labels)), loaded.model.backbone).eval()
    images = torch.stack([model.backbone.pixels(open_image(path)) for path in paths])
    x = model.image_feature(model.backbone(images))[:, 0].detach()  # (image, feature)
    wanted = torch.from_numpy(split.truth(loaded.vocabulary.labels)[0]).float() - 0.7
    model.classifier.weight.data = torch.linalg.solve(x.T @ x + 10 * torch.eye(x.shape[1]), x.T @ wanted).T.contiguous()
    model.classifier.bias.data.zero_()
    model.threshold.fill_(0.45)
    Checkpoint(model, loaded.vocabulary, {}, "").save(folder, {"history": []}, "")

    def predicted() -> list[Trace]:
        return [trace for _, trace in Predictor(folder).predict(paths) if isinstance(trace, Trace)]

    before = predicted()
    choice = choose(Predictor(folder), split)
    assert list(choice.at_temperatures) == [1.0]
    record_choice(folder, choice)
    assert Checkpoint.load(folder).model.config.calibration == choice.calibration
    assert "the validation split, probabilities calibrated" in (folder / "README.md").read_text(encoding="utf-8")
    for old, new in zip(before, predicted(), strict=True):
        assert new.paths[0].tokens == old.paths[0].tokens  # the threshold is of the sigmoids
        np.testing.assert_allclose(new.marginals, old.marginals, atol=1e-6)
        np.testing.assert_allclose(new.probabilities, calibrate(old.marginals, choice.calibration), atol=1e-5)
    assert choice.report["calibration"]["ece"] < choice.at_temperatures[1.0]["calibration"]["ece"]
