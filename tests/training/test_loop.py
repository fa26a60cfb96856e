"""The training loop: what it learns, and what each step does."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from helpers import Quiet
from torch import Tensor, nn
from training_helpers import (
    Fit,
    RecordingOptimizer,
    features,
    fresh,
    small,
    truth,
    untrained,
)

from cnnrnn.checkpoint import Checkpoint, CheckpointError
from cnnrnn.data import Split, load_split
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.evaluation.evaluate import evaluate
from cnnrnn.inference.predictor import Predictor
from cnnrnn.training.config import TrainConfig, TrainingError
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.training.loop import train
from cnnrnn.training.losses import LABEL_LOSSES, sequence_loss
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
