"""What a run leaves: the best epoch, how it was trained, and reports of the validation split."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_helpers import (
    Fit,
    RecordingOptimizer,
    RecordingWatcher,
    features,
    small,
    train_small,
    untrained,
)

import cnnrnn
from cnnrnn.checkpoint import Checkpoint, read_results
from cnnrnn.data import Split, load_split
from cnnrnn.evaluation.evaluate import evaluate
from cnnrnn.evaluation.metrics import choose_threshold, precision_recall_f1
from cnnrnn.inference.predictor import Predictor
from cnnrnn.label_space.groups import group_report
from cnnrnn.training.config import TrainConfig
from cnnrnn.training.loop import train
from cnnrnn.training.optim import OPTIMIZERS


@pytest.fixture
def wandering(monkeypatch: pytest.MonkeyPatch) -> None:
    """An optimizer that sets the weights to random ones: epochs are good and bad at haphazard."""

    def make(groups: list[dict[str, Any]], lr: float, weight_decay: float) -> RecordingOptimizer:
        recorder, rng = RecordingOptimizer(groups, lr, weight_decay), torch.Generator().manual_seed(14)

        def act(parameters: list[nn.Parameter]) -> None:
            for parameter in parameters:
                parameter.copy_(torch.randn(parameter.shape, generator=rng))

        recorder.act = act
        return recorder

    monkeypatch.setitem(OPTIMIZERS, "wandering", make)


def test_best_is_the_epoch_with_the_highest_mean_of_map_and_f1(
    small_split: Split, scenes_root: Path, wandering: None, tmp_path: Path
) -> None:
    val = small(load_split("scenes", scenes_root, "val"), 30)
    config, watcher = TrainConfig(epochs=12, optimizer="wandering"), RecordingWatcher()
    run = train(untrained(small_split), small_split, val, config, tmp_path / "run", tmp_path / "features", watcher)
    assert run.history == watcher.records
    assert [record["epoch"] for record in run.history] == list(range(1, 13))
    keys = ("mAP", "OF1", "CF1", "exact_match")
    validated = (*keys, "labels_scored", "labels")
    assert [list(record) for record in run.history] == [
        ["epoch", "loss", "seconds", *(f"val_{key}" for key in validated)]
    ] * 12
    assert all(0 < record["seconds"] < 60 for record in run.history)
    scores = {rule: np.array([rule(record) for record in run.history]) for rule in RULES}
    best = {rule.__name__: int(values.argmax()) + 1 for rule, values in scores.items()}
    assert best["mean"] not in (1, best["mean_ap"], best["f1"], best["per_label_f1"], best["last"])
    assert run.best == pytest.approx(scores[mean].max())
    for name, epoch in (("best", best["mean"]), ("last", 12)):
        checkpoint = Checkpoint.load(tmp_path / "run" / name)
        assert checkpoint.training["epochs_done"] == epoch
        results = json.loads((tmp_path / "run" / name / "metrics.json").read_text())
        assert results["history"] == run.history[:epoch]
        assert {f"val_{key}": results["val"][key] for key in keys}.items() <= run.history[epoch - 1].items()
        again = evaluate(Predictor(checkpoint), val).metrics
        assert again["mAP"] == pytest.approx(results["val"]["mAP"], abs=0.5)  # its weights have 16 bits on the disk


def mean(record: dict) -> float:
    return (record["val_mAP"] + record["val_OF1"]) / 2


def mean_ap(record: dict) -> float:
    return record["val_mAP"]


def f1(record: dict) -> float:
    return record["val_OF1"]


def per_label_f1(record: dict) -> float:
    return record["val_mAP"] + record["val_CF1"]


def last(record: dict) -> float:
    return record["epoch"]


RULES = (mean, mean_ap, f1, per_label_f1, last)


def test_best_moves_where_no_label_has_five_positives(
    small_split: Split, fit: Fit, recorders: list[RecordingOptimizer]
) -> None:
    few = replace(small_split, samples=small_split.samples[:4])
    run, _ = fit(untrained(small_split), small_split, val=few)
    assert run.history[0]["val_mAP"] > 0
    occur = {label for sample in few.samples for label in sample.labels}
    assert (run.history[0]["val_labels_scored"], run.history[0]["val_labels"]) == (len(occur), 6)


def test_of_equal_epochs_the_first_is_best(
    small_split: Split, recorders: list[RecordingOptimizer], fit: Fit, tmp_path: Path
) -> None:
    fit(untrained(small_split), small_split, epochs=3)
    (folder,) = tmp_path.glob("fit-*")
    assert Checkpoint.load(folder / "best").training["epochs_done"] == 1
    assert Checkpoint.load(folder / "last").training["epochs_done"] == 3


def test_a_checkpoint_says_how_it_was_trained(
    small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    checkpoint = untrained(small_split)
    checkpoint.training["source"] = "kept"
    fit(checkpoint, small_split, epochs=2, lr=0.5)
    found = checkpoint.training
    assert found["config"] == asdict(TrainConfig(epochs=2, lr=0.5, batch_size=8, optimizer="recorder"))
    assert (found["train_split"], found["train_images"], found["epochs_done"]) == ("scenes train", 20, 2)
    assert (found["pretrained"], found["order"], found["source"]) == (False, "frequent", "kept")
    assert found["versions"].keys() == {"cnnrnn", "python", "torch", "torchvision"}
    assert found["versions"]["torch"] == torch.__version__
    assert found["versions"]["cnnrnn"] == cnnrnn.__version__


@pytest.mark.parametrize("settings", [{}, {"backbone_lr": 1e-3}])
@pytest.mark.parametrize("beam", [1, 8])
def test_validation_is_an_evaluation_with_the_beam_of_the_configuration(
    beam: int,
    settings: dict,
    small_split: Split,
    scenes_root: Path,
    recorders: list[RecordingOptimizer],
    tmp_path: Path,
) -> None:
    val = small(load_split("scenes", scenes_root, "val"), 30)
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 3 == 0 else ()) for n, s in enumerate(val.samples)]
    val, checkpoint = replace(val, samples=tuple(samples)), untrained(small_split, auxiliary=True)
    config = TrainConfig(epochs=1, optimizer="recorder", beam=beam, **settings)
    train(checkpoint, small_split, val, config, tmp_path / "run", tmp_path / "features", RecordingWatcher())
    found = json.loads((tmp_path / "run" / "last" / "metrics.json").read_text())["val"]
    checkpoint.model.eval()
    expected = evaluate(Predictor(checkpoint, beam=beam), val).metrics
    for key in ("images", "mAP", "OF1", "CF1", "exact_match", "coverage", "hamming_loss", "positives", "AP"):
        assert found[key] == pytest.approx(expected[key], abs=0.01), key
    assert found["coverage"] != pytest.approx(evaluate(Predictor(checkpoint, beam=4), val).metrics["coverage"])


def test_the_baselines_threshold_is_chosen_on_the_validation_split_and_judged_there(
    small_split: Split, scenes_root: Path, recorders: list[RecordingOptimizer], tmp_path: Path
) -> None:
    val = small(load_split("scenes", scenes_root, "val"), 40)
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 3 == 0 else ()) for n, s in enumerate(val.samples)]
    val, checkpoint = replace(val, samples=tuple(samples)), untrained(small_split, "sigmoid")
    with torch.no_grad():
        checkpoint.model.classifier.weight *= 30
    config = TrainConfig(epochs=1, optimizer="recorder")
    train(checkpoint, small_split, val, config, tmp_path / "run", tmp_path / "features", RecordingWatcher())
    with torch.no_grad():
        probs = checkpoint.model(features(checkpoint, val)).sigmoid().numpy()
    whole, ignored = val.truth(checkpoint.vocabulary.labels)
    threshold = choose_threshold(whole, probs, ignored)
    assert checkpoint.model.threshold.item() == pytest.approx(threshold, abs=1e-5)
    found = json.loads((tmp_path / "run" / "last" / "metrics.json").read_text())
    expected = precision_recall_f1(whole, probs >= threshold, ignored)
    assert found["val"]["OF1"] == pytest.approx(expected["OF1"])
    assert found["val"]["OP"] == pytest.approx(expected["OP"])
    assert "cooccurrence" not in found  # it believes in no pairs
    at_half = precision_recall_f1(whole, probs >= 0.5, ignored)
    assert expected["OF1"] > at_half["OF1"]


def test_cooccurrence_is_reported_for_the_training_split_and_for_the_model(
    small_split: Split, scenes_root: Path, recorders: list[RecordingOptimizer], tmp_path: Path
) -> None:
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 2 else ()) for n, s in enumerate(small_split.samples)]
    small_split, val = replace(small_split, samples=tuple(samples)), small(load_split("scenes", scenes_root, "val"), 30)
    checkpoint = untrained(small_split)
    config = TrainConfig(epochs=1, optimizer="recorder", backbone_lr=1e-3, batch_size=8)  # several batches of val
    train(checkpoint, small_split, val, config, tmp_path / "run", tmp_path / "features", RecordingWatcher())
    recorded = json.loads((tmp_path / "run" / "last" / "metrics.json").read_text())
    table, rates = recorded["cooccurrence"], recorded["label_rates"]
    sets = [set(sample.labels) - set(sample.ignored) for sample in small_split.samples]
    labels = checkpoint.vocabulary.labels
    checkpoint.model.eval()
    paths: list[list[tuple[set[str], float]]] = []
    evaluate(Predictor(checkpoint), val, on_image=lambda sample, trace: paths.append(
        [({labels[token] for token in path.tokens}, path.prob) for path in trace.paths]
    ))  # fmt: skip

    def believed(*wanted: str) -> float:
        return sum(
            sum(prob for found, prob in one if found >= set(wanted)) / sum(prob for _, prob in one) for one in paths
        )

    assert list(table) == list(rates) == list(labels)
    for label, others in table.items():
        in_training = sum(label in one for one in sets) / len(sets)
        assert rates[label] == pytest.approx([in_training, believed(label) / len(paths)], abs=1e-3)
        assert set(others) == set(labels) - {label}
        having = sum(label in one for one in sets)
        for other, (in_training, by_model) in others.items():
            both = sum({label, other} <= one for one in sets)
            assert in_training == pytest.approx(both / having if having else 0)
            assert by_model == pytest.approx(believed(label, other) / believed(label), abs=1e-3)


def test_the_groups_of_labels_are_kept_and_their_neighbors_reported(
    small_split: Split, recorders: list[RecordingOptimizer], tmp_path: Path
) -> None:
    groups = {label: "round" if label in ("circle", "star") else "other" for label in small_split.labels}
    checkpoint = untrained(replace(small_split, groups=groups))
    config, out = TrainConfig(epochs=1, optimizer="recorder"), tmp_path / "run"
    train(checkpoint, small_split, small_split, config, out, tmp_path / "features", RecordingWatcher())
    saved = Checkpoint.load(out / "last")
    assert dict(zip(saved.vocabulary.labels, saved.vocabulary.groups, strict=True)) == groups
    present, _ = small_split.truth(saved.vocabulary.labels)
    expected = group_report(checkpoint.rnn.label_vectors(), saved.vocabulary.groups, present)
    assert read_results(out / "last")["label_space"] == pytest.approx(expected)
    assert f"{expected['labels']:.1f} % belong to its own group (2 groups)" in (out / "last" / "README.md").read_text()
    train(
        untrained(small_split),
        small_split,
        small_split,
        config,
        tmp_path / "no",
        tmp_path / "features",
        RecordingWatcher(),
    )
    assert read_results(tmp_path / "no" / "last")["label_space"] == {}


def test_half_written_files_of_a_killed_run_are_removed(
    small_split: Split, recorders: list[RecordingOptimizer], tmp_path: Path
) -> None:
    import platform

    dead = 2**22 + 1  # more than Linux's largest process number
    left = [tmp_path / folder / f".last.new-{platform.node()}-{dead}" for folder in ("run", "features")]
    for path in left:
        path.parent.mkdir()
        path.write_text("half")
    config = TrainConfig(epochs=1, views=1, optimizer="recorder")
    train_small(small_split, config, tmp_path)
    assert not any(path.exists() for path in left)
