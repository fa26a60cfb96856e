"""The training loop: which mode the layers are in, and which settings reach what."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_helpers import (
    Fit,
    RecordingOptimizer,
    RecordingWatcher,
    small,
    untrained,
)

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split
from cnnrnn.training.config import TrainConfig, TrainingError
from cnnrnn.training.initialize import new_checkpoint


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
        "loss": "bce", "auxiliary": 0.0, "mixup": 0.0, "weight_decay": 1e-2, "optimizer": "adamw", "seed": 0,
        "precision": "float32", "compile_layers": False, "beam": 8,
    }  # fmt: skip
