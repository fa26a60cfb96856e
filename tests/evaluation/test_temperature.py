from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cnnrnn.checkpoint import Checkpoint, CheckpointError, read_results
from cnnrnn.data import Sample, Split, load_split
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.evaluation.evaluate import evaluate
from cnnrnn.evaluation.record import record_evaluation, record_temperature
from cnnrnn.evaluation.temperature import best_temperature, evaluate_temperatures
from cnnrnn.inference.predictor import Predictor
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


def test_reports_are_those_of_evaluations_at_each_temperature(loaded: Checkpoint, scenes_root: Path) -> None:
    split, predictor = first(scenes_root, 40), Predictor(loaded, batch_size=16)
    done: list[int] = []
    found = evaluate_temperatures(predictor, split, (1.0, 3.0), done.append)
    assert done == [16, 16, 8]
    assert loaded.rnn.config.temperature == 1.0
    for temperature, report in found.items():
        loaded.rnn.config = replace(loaded.rnn.config, temperature=temperature)
        expected = evaluate(predictor, split).metrics
        assert {key: expected[key] for key in report} == report  # type: ignore[literal-required]
    assert found[1.0]["coverage"] > found[3.0]["coverage"] + 1


def test_an_unreadable_image_ends_the_choice_and_leaves_the_model_as_it_was(
    loaded: Checkpoint, scenes_root: Path, tmp_path: Path
) -> None:
    split = first(scenes_root, 3)
    (tmp_path / "bad.png").write_bytes(b"no image")
    split = replace(split, samples=(*split.samples, Sample(tmp_path / "bad.png", ())))
    with pytest.raises(UserError, match=r"bad\.png"):
        evaluate_temperatures(Predictor(loaded), split, (0.5,))
    assert loaded.rnn.config.temperature == 1.0


def test_the_chosen_temperature_is_recorded_and_older_evaluations_are_dropped(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(scenes_checkpoint, tmp_path / "model"))
    predictor, split = Predictor(folder), first(scenes_root, 20)
    record_evaluation(folder, "scenes val", {**evaluate(predictor, split).metrics, "command": "x"})
    reports = evaluate_temperatures(predictor, split, (1.0, 2.0))
    reports[2.0]["exact_match"] = 101.0
    reports[2.0]["OF1"] = reports[1.0]["OF1"]
    assert best_temperature(reports) == 2.0
    reports[1.0]["exact_match"] = 101.5
    assert best_temperature(reports) == 2.0  # 0.25 below the best, but higher
    reports[1.0]["exact_match"] = 101.7
    assert best_temperature(reports) == 1.0
    record_temperature(folder, 2.0, reports)
    assert Checkpoint.load(folder).rnn.config.temperature == 2.0
    results = read_results(folder)
    assert results["val"] == reports[2.0]
    assert results["evaluations"] == {}
    assert "temperature 2" in (folder / "README.md").read_text()
    record_evaluation(folder, "scenes val", {**evaluate(Predictor(folder), split).metrics, "command": "x"})
    record_temperature(folder, 2.0, reports)  # the same again: the evaluation still holds
    assert list(read_results(folder)["evaluations"]) == ["scenes val"]
