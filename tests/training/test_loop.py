"""The training loop: what it learns, what each step does, and what a run leaves."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import Quiet
from torch import Tensor, nn
from training_helpers import (
    Fit,
    RecordingOptimizer,
    RecordingWatcher,
    features,
    fresh,
    small,
    train_small,
    truth,
    untrained,
)

import cnnrnn
from cnnrnn.checkpoint import Checkpoint, CheckpointError, read_results
from cnnrnn.data import Split, load_split
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.evaluation.evaluate import evaluate
from cnnrnn.evaluation.metrics import choose_threshold, precision_recall_f1
from cnnrnn.inference.predictor import Predictor
from cnnrnn.label_space.groups import group_report
from cnnrnn.training.config import TrainConfig, TrainingError
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.training.loop import train
from cnnrnn.training.losses import LABEL_LOSSES, sequence_loss
from cnnrnn.training.optim import OPTIMIZERS
from cnnrnn.utils.errors import UserError


def test_the_scenes_are_learned_almost_perfectly(trained: tuple[Path, list[dict]], scenes_root: Path) -> None:
    run, records = trained
    assert records[-1]["loss"] < records[0]["loss"] / 3
    report = evaluate(Predictor(run / "best"), load_split("scenes", scenes_root, "test")).metrics
    assert report["mAP"] > 98
    assert report["OF1"] > 97
    assert report["exact_match"] > 90
    assert {path.name for path in run.iterdir()} == {"best", "last", "state.pt"}


def test_frozen_training_caches_features_and_leaves_the_backbone_alone(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 32)
    weights = []
    for run in ("one", "two"):  # the second reads the first one's features
        checkpoint = fresh(split)
        before = {name: value.clone() for name, value in checkpoint.model.backbone.state_dict().items()}
        train(checkpoint, split, split, TrainConfig(epochs=2), tmp_path / run, tmp_path / "features", Quiet())
        for name, value in checkpoint.model.backbone.state_dict().items():
            torch.testing.assert_close(value, before[name], rtol=0, atol=0)
        weights.append(checkpoint.model.U_I.weight.detach())
    # The split is validated, too: its plain view serves both.
    assert len(list((tmp_path / "features").glob("*.npy"))) == 2
    torch.testing.assert_close(*weights, rtol=0, atol=0)  # same seed, same weights


def test_training_in_part_changes_only_the_last_layers(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 32)
    checkpoint = fresh(split)
    layers = checkpoint.model.backbone.layers()
    before = {name: [p.clone() for p in layer.parameters()] for name, layer in layers.items()}
    config = TrainConfig(epochs=1, backbone_lr=1e-2, trained_layers=2, views=3)
    train(checkpoint, split, split, config, tmp_path / "run", tmp_path / "features", Quiet())
    changed = {
        name for name, layer in layers.items() 
        if any(not torch.equal(p, old) for p, old in zip(layer.parameters(), before[name], strict=True))
    }  # fmt: skip
    assert changed == {"stages.2", "stages.3"}  # the last one, final_conv, has no weights
    config = TrainConfig(epochs=1, backbone_lr=1e-2, trained_layers=99)
    with pytest.raises(UserError, match="train fewer than that"):
        train(checkpoint, split, split, config, tmp_path / "run", tmp_path / "features", Quiet())


@pytest.mark.parametrize(
    ("gpu_settings", "trained_layers", "tolerance"),
    [
        # Ten times what was measured on one processor; others round in other places.
        ({"compile_layers": True}, 1, 2e-4),
        ({"compile_layers": True}, None, 2e-4),
        ({"precision": "bfloat16"}, 1, 0.01),
        ({"precision": "bfloat16"}, None, 0.01),
    ],
)
def test_losses_with_gpu_settings_are_close(
    gpu_settings: dict, trained_layers: int | None, tolerance: float, scenes_root: Path, tmp_path: Path
) -> None:
    """torch.compile and bfloat16, which a processor has, too: bfloat16 rounds otherwise, torch.compile on some."""
    split = small(load_split("scenes", scenes_root, "train"), 32)
    losses = []
    for number, settings in enumerate([{}, gpu_settings]):
        checkpoint, watcher = fresh(split), Quiet()
        config = TrainConfig(epochs=2, batch_size=16, backbone_lr=1e-3, trained_layers=trained_layers, **settings)
        train(checkpoint, split, split, config, tmp_path / str(number), tmp_path / "features", watcher)
        losses.append([record["loss"] for record in watcher.records])
        assert all(value.dtype == torch.float32 for value in checkpoint.model.parameters())
        Checkpoint.load(tmp_path / str(number) / "best")  # its weights have the names that they always have
    assert losses[1] == pytest.approx(losses[0], rel=tolerance)
    assert losses[1] != losses[0] or "precision" not in gpu_settings


def test_the_baseline_learns_the_scenes_and_is_evaluated_alike(scenes_root: Path, tmp_path: Path) -> None:
    splits = [load_split("scenes", scenes_root, name) for name in ("train", "val")]
    checkpoint = new_checkpoint(splits[0], "test_byobnet", 64, False, 0, torch.device("cpu"), "sigmoid")
    config = TrainConfig(epochs=6, batch_size=32, lr=3e-3, backbone_lr=3e-3)
    train(checkpoint, *splits, config, tmp_path / "run", tmp_path / "features", Quiet())
    best = Checkpoint.load(tmp_path / "run" / "best")
    assert best.model.threshold != 0.5  # chosen, and saved
    metrics = evaluate(Predictor(best), load_split("scenes", scenes_root, "test")).metrics
    assert metrics["mAP"] > 90
    assert metrics["OF1"] > 80
    with pytest.raises(CheckpointError, match="sigmoid baseline"):
        best.rnn  # noqa: B018


@pytest.mark.parametrize("spatial", [False, True])
def test_the_auxiliary_head_is_trained_beside_the_recurrence_and_reported(
    spatial: bool, scenes_root: Path, tmp_path: Path
) -> None:
    train_split, val = (load_split("scenes", scenes_root, name) for name in ("train", "val"))
    checkpoint = new_checkpoint(
        train_split, "test_byobnet", 64, False, 0, torch.device("cpu"), embedding_dim=8, hidden_dim=8, auxiliary=True,
        spatial=spatial,
    )  # fmt: skip
    config = TrainConfig(epochs=5, batch_size=32, lr=3e-3, backbone_lr=3e-3, auxiliary=1.0)
    train(checkpoint, train_split, val, config, tmp_path / "run", tmp_path / "features", Quiet())
    report = evaluate(Predictor(Checkpoint.load(tmp_path / "run" / "last")), val).metrics
    assert report["auxiliary"]["mAP"] > 80  # an untrained head has about 25
    assert report["mix"]["mAP"] > 80
    card, results = ((tmp_path / "run" / "last" / name).read_text() for name in ("README.md", "metrics.json"))
    mean_ap = json.loads(results)["val"]["auxiliary"]["mAP"]
    assert f"The auxiliary sigmoid head has an mAP of {mean_ap:.1f} on validation;" in card
    assert "auxiliary" not in evaluate(Predictor(fresh(small(val, 8))), small(val, 8)).metrics


def test_a_loss_that_is_not_finite_stops_with_advice(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 32)
    checkpoint = fresh(split)
    checkpoint.model.U_I.weight.data.fill_(torch.nan)
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train(checkpoint, split, split, TrainConfig(epochs=1), tmp_path / "run", tmp_path / "features", Quiet())


def test_an_unreadable_image_stops_training_and_is_named(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 4)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not an image")
    samples = (*split.samples[:3], type(split.samples[0])(broken, frozenset({"star"})))
    damaged, checkpoint = Split("damaged", split.labels, samples), fresh(split)
    with pytest.raises(UserError, match=r"broken\.png: not an image"):
        train(checkpoint, damaged, split, TrainConfig(epochs=1), tmp_path / "run", tmp_path / "features", Quiet())


# What each step does, seen by an optimizer that records.


def test_gradients_are_those_of_one_batch_and_the_loss_is_the_mean_over_images(
    small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    """The weights stay, so every epoch has the same gradients: none are left over from the steps before."""
    checkpoint = untrained(small_split)
    model = checkpoint.model
    inputs, targets = checkpoint.vocabulary.encode([sample.labels for sample in small_split.samples])
    with torch.no_grad():
        feature = features(checkpoint, small_split)
    run, watcher = fit(checkpoint, small_split, epochs=3, batch_size=20, views=1)
    loss = sequence_loss(teacher_forced_logits(model, feature, inputs), targets)
    expected = torch.autograd.grad(loss, recorders[0].parameters)
    assert len(recorders[0].gradients) == 3
    for gradients in recorders[0].gradients:
        for found, wanted in zip(gradients, expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)
    assert recorders[0].norms()[0] < 4  # no gradient is clipped, nor made larger
    assert [record["loss"] for record in run.history] == pytest.approx([loss.item()] * 3, rel=1e-4)
    assert watcher.advanced == [(20, record["loss"]) for record in run.history]


@pytest.mark.parametrize("batch_size", [8, 20, 64])
def test_the_loss_of_an_epoch_counts_images_not_batches(
    batch_size: int,
    small_split: Split,
    recorders: list[RecordingOptimizer],
    fit: Fit,
    loss_calls: list[tuple[Tensor, Tensor, float]],
) -> None:
    checkpoint = untrained(small_split, "sigmoid")
    with torch.no_grad():
        checkpoint.model.classifier.weight *= 30  # images differ much in their loss
        each = nn.functional.binary_cross_entropy_with_logits(
            checkpoint.model(features(checkpoint, small_split)), truth(checkpoint, small_split), reduction="none"
        ).mean(dim=1)  # (image,)
    run, watcher = fit(checkpoint, small_split, batch_size=batch_size, views=1, loss="recorded")
    assert run.history[0]["loss"] == pytest.approx(each.mean().item(), rel=1e-4)
    assert watcher.advanced[-1][1] == run.history[0]["loss"]
    assert [images for images, _ in watcher.advanced] == {8: [8, 8, 4], 20: [20], 64: [20]}[batch_size]
    assert watcher.started[-1] == ("epoch 1/1", 20)
    # What is reported after each step is the mean over the images up to there.
    done = total = 0.0
    for (logits, _, value), (images, mean) in zip(loss_calls, watcher.advanced, strict=True):
        assert len(logits) == images
        done, total = done + images, total + images * value
        assert mean == pytest.approx(total / done)


@pytest.mark.parametrize(("scale", "clipped"), [(1.0, False), (1e4, True)])
@pytest.mark.parametrize("backbone_lr", [0.0, 1e-3])
def test_the_norm_of_all_gradients_together_is_at_most_five(
    scale: float, clipped: bool, backbone_lr: float, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    bce = LABEL_LOSSES["bce"]
    monkeypatch.setitem(LABEL_LOSSES, "scaled", lambda logits, truth, batch: scale * bce(logits, truth, batch))
    fit(untrained(small_split, "sigmoid"), small_split, loss="scaled", backbone_lr=backbone_lr)
    norms = recorders[0].norms()
    assert len(norms) == 3
    if clipped:
        assert norms == pytest.approx([5.0] * 3, rel=1e-3)
    else:
        assert 0 < max(norms) < 4.9


@pytest.mark.parametrize("where", ["loss", "gradients"])
def test_non_finite_losses_and_gradients_leave_the_weights_unchanged(
    where: str, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(logits: Tensor, truth: Tensor, batch: int) -> Tensor:
        zero = 0 * logits.sum()
        return zero.sqrt() if where == "gradients" else zero + math.inf  # the slope of a root at 0 is infinite

    monkeypatch.setitem(LABEL_LOSSES, "broken", broken)
    with pytest.raises(TrainingError, match=f"the {where} .* no longer finite; lower the learning rate"):
        fit(untrained(small_split, "sigmoid"), small_split, loss="broken")
    assert recorders[0].gradients == []


# Batch norm, dropout, and which mode what is in.


def batch_norms(checkpoint: Checkpoint) -> dict[str, nn.modules.batchnorm._BatchNorm]:
    modules = checkpoint.model.backbone.named_modules()
    return {name: module for name, module in modules if isinstance(module, nn.modules.batchnorm._BatchNorm)}


@pytest.mark.parametrize(
    ("pretrained", "settings", "learned"),
    [
        (False, {"backbone_lr": 1e-3}, "all"),
        (True, {"backbone_lr": 1e-3}, "none"),
        (False, {}, "none"),  # frozen
        (False, {"backbone_lr": 1e-3, "trained_layers": 2}, "last"),
        (True, {"backbone_lr": 1e-3, "trained_layers": 2}, "none"),
    ],
)
def test_batch_norm_learns_its_statistics_only_from_scratch_and_where_layers_are_trained(
    pretrained: bool, settings: dict, learned: str, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    checkpoint = untrained(small_split)
    checkpoint.training["pretrained"] = pretrained
    norms = batch_norms(checkpoint)
    before = {name: (norm.running_mean.clone(), norm.running_var.clone()) for name, norm in norms.items()}
    modes: dict[str, set[bool]] = {name: set() for name in norms}
    for name, norm in norms.items():
        norm.register_forward_hook(
            lambda module, inputs, output, name=name: (
                modes[name].add(module.training) if torch.is_grad_enabled() else None
            )
        )
    # Two epochs: validation between them turns everything to eval mode.
    fit(checkpoint, small_split, epochs=2, **settings)
    trained = {
        "all": set(norms),
        "none": set(),
        "last": {name for name in norms if name.startswith(("net.stages.2", "net.stages.3"))},
    }[learned]
    assert {name for name, used in modes.items() if True in used} == trained
    for name, norm in norms.items():
        same = torch.equal(norm.running_mean, before[name][0]), torch.equal(norm.running_var, before[name][1])
        assert same == ((False, False) if name in trained else (True, True)), name


@pytest.mark.parametrize("trained_layers", [None, 2])
def test_batch_norm_is_not_trained_on_a_single_image_that_is_left(
    trained_layers: int | None, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    """The feature map is 1 × 1: one image has a single value per channel, of which torch takes no variance."""

    def run(images: int, pretrained: bool = False, **settings: Any) -> RecordingWatcher:
        split = small(small_split, images)
        checkpoint = new_checkpoint(
            split, "test_byobnet", 32, False, 0, torch.device("cpu"), embedding_dim=8, hidden_dim=8
        )  # fmt: skip
        checkpoint.training["pretrained"] = pretrained
        scratch = {"backbone_lr": 1e-3, "trained_layers": trained_layers}
        return fit(checkpoint, split, epochs=2, **scratch | settings)[1]

    watcher = run(17)
    assert [images for images, _ in watcher.advanced] == [8, 8] * 2
    assert ("epoch 2/2", 16) in watcher.started
    assert len(recorders[-1].lrs) == 4
    assert recorders[-1].lrs[-1] == pytest.approx([lr / 2 for lr in (1e-3, 1e-3)])  # the last of two after the warm-up
    assert [images for images, _ in run(18).advanced] == [8, 8, 2] * 2
    for settings in ({"pretrained": True}, {"backbone_lr": 0.0}):  # where it keeps its statistics, all are trained on
        assert [images for images, _ in run(17, **settings).advanced] == [8, 8, 1] * 2
    for images, batch_size in ((17, 1), (1, 8)):
        with pytest.raises(TrainingError, match="needs two images in a batch: give a larger --batch-size"):
            run(images, batch_size=batch_size)


def test_dropout_is_on_in_training_and_off_in_validation(
    small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    checkpoint = untrained(small_split, "sigmoid", dropout=0.5)
    modes: list[tuple[bool, bool]] = []  # of each batch: whether it is trained on, whether channels are left out

    def note(module: nn.Module, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
        masked = any(mask is not None and bool((mask == 0).any()) for mask in inputs[1:])
        modes.append((torch.is_grad_enabled(), masked))

    checkpoint.model.register_forward_hook(note)
    checkpoint.model.eval()
    fit(checkpoint, small_split, epochs=2)
    assert modes == [*[(True, True)] * 3, (False, False)] * 2


# Which settings reach what.


def test_randomness_depends_on_the_configured_seed_only(small_split: Split, fit: Fit) -> None:
    def losses(seed: int, drawn_before: int, **settings: Any) -> list[float]:
        torch.manual_seed(drawn_before)
        checkpoint = untrained(small_split, dropout=0.3)
        torch.manual_seed(drawn_before)
        run, _ = fit(checkpoint, small_split, optimizer="adamw", seed=seed, **settings)
        return [record["loss"] for record in run.history]

    for settings in ({}, {"backbone_lr": 1e-3}):
        once = losses(1, 5, **settings)
        assert losses(1, 6, **settings) == once
        assert losses(2, 5, **settings) != once


@pytest.mark.parametrize("settings", [{}, {"trained_layers": 1, "backbone_lr": 1e-3}])
def test_as_many_views_are_kept_as_the_configuration_says(
    settings: dict, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    for views, new in ((1, [1]), (3, [2, 3]), (3, []), (5, [4, 5])):  # those of before are still there
        _, watcher = fit(untrained(small_split), small_split, views=views, **settings)
        expected = [f"features of scenes train, view {view}" for view in new] + ["epoch 1/1"]
        assert [what for what, _ in watcher.started] == expected


def test_a_backbone_without_a_learning_rate_is_frozen_whatever_layers_are_named(
    small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    checkpoint = untrained(small_split)
    _, watcher = fit(checkpoint, small_split, trained_layers=2, views=1)
    assert watcher.started[0] == ("features of scenes train, view 1", 20)
    assert not any(parameter.requires_grad for parameter in checkpoint.model.backbone.parameters())
    _, watcher = fit(untrained(small_split), small_split, backbone_lr=1e-3)
    assert watcher.started == [("epoch 1/1", 20), ("validating", 20)]  # end to end


def test_the_backbone_computes_in_the_precision_of_the_configuration(
    small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    for precision in ("bfloat16", "float32"):
        checkpoint = untrained(small_split)
        fit(checkpoint, small_split, precision=precision)
        assert checkpoint.model.backbone.precision == getattr(torch, precision)


@pytest.mark.parametrize("settings", [{}, {"backbone_lr": 1e-3}])
def test_layers_are_compiled_where_the_configuration_says(
    settings: dict, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda layers: compiled.append(layers) or layers)
    for compile_layers in (False, True):
        fit(untrained(small_split), small_split, compile_layers=compile_layers, **settings)
        assert len(compiled) == compile_layers


def test_the_defaults_are_documented_ones() -> None:
    assert asdict(TrainConfig()) == {
        "epochs": 30, "batch_size": 64, "lr": 1e-3, "backbone_lr": 0.0, "trained_layers": None, "views": 2,
        "loss": "bce", "auxiliary": 0.0, "mixup": 0.0, "weight_decay": 1e-4, "optimizer": "adamw", "seed": 0,
        "precision": "float32", "compile_layers": False, "beam": 8,
    }  # fmt: skip


# What a run leaves.


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
