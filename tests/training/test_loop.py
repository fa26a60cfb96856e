from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import Quiet
from torch import Tensor, nn

import cnnrnn
from cnnrnn.checkpoint import Checkpoint, CheckpointError
from cnnrnn.data import Sample, Split, load_split
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.evaluation.evaluate import evaluate
from cnnrnn.evaluation.metrics import choose_threshold, precision_recall_f1
from cnnrnn.inference.predictor import Predictor
from cnnrnn.models.backbone import Backbone
from cnnrnn.models.vocabulary import IGNORE_TOKEN
from cnnrnn.training.config import TrainConfig, TrainingError
from cnnrnn.training.distributed import ALONE
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.training.loop import train
from cnnrnn.training.losses import LABEL_LOSSES, auxiliary_loss, sequence_loss
from cnnrnn.training.optim import OPTIMIZERS
from cnnrnn.training.state import Run
from cnnrnn.utils.errors import UserError


def test_the_scenes_are_learned_almost_perfectly(trained: tuple[Path, list[dict]], scenes_root: Path) -> None:
    run, records = trained
    assert records[-1]["loss"] < records[0]["loss"] / 3
    report = evaluate(Predictor(run / "best"), load_split("scenes", scenes_root, "test")).metrics
    assert report["mAP"] > 98
    assert report["OF1"] > 97
    assert report["exact_match"] > 90
    assert {path.name for path in run.iterdir()} == {"best", "last", "state.pt"}


def test_the_loss_is_the_mean_cross_entropy_of_the_steps_that_count() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5)
    targets = torch.tensor([[1, 2, 4], [4, IGNORE_TOKEN, IGNORE_TOKEN]])
    log_probs = logits.log_softmax(-1)
    expected = -(log_probs[0, 0, 1] + log_probs[0, 1, 2] + log_probs[0, 2, 4] + log_probs[1, 0, 4]) / 4
    torch.testing.assert_close(sequence_loss(logits, targets), expected)


def small(split: Split, images: int) -> Split:
    return Split(split.name, split.labels, split.samples[:images])


def fresh(split: Split, head: str = "cnn-rnn", spatial: bool = False) -> Checkpoint:
    settings = {"embedding_dim": 8, "hidden_dim": 8} if head == "cnn-rnn" else {}
    return new_checkpoint(
        split, "test_byobnet", 64, False, 0, torch.device("cpu"), head, dropout=0.2, spatial=spatial, **settings
    )  # fmt: skip


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


def test_ctrl_c_leaves_a_usable_checkpoint(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 32)

    class Impatient(Quiet):
        def epoch_done(self, record: dict) -> None:
            super().epoch_done(record)
            if len(self.records) == 2:
                raise KeyboardInterrupt

    config = TrainConfig(epochs=50)
    run = train(fresh(split), split, split, config, tmp_path / "run", tmp_path / "features", Impatient())
    assert run.interrupted
    assert Checkpoint.load(tmp_path / "run" / "last").training["epochs_done"] == 2
    assert Checkpoint.load(tmp_path / "run" / "best")
    assert len(json.loads((tmp_path / "run" / "last" / "metrics.json").read_text())["history"]) == 2


@pytest.mark.parametrize(
    ("head", "spatial", "settings"),
    [
        ("cnn-rnn", False, {}),  # frozen
        ("cnn-rnn", True, {}),  # frozen, and it is maps that are kept
        ("cnn-rnn", False, {"backbone_lr": 1e-3, "trained_layers": 2, "views": 3}),
        ("cnn-rnn", False, {"backbone_lr": 1e-3}),  # end to end, and batch norm learns
        ("sigmoid", True, {"backbone_lr": 1e-3, "trained_layers": 2, "loss": "asymmetric"}),
    ],
)
def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(
    head: str, spatial: bool, settings: dict, scenes_root: Path, tmp_path: Path
) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 40)
    config = TrainConfig(epochs=4, batch_size=16, **settings)

    class Impatient(Quiet):
        def advance(self, images: int, loss: float | None = None) -> None:
            if len(self.records) == 2 and loss is not None:  # in the middle of the third epoch
                raise KeyboardInterrupt

    def run(name: str, watcher: Quiet, resume: bool = False) -> tuple[Run, Checkpoint]:
        checkpoint = fresh(split, head, spatial)
        return train(
            checkpoint, split, split, config, tmp_path / name, tmp_path / "features", watcher, resume
        ), checkpoint  # fmt: skip

    whole, expected = run("whole", Quiet())
    first, _ = run("parts", Impatient())
    assert first.interrupted
    torch.manual_seed(99)
    second, resumed = run("parts", watcher := Quiet(), resume=True)
    assert [record["epoch"] for record in watcher.records] == [3, 4]
    assert [record["loss"] for record in second.history] == [record["loss"] for record in whole.history]
    assert second.best == whole.best
    for name, value in resumed.model.state_dict().items():
        torch.testing.assert_close(value, expected.model.state_dict()[name], rtol=0, atol=0)
    assert Checkpoint.load(tmp_path / "parts" / "best").training["epochs_done"] == Checkpoint.load(
        tmp_path / "whole" / "best"
    ).training["epochs_done"]  # fmt: skip


def test_a_run_that_cannot_be_resumed_is_an_error(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 16)

    def resume(config: TrainConfig) -> Run:
        return train(fresh(split), split, split, config, tmp_path / "run", tmp_path, Quiet(), resume=True)

    with pytest.raises(TrainingError, match="no finished epoch"):
        resume(TrainConfig(epochs=1))
    train(fresh(split), split, split, TrainConfig(epochs=1), tmp_path / "run", tmp_path, Quiet())
    with pytest.raises(TrainingError, match=r"epochs: 1 → 2.*repeat its command"):
        resume(TrainConfig(epochs=2))
    (tmp_path / "run" / "state.pt").write_bytes(b"half a file")
    with pytest.raises(TrainingError, match="damaged"):
        resume(TrainConfig(epochs=1))


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
    ("gpu_way", "trained_layers", "near"),
    [
        ({"compile_layers": True}, 1, 1e-3),
        ({"compile_layers": True}, None, 1e-3),
        ({"precision": "bfloat16"}, 1, 0.05),
        ({"precision": "bfloat16"}, None, 0.05),
    ],
)
def test_gpu_settings_have_the_same_losses(
    gpu_way: dict, trained_layers: int | None, near: float, scenes_root: Path, tmp_path: Path
) -> None:
    """torch.compile and bfloat16, which a processor has, too: what differs is rounding."""
    split = small(load_split("scenes", scenes_root, "train"), 32)
    losses = []
    for number, settings in enumerate([{}, gpu_way]):
        checkpoint, watcher = fresh(split), Quiet()
        config = TrainConfig(epochs=2, batch_size=16, backbone_lr=1e-3, trained_layers=trained_layers, **settings)
        train(checkpoint, split, split, config, tmp_path / str(number), tmp_path / "features", watcher)
        losses.append([record["loss"] for record in watcher.records])
        assert all(value.dtype == torch.float32 for value in checkpoint.model.parameters())
        Checkpoint.load(tmp_path / str(number) / "best")  # its weights have the names that they always have
    assert losses[1] == pytest.approx(losses[0], rel=near)
    assert losses[1] != losses[0]


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
    assert "mAP on validation of the auxiliary sigmoid head" in (tmp_path / "run" / "last" / "README.md").read_text()
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


class Recorder(torch.optim.Optimizer):
    """Records what it is given at every step; `rate` of the gradient is taken, by default nothing changes."""

    def __init__(self, groups: list[dict[str, Any]], lr: float, weight_decay: float, rate: float = 0.0) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})
        self.rate = rate
        self.lrs: list[list[float]] = []  # (step, group)
        self.gradients: list[list[Tensor]] = []  # (step, parameter)
        self.act: Callable[[list[nn.Parameter]], None] = lambda parameters: None

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        self.lrs.append([group["lr"] for group in self.param_groups])
        self.gradients.append(
            [torch.zeros_like(p) if p.grad is None else p.grad.detach().clone() for p in self.parameters]
        )
        for parameter, gradient in zip(self.parameters, self.gradients[-1], strict=True):
            parameter -= self.rate * gradient
        self.act(self.parameters)

    def norms(self) -> list[float]:
        return [math.sqrt(sum(float(g.square().sum()) for g in gradients)) for gradients in self.gradients]


class Told(Quiet):
    """Remembers all that the loop tells: what was started, and images and mean loss after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[str, int]] = []
        self.advanced: list[tuple[int, float]] = []

    def start(self, what: str, images: int) -> None:
        self.started.append((what, images))

    def advance(self, images: int, loss: float | None = None) -> None:
        if loss is not None:
            self.advanced.append((images, loss))


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """Those that trainings made, with `optimizer="recorder"`, which changes no weights."""
    made: list[Recorder] = []

    def make(groups: list[dict[str, Any]], lr: float, weight_decay: float) -> Recorder:
        made.append(Recorder(groups, lr, weight_decay))
        return made[-1]

    monkeypatch.setitem(OPTIMIZERS, "recorder", make)
    return made


@pytest.fixture
def few(scenes_root: Path) -> Split:
    return small(load_split("scenes", scenes_root, "train"), 20)


def untrained(split: Split, head: str = "cnn-rnn", **settings: Any) -> Checkpoint:
    """Without dropout, so that a loss can be computed again."""
    sizes = {"embedding_dim": 8, "hidden_dim": 8} if head == "cnn-rnn" else {}
    return new_checkpoint(split, "test_byobnet", 64, False, 0, torch.device("cpu"), head, **sizes, **settings)


@pytest.fixture
def fit(tmp_path: Path) -> Iterator[Callable[..., tuple[Run, Told]]]:
    """Train a checkpoint on a split, which also validates, with a recorder and the given fields of TrainConfig."""
    numbers = iter(range(1000))

    def run(
        checkpoint: Checkpoint, split: Split, val: Split | None = None, watcher: Told | None = None, **settings: Any
    ) -> tuple[Run, Told]:
        config = TrainConfig(**{"optimizer": "recorder", "epochs": 1, "batch_size": 8, **settings})
        folder, watcher = tmp_path / f"fit-{next(numbers)}", watcher or Told()
        return train(checkpoint, split, val or split, config, folder, tmp_path / "features", watcher), watcher

    return run


Fit = Callable[..., tuple[Run, Told]]


@pytest.mark.parametrize(
    ("settings", "warm_up"),
    [
        ({"epochs": 3}, 0),  # frozen
        ({"epochs": 3, "backbone_lr": 1e-4}, 3),
        ({"epochs": 2, "backbone_lr": 1e-4, "trained_layers": 1}, 3),
        ({"epochs": 1, "backbone_lr": 1e-4}, 0),  # one epoch can't all be warm-up
        ({"epochs": 2, "backbone_lr": 1e-4, "batch_size": 10}, 2),  # batches without a rest
    ],
)
def test_learning_rates_rise_for_an_epoch_if_the_backbone_learns_and_fall_as_a_cosine(
    settings: dict, warm_up: int, few: Split, recorders: list[Recorder], fit: Fit
) -> None:
    fit(untrained(few), few, lr=2e-3, **settings)
    steps = settings["epochs"] * (2 if "batch_size" in settings else 3)
    shares = [(step + 1) / (warm_up + 1) for step in range(warm_up)]
    shares += [(1 + math.cos(math.pi * n / (steps - warm_up))) / 2 for n in range(steps - warm_up)]
    lrs = [2e-3, 1e-4] if "backbone_lr" in settings else [2e-3]
    assert [
        found == pytest.approx([share * lr for lr in lrs])
        for found, share in zip(recorders[0].lrs, shares, strict=True)
    ] == [True] * steps


@pytest.mark.parametrize(("backbone_lr", "trained_layers"), [(0.0, None), (0.0, 2), (1e-4, None), (1e-4, 2)])
@pytest.mark.parametrize("head", ["cnn-rnn", "sigmoid"])
def test_the_head_and_the_trained_layers_have_their_own_learning_rates(
    head: str, backbone_lr: float, trained_layers: int | None, few: Split, recorders: list[Recorder], fit: Fit
) -> None:
    checkpoint = untrained(few, head)
    model = checkpoint.model
    fit(checkpoint, few, lr=2e-3, backbone_lr=backbone_lr, trained_layers=trained_layers, weight_decay=0.03)
    groups = recorders[0].param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [{names[id(parameter)] for parameter in group["params"]} for group in groups]
    backbone = {name for name in names.values() if name.startswith("backbone.")}
    layers = [layer for layer in model.backbone.layers().values() if list(layer.parameters())]
    last = {names[id(parameter)] for layer in layers[-2:] for parameter in layer.parameters()}
    expected = [set(names.values()) - backbone]
    if backbone_lr:
        expected.append(last if trained_layers else backbone)
    assert found == expected
    assert [group["initial_lr"] for group in groups] == [2e-3, 1e-4][: len(groups)]
    assert {group["weight_decay"] for group in groups} == {0.03}


def test_the_optimizers_are_those_that_their_names_promise() -> None:
    def made(name: str) -> torch.optim.Optimizer:
        groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": 0.5}, {"params": [nn.Parameter(torch.ones(2))]}]
        return OPTIMIZERS[name](groups, lr=0.1, weight_decay=0.03)

    adamw, rmsprop = made("adamw"), made("rmsprop")
    assert type(adamw) is torch.optim.AdamW
    assert [(group["lr"], group["weight_decay"]) for group in adamw.param_groups] == [(0.5, 0.03), (0.1, 0.03)]
    assert type(rmsprop) is torch.optim.RMSprop
    assert [(group["lr"], group["weight_decay"]) for group in rmsprop.param_groups] == [(0.5, 0.03), (0.1, 0.03)]
    assert {group["momentum"] for group in rmsprop.param_groups} == {0.9}


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_training_steps_by_the_chosen_optimizer(optimizer: str, few: Split, fit: Fit) -> None:
    """One step on all images: what the optimizer does with the gradient of their loss, computed here."""
    checkpoint = untrained(few, "sigmoid")
    weight = checkpoint.model.classifier.weight
    with torch.no_grad():
        feature = features(checkpoint, few)
    loss = nn.functional.binary_cross_entropy_with_logits(checkpoint.model(feature), truth(checkpoint, few))
    (gradient,) = torch.autograd.grad(loss, weight)
    expected = nn.Parameter(weight.detach().clone())
    expected.grad = gradient
    OPTIMIZERS[optimizer]([{"params": [expected]}], lr=0.01, weight_decay=0.5).step()
    fit(checkpoint, few, optimizer=optimizer, lr=0.01, weight_decay=0.5, batch_size=20, views=1)
    torch.testing.assert_close(weight, expected, rtol=1e-3, atol=1e-5)


def features(checkpoint: Checkpoint, split: Split) -> Tensor:
    """I of the split's images as they are, in eval mode: (image, 1, feature)."""
    from cnnrnn.data.images import open_image

    model = checkpoint.model
    model.backbone.eval()
    return model.image_feature(model.backbone(model.backbone.batch([open_image(s.image, 128) for s in split.samples])))


def truth(checkpoint: Checkpoint, split: Split) -> Tensor:
    """1 where an image has a label that is not ignored: (image, label), in the model's order."""
    return torch.tensor(
        [
            [float(label in set(sample.labels) - set(sample.ignored)) for label in checkpoint.vocabulary.labels]
            for sample in split.samples
        ]
    )


def test_gradients_are_those_of_one_batch_and_the_loss_is_the_mean_over_images(
    few: Split, recorders: list[Recorder], fit: Fit
) -> None:
    """The weights stay, so every epoch has the same gradients: none are left over from the steps before."""
    checkpoint = untrained(few)
    model = checkpoint.model
    inputs, targets = checkpoint.vocabulary.encode([sample.labels for sample in few.samples])
    with torch.no_grad():
        feature = features(checkpoint, few)
    run, told = fit(checkpoint, few, epochs=3, batch_size=20, views=1)
    loss = sequence_loss(teacher_forced_logits(model, feature, inputs), targets)
    expected = torch.autograd.grad(loss, recorders[0].parameters)
    assert len(recorders[0].gradients) == 3
    for gradients in recorders[0].gradients:
        for found, wanted in zip(gradients, expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)
    assert recorders[0].norms()[0] < 4  # no gradient is clipped, nor made larger
    assert [record["loss"] for record in run.history] == pytest.approx([loss.item()] * 3, rel=1e-4)
    assert told.advanced == [(20, record["loss"]) for record in run.history]


@pytest.mark.parametrize("batch_size", [8, 20, 64])
def test_the_loss_of_an_epoch_counts_images_not_batches(
    batch_size: int, few: Split, recorders: list[Recorder], fit: Fit, input_gates: list[tuple[Tensor, Tensor, float]]
) -> None:
    checkpoint = untrained(few, "sigmoid")
    with torch.no_grad():
        checkpoint.model.classifier.weight *= 30  # images differ much in their loss
        each = nn.functional.binary_cross_entropy_with_logits(
            checkpoint.model(features(checkpoint, few)), truth(checkpoint, few), reduction="none"
        ).mean(dim=1)  # (image,)
    run, told = fit(checkpoint, few, batch_size=batch_size, views=1, loss="input_gates")
    assert run.history[0]["loss"] == pytest.approx(each.mean().item(), rel=1e-4)
    assert told.advanced[-1][1] == run.history[0]["loss"]
    assert [images for images, _ in told.advanced] == {8: [8, 8, 4], 20: [20], 64: [20]}[batch_size]
    assert told.started[-1] == ("epoch 1/1", 20)
    # What is told after each step is the mean over the images up to there.
    done = total = 0.0
    for (logits, _, value), (images, mean) in zip(input_gates, told.advanced, strict=True):
        assert len(logits) == images
        done, total = done + images, total + images * value
        assert mean == pytest.approx(total / done)


@pytest.mark.parametrize(("scale", "clipped"), [(1.0, False), (1e4, True)])
@pytest.mark.parametrize("backbone_lr", [0.0, 1e-3])
def test_the_norm_of_all_gradients_together_is_at_most_five(
    scale: float, clipped: bool, backbone_lr: float, few: Split, recorders: list[Recorder], fit: Fit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    bce = LABEL_LOSSES["bce"]
    monkeypatch.setitem(LABEL_LOSSES, "scaled", lambda logits, truth, batch: scale * bce(logits, truth, batch))
    fit(untrained(few, "sigmoid"), few, loss="scaled", backbone_lr=backbone_lr)
    norms = recorders[0].norms()
    assert len(norms) == 3
    if clipped:
        assert norms == pytest.approx([5.0] * 3, rel=1e-3)
    else:
        assert 0 < max(norms) < 4.9


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
    pretrained: bool, settings: dict, learned: str, few: Split, recorders: list[Recorder], fit: Fit
) -> None:
    checkpoint = untrained(few)
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
    fit(checkpoint, few, epochs=2, **settings)
    trained = {
        "all": set(norms),
        "none": set(),
        "last": {name for name in norms if name.startswith(("net.stages.2", "net.stages.3"))},
    }[learned]
    assert {name for name, used in modes.items() if True in used} == trained
    for name, norm in norms.items():
        same = torch.equal(norm.running_mean, before[name][0]), torch.equal(norm.running_var, before[name][1])
        assert same == ((False, False) if name in trained else (True, True)), name


def test_dropout_is_on_in_training_and_off_in_validation(few: Split, recorders: list[Recorder], fit: Fit) -> None:
    checkpoint = untrained(few, "sigmoid", dropout=0.5)
    modes: list[tuple[bool, bool]] = []
    checkpoint.model.register_forward_hook(
        lambda module, inputs, output: modes.append((torch.is_grad_enabled(), module.dropout.training))
    )
    checkpoint.model.eval()
    fit(checkpoint, few, epochs=2)
    assert modes == [*[(True, True)] * 3, (False, False)] * 2


# Losses.


@pytest.mark.parametrize("rows", [slice(None), slice(1, None, 2), slice(0, 0)])
def test_label_losses_of_shares_are_what_they_add_to_the_mean_of_the_batch(rows: slice) -> None:
    torch.manual_seed(0)
    logits, wanted = torch.randn(5, 3), (torch.rand(5, 3) < 0.4).float()
    p, share = logits.sigmoid(), (logits[rows].contiguous(), wanted[rows].contiguous(), 5)
    bce = -(wanted * p.log() + (1 - wanted) * (1 - p).log())
    found = LABEL_LOSSES["bce"](*share)
    torch.testing.assert_close(found, bce[rows].sum() / 15)
    missed = (p - 0.05).clamp(min=0)  # an absent label below 5 % costs nothing
    asymmetric = -(wanted * (1 - p) * p.log() + (1 - wanted) * missed**4 * (1 - missed).log())
    found = LABEL_LOSSES["asymmetric"](*share)
    torch.testing.assert_close(found, asymmetric[rows].sum() / 5)


def test_the_sequence_loss_of_a_share_is_what_it_adds_to_the_mean_over_all_steps() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 2, 4), torch.tensor([[0, 3], [3, IGNORE_TOKEN], [2, 3]])
    whole = sequence_loss(logits, targets)
    parts = [sequence_loss(logits[rows], targets[rows], 5) for rows in (slice(0, 1), slice(1, 3))]
    torch.testing.assert_close(parts[0] + parts[1], whole)
    torch.testing.assert_close(sequence_loss(logits, targets, 10), whole / 2)


def test_the_auxiliary_loss_is_summed_over_labels_and_averaged_over_the_batch() -> None:
    logits, wanted = torch.tensor([[0.0, 2.0], [-1.0, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    p = logits.sigmoid()
    expected = -(p[0, 0].log() + (1 - p[0, 1]).log() + (1 - p[1, 0]).log() + p[1, 1].log())
    torch.testing.assert_close(auxiliary_loss(logits, wanted, 2), expected / 2)
    torch.testing.assert_close(auxiliary_loss(logits[:1], wanted[:1], 4), -(p[0, 0].log() + (1 - p[0, 1]).log()) / 4)


@pytest.mark.parametrize("weight", [0.0, 0.7, 2.0])
def test_the_auxiliary_loss_is_added_by_its_weight(
    weight: float, few: Split, recorders: list[Recorder], fit: Fit
) -> None:
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 2 else ()) for n, s in enumerate(few.samples)]
    few = replace(few, samples=tuple(samples))
    checkpoint = untrained(few, auxiliary=True)
    model = checkpoint.model
    inputs, targets = checkpoint.vocabulary.encode([sample.labels for sample in few.samples])
    with torch.no_grad():
        feature = features(checkpoint, few)
        sequences = sequence_loss(teacher_forced_logits(model, feature, inputs), targets)
        beside = auxiliary_loss(model.auxiliary_logits(feature), truth(checkpoint, few), 20)
    run, _ = fit(checkpoint, few, batch_size=20, views=1, auxiliary=weight)
    assert run.history[0]["loss"] == pytest.approx((sequences + weight * beside).item(), rel=1e-4)


@pytest.mark.parametrize("loss", LABEL_LOSSES)
def test_the_baseline_is_trained_by_the_chosen_loss_and_ignored_labels_are_no_positives(
    loss: str, few: Split, recorders: list[Recorder], fit: Fit
) -> None:
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 2 else ()) for n, s in enumerate(few.samples)]
    few = replace(few, samples=tuple(samples))
    checkpoint = untrained(few, "sigmoid")
    with torch.no_grad():
        logits = checkpoint.model(features(checkpoint, few))
    expected = LABEL_LOSSES[loss](logits, truth(checkpoint, few), 20).item()
    run, _ = fit(checkpoint, few, batch_size=20, views=1, loss=loss)
    assert run.history[0]["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("where", ["loss", "gradients"])
def test_non_finite_losses_and_gradients_leave_the_weights_unchanged(
    where: str, few: Split, recorders: list[Recorder], fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(logits: Tensor, truth: Tensor, batch: int) -> Tensor:
        zero = 0 * logits.sum()
        return zero.sqrt() if where == "gradients" else zero + math.inf  # the slope of a root at 0 is infinite

    monkeypatch.setitem(LABEL_LOSSES, "broken", broken)
    with pytest.raises(TrainingError, match=f"the {where} .* no longer finite; lower the learning rate"):
        fit(untrained(few, "sigmoid"), few, loss="broken")
    assert recorders[0].gradients == []


# Mixup.


@pytest.fixture
def input_gates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor, float]]:
    """Logits, truth and value of every call of the loss "input_gates"."""
    calls: list[tuple[Tensor, Tensor, float]] = []

    def loss(logits: Tensor, truth: Tensor, batch: int) -> Tensor:
        value = LABEL_LOSSES["bce"](logits, truth, batch)
        calls.append((logits.detach(), truth, value.item()))
        return value

    monkeypatch.setitem(LABEL_LOSSES, "input_gates", loss)
    return calls


def one_label_each(split: Split, images: int) -> Split:
    """Image n has label n, and no other."""
    samples = zip(split.samples[:images], split.labels, strict=False)
    return replace(split, samples=tuple(Sample(sample.image, (label,)) for sample, label in samples))


@pytest.mark.parametrize(
    ("mixup", "average", "deviation"),  # of Beta(mixup, mixup): the deviation is 1 / 2 √(2 mixup + 1)
    [(1e6, 0.5, 0.0), (1.0, 0.5, 0.289), (0.1, 0.5, 0.456)],
)
def test_mixup_mixes_images_and_losses_by_the_same_share(
    mixup: float, average: float, deviation: float, few: Split, recorders: list[Recorder], fit: Fit,
    input_gates: list[tuple[Tensor, Tensor, float]],
) -> None:  # fmt: skip
    """The sigmoid head is linear, so the logits of a mixed image are a mixture of the images' logits."""
    six = one_label_each(few, 6)
    split = replace(six, samples=six.samples * 60)  # batches of 6 with any of them
    checkpoint = untrained(six, "sigmoid")
    with torch.no_grad():
        checkpoint.model.classifier.weight *= 30
        plain = checkpoint.model(features(checkpoint, six))
    wanted = truth(checkpoint, six)  # one row for each image, all different
    calls: list[list[tuple[Tensor, Tensor, float]]] = []  # of every step

    class Listening(Told):
        def advance(self, images: int, loss: float | None = None) -> None:
            super().advance(images, loss)
            if loss is not None:
                calls.append(input_gates.copy())
                input_gates.clear()

    _, told = fit(checkpoint, split, six, Listening(), batch_size=6, views=1, loss="input_gates", mixup=mixup)
    totals = [0.0, *(count * mean for count, (_, mean) in zip(range(6, 361, 6), told.advanced, strict=True))]
    shares, itself = [], 0
    for number, ((logits, own, value), *partner) in enumerate(calls):
        loss = (totals[number + 1] - totals[number]) / 6  # of this batch
        images = (own @ wanted.T).argmax(dim=1)  # (row,)
        if not partner:
            torch.testing.assert_close(logits, plain[images], rtol=1e-3, atol=1e-3)
            assert loss == pytest.approx(value, abs=1e-3)
            continue
        ((partners_logits, others, partners_value),) = partner
        partners = (others @ wanted.T).argmax(dim=1)
        assert torch.equal(partners_logits, logits)  # the same images with the partners' labels
        assert sorted(partners.tolist()) == sorted(images.tolist())
        if torch.equal(images, partners):  # by chance nearly never
            itself += 1
            continue
        one, other = plain[images], plain[partners]
        share = ((logits - other) * (one - other)).sum() / (one - other).square().sum()  # least squares
        torch.testing.assert_close(logits, share * one + (1 - share) * other, rtol=1e-3, atol=1e-3)
        assert loss == pytest.approx((share * value + (1 - share) * partners_value).item(), abs=1e-3)
        shares.append(share.item())
    assert 20 <= len(shares) + itself <= 40  # half of 60
    assert itself <= 2
    assert np.mean(shares) == pytest.approx(average, abs=0.15)
    assert np.std(shares) == pytest.approx(deviation, abs=0.06)


def test_without_mixup_no_image_is_mixed(
    few: Split, recorders: list[Recorder], fit: Fit, input_gates: list[tuple[Tensor, Tensor, float]]
) -> None:
    checkpoint = untrained(few, "sigmoid")
    fit(checkpoint, few, epochs=8, loss="input_gates")
    assert len(input_gates) == 8 * 3
    input_gates.clear()
    fit(checkpoint, few, epochs=8, loss="input_gates", mixup=0.4)
    assert 8 * 3 + 5 < len(input_gates) < 8 * 6 - 5


def test_mixup_end_to_end_mixes_pixels(few: Split, recorders: list[Recorder], fit: Fit) -> None:
    """Mixed images have less contrast than any of them; those of a batch that is not mixed are as they were read."""
    checkpoint, spreads = untrained(few), []
    checkpoint.model.backbone.register_forward_pre_hook(
        lambda module, inputs: spreads.append(inputs[0].std(dim=(1, 2, 3)).mean()) if torch.is_grad_enabled() else None
    )
    fit(checkpoint, few, backbone_lr=1e-3)
    plain = torch.stack(spreads).clone()
    spreads.clear()
    fit(checkpoint, few, epochs=3, backbone_lr=1e-3, mixup=1e6)  # shares of one half
    found = torch.stack(spreads)
    assert found.min() < 0.85 * plain.min()
    assert found.max() > 0.9 * plain.min()


# Which settings reach what.


def test_randomness_depends_on_the_configured_seed_only(few: Split, fit: Fit) -> None:
    def losses(seed: int, drawn_before: int, **settings: Any) -> list[float]:
        torch.manual_seed(drawn_before)
        checkpoint = untrained(few, dropout=0.3)
        torch.manual_seed(drawn_before)
        run, _ = fit(checkpoint, few, optimizer="adamw", seed=seed, **settings)
        return [record["loss"] for record in run.history]

    for settings in ({}, {"backbone_lr": 1e-3}):
        once = losses(1, 5, **settings)
        assert losses(1, 6, **settings) == once
        assert losses(2, 5, **settings) != once


@pytest.mark.parametrize("settings", [{}, {"trained_layers": 1, "backbone_lr": 1e-3}])
def test_as_many_views_are_kept_as_the_configuration_says(
    settings: dict, few: Split, recorders: list[Recorder], fit: Fit
) -> None:
    for views, new in ((1, [1]), (3, [2, 3]), (3, []), (5, [4, 5])):  # those of before are still there
        _, told = fit(untrained(few), few, views=views, **settings)
        expected = [f"features of scenes train, view {view}" for view in new] + ["epoch 1/1"]
        assert [what for what, _ in told.started] == expected


def test_a_backbone_without_a_learning_rate_is_frozen_whatever_layers_are_named(
    few: Split, recorders: list[Recorder], fit: Fit
) -> None:
    checkpoint = untrained(few)
    _, told = fit(checkpoint, few, trained_layers=2, views=1)
    assert told.started[0] == ("features of scenes train, view 1", 20)
    assert not any(parameter.requires_grad for parameter in checkpoint.model.backbone.parameters())
    _, told = fit(untrained(few), few, backbone_lr=1e-3)
    assert told.started == [("epoch 1/1", 20), ("validating", 20)]  # end to end


def test_the_backbone_computes_in_the_precision_of_the_configuration(
    few: Split, recorders: list[Recorder], fit: Fit
) -> None:
    for precision in ("bfloat16", "float32"):
        checkpoint = untrained(few)
        fit(checkpoint, few, precision=precision)
        assert checkpoint.model.backbone.precision == getattr(torch, precision)


@pytest.mark.parametrize("settings", [{}, {"backbone_lr": 1e-3}])
def test_layers_are_compiled_where_the_configuration_says(
    settings: dict, few: Split, recorders: list[Recorder], fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda layers: compiled.append(layers) or layers)
    for compile_layers in (False, True):
        fit(untrained(few), few, compile_layers=compile_layers, **settings)
        assert len(compiled) == compile_layers


def test_the_defaults_are_documented_ones() -> None:
    assert asdict(TrainConfig()) == {
        "epochs": 30, "batch_size": 64, "lr": 1e-3, "backbone_lr": 0.0, "trained_layers": None, "views": 2,
        "loss": "bce", "auxiliary": 0.0, "mixup": 0.0, "weight_decay": 1e-4, "optimizer": "adamw", "seed": 0,
        "precision": "float32", "compile_layers": False, "beam": 8,
    }  # fmt: skip


def test_a_new_checkpoint_has_the_given_settings(few: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    def weights(checkpoint: Checkpoint) -> tuple[Tensor, Tensor]:
        return next(checkpoint.model.backbone.parameters()).detach(), checkpoint.model.label_embedding.detach()

    def made(seed: int = 0, pretrained: bool = False, **settings: Any) -> Checkpoint:
        return new_checkpoint(few, "test_byobnet", 32, pretrained, seed, torch.device("cpu"), **settings)

    plain = made(hidden_dim=16, dropout=0.25)
    assert (plain.model.config.hidden_dim, plain.model.config.dropout, plain.model.config.num_labels) == (16, 0.25, 6)
    assert plain.model.backbone.config.image_size == 32
    assert plain.training == {"pretrained": False, "order": "frequent"}
    assert plain.weights_hash == ""
    counts = {label: sum(label in sample.labels for sample in few.samples) for label in few.labels}
    assert dict(zip(plain.vocabulary.labels, plain.vocabulary.counts, strict=True)) == counts
    assert plain.vocabulary.labels == tuple(sorted(few.labels, key=lambda label: (-counts[label], label)))
    torch.manual_seed(77)  # what was drawn before doesn't matter
    for one, other in zip(weights(plain), weights(made(hidden_dim=16)), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(weights(plain), weights(made(seed=1, hidden_dim=16)), strict=True):
        assert not torch.equal(one, other)

    calls: list[str] = []
    monkeypatch.setattr(Backbone, "load_pretrained", lambda self: calls.append("load") or torch.rand(7))
    monkeypatch.setattr(Backbone, "fold_batch_norm", lambda self: calls.append("fold"))
    made()
    assert calls == []
    pretrained = made(pretrained=True, order="rare", hidden_dim=16)
    assert calls == ["load", "fold"]
    assert pretrained.training == {"pretrained": True, "order": "rare"}
    assert pretrained.vocabulary.labels == plain.vocabulary.labels[::-1]
    assert torch.equal(weights(pretrained)[1], weights(plain)[1])  # the head is the same on any backbone
    shuffles = [made(seed=seed, order="random").vocabulary.labels for seed in (0, 0, 1)]
    assert shuffles[0] == shuffles[1] != shuffles[2]
    assert type(made(head="sigmoid").model).__name__ == "SigmoidClassifier"


# What a run leaves.


@pytest.fixture
def wandering(monkeypatch: pytest.MonkeyPatch) -> None:
    """An optimizer that sets the weights to random ones: epochs are good and bad at haphazard."""

    def make(groups: list[dict[str, Any]], lr: float, weight_decay: float) -> Recorder:
        recorder, rng = Recorder(groups, lr, weight_decay), torch.Generator().manual_seed(14)

        def act(parameters: list[nn.Parameter]) -> None:
            for parameter in parameters:
                parameter.copy_(torch.randn(parameter.shape, generator=rng))

        recorder.act = act
        return recorder

    monkeypatch.setitem(OPTIMIZERS, "wandering", make)


def test_best_is_the_epoch_with_the_highest_mean_of_map_and_f1(
    few: Split, scenes_root: Path, wandering: None, tmp_path: Path
) -> None:
    val = small(load_split("scenes", scenes_root, "val"), 30)
    config, watcher = TrainConfig(epochs=12, optimizer="wandering"), Told()
    run = train(untrained(few), few, val, config, tmp_path / "run", tmp_path / "features", watcher)
    assert run.history == watcher.records
    assert [record["epoch"] for record in run.history] == list(range(1, 13))
    keys = ("mAP", "OF1", "CF1", "exact_match")
    assert [list(record) for record in run.history] == [["epoch", "loss", "seconds", *(f"val_{k}" for k in keys)]] * 12
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


def test_of_equal_epochs_the_first_is_best(few: Split, recorders: list[Recorder], fit: Fit, tmp_path: Path) -> None:
    fit(untrained(few), few, epochs=3)
    (folder,) = tmp_path.glob("fit-*")
    assert Checkpoint.load(folder / "best").training["epochs_done"] == 1
    assert Checkpoint.load(folder / "last").training["epochs_done"] == 3


def test_a_checkpoint_says_how_it_was_trained(few: Split, recorders: list[Recorder], fit: Fit) -> None:
    checkpoint = untrained(few)
    checkpoint.training["source"] = "kept"
    fit(checkpoint, few, epochs=2, lr=0.5)
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
    beam: int, settings: dict, few: Split, scenes_root: Path, recorders: list[Recorder], tmp_path: Path
) -> None:
    val = small(load_split("scenes", scenes_root, "val"), 30)
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 3 == 0 else ()) for n, s in enumerate(val.samples)]
    val, checkpoint = replace(val, samples=tuple(samples)), untrained(few, auxiliary=True)
    config = TrainConfig(epochs=1, optimizer="recorder", beam=beam, **settings)
    train(checkpoint, few, val, config, tmp_path / "run", tmp_path / "features", Told())
    found = json.loads((tmp_path / "run" / "last" / "metrics.json").read_text())["val"]
    checkpoint.model.eval()
    expected = evaluate(Predictor(checkpoint, beam=beam), val).metrics
    for key in ("images", "mAP", "OF1", "CF1", "exact_match", "coverage", "hamming_loss", "positives", "AP"):
        assert found[key] == pytest.approx(expected[key], abs=0.01), key
    assert found["coverage"] != pytest.approx(evaluate(Predictor(checkpoint, beam=4), val).metrics["coverage"])


def test_the_baselines_threshold_is_chosen_on_the_validation_split_and_judged_there(
    few: Split, scenes_root: Path, recorders: list[Recorder], tmp_path: Path
) -> None:
    val = small(load_split("scenes", scenes_root, "val"), 40)
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 3 == 0 else ()) for n, s in enumerate(val.samples)]
    val, checkpoint = replace(val, samples=tuple(samples)), untrained(few, "sigmoid")
    with torch.no_grad():
        checkpoint.model.classifier.weight *= 30
    config = TrainConfig(epochs=1, optimizer="recorder")
    train(checkpoint, few, val, config, tmp_path / "run", tmp_path / "features", Told())
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
    few: Split, scenes_root: Path, recorders: list[Recorder], tmp_path: Path
) -> None:
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 2 else ()) for n, s in enumerate(few.samples)]
    few, val = replace(few, samples=tuple(samples)), small(load_split("scenes", scenes_root, "val"), 30)
    checkpoint = untrained(few)
    config = TrainConfig(epochs=1, optimizer="recorder", backbone_lr=1e-3, batch_size=8)  # several batches of val
    train(checkpoint, few, val, config, tmp_path / "run", tmp_path / "features", Told())
    told = json.loads((tmp_path / "run" / "last" / "metrics.json").read_text())["cooccurrence"]
    sets = [set(sample.labels) - set(sample.ignored) for sample in few.samples]
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

    assert list(told) == list(labels)
    for label, others in told.items():
        assert set(others) == set(labels) - {label}
        having = sum(label in one for one in sets)
        for other, (in_training, by_model) in others.items():
            both = sum({label, other} <= one for one in sets)
            assert in_training == pytest.approx(both / having if having else 0)
            assert by_model == pytest.approx(believed(label, other) / believed(label), abs=1e-3)


# Ctrl-C and going on.


@pytest.fixture
def ctrl_c() -> Iterator[Any]:
    """Python's own handler, which a process in the background may have been started without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_after_the_step_and_a_second_one_immediately(
    ctrl_c: Any, few: Split, recorders: list[Recorder], tmp_path: Path
) -> None:
    class Pressing(Told):
        times = 1

        def advance(self, images: int, loss: float | None = None) -> None:
            super().advance(images, loss)
            if len(self.advanced) == 4:  # the first step of the second epoch
                for _ in range(self.times):
                    signal.raise_signal(signal.SIGINT)

    config = TrainConfig(epochs=9, batch_size=8, optimizer="recorder", views=1)
    for times, steps in ((1, 5), (2, 4)):
        Pressing.times = times
        run = train(untrained(few), few, few, config, tmp_path / "run", tmp_path / "features", Pressing())
        assert run.interrupted
        assert len(run.history) == 1
        assert len(recorders[-1].gradients) == steps
        assert signal.getsignal(signal.SIGINT) is ctrl_c
        results = json.loads((tmp_path / "run" / "last" / "metrics.json").read_text())
        assert results == {"history": run.history}
    run = train(untrained(few), few, few, replace(config, epochs=1), tmp_path / "run", tmp_path / "features", Told())
    assert not run.interrupted
    assert signal.getsignal(signal.SIGINT) is ctrl_c


def test_an_error_in_training_restores_the_ctrl_c_handler(ctrl_c: Any, few: Split, tmp_path: Path) -> None:
    checkpoint = untrained(few)
    checkpoint.model.U_I.weight.data.fill_(torch.nan)
    with pytest.raises(TrainingError):
        train(checkpoint, few, few, TrainConfig(epochs=1), tmp_path / "run", tmp_path / "features", Told())
    assert signal.getsignal(signal.SIGINT) is ctrl_c


def test_a_run_is_resumed_only_with_the_same_settings_labels_and_images(few: Split, tmp_path: Path) -> None:
    config = TrainConfig(epochs=1, views=1)

    def resume(
        config: TrainConfig = config, split: Split = few, val: Split = few, checkpoint: Checkpoint | None = None
    ) -> Run:
        checkpoint = checkpoint or untrained(few)
        return train(checkpoint, split, val, config, tmp_path / "run", tmp_path / "features", Told(), resume=True)

    first = train(untrained(few), few, few, config, tmp_path / "run", tmp_path / "features", Told())
    assert resume().history == first.history  # nothing is left to do
    other_values: dict[str, Any] = {
        "epochs": 2, "batch_size": 7, "lr": 1.0, "backbone_lr": 1.0, "trained_layers": 1, "views": 2,
        "loss": "asymmetric", "auxiliary": 1.5, "mixup": 1.0, "weight_decay": 1.0, "optimizer": "rmsprop", "seed": 1,
        "precision": "bfloat16", "compile_layers": True, "beam": 2,
    }  # fmt: skip
    assert other_values.keys() == asdict(config).keys()
    for key, value in other_values.items():
        shown = {"auxiliary": "auxiliary weight"}.get(key, key)  # the model has a setting of the same name
        with pytest.raises(TrainingError, match=rf"\({shown}: {getattr(config, key)} → {value}\); repeat"):
            resume(replace(config, **{key: value}))
    relabelled = replace(few, samples=(replace(few.samples[0], labels=("star", "cross")), *few.samples[1:]))
    for split in (relabelled, small(few, 19), replace(few, samples=few.samples[::-1])):
        with pytest.raises(TrainingError, match=r"\(training images: 20 \(\w{8}\) → (20|19) \(\w{8}\)\); repeat"):
            resume(split=split)
        with pytest.raises(TrainingError, match=r"\(validation images: 20"):
            resume(val=split)
    mixed_up = replace(few, samples=tuple(replace(s, labels=tuple(s.labels)[::-1]) for s in few.samples))
    assert resume(split=mixed_up).history == first.history  # a set has no order
    for checkpoint, key in (
        (untrained(few, activation="relu"), "activation: tanh → relu"),
        (untrained(few, "sigmoid"), "head: CNNRNN → SigmoidClassifier"),
        (
            new_checkpoint(few, "test_byobnet", 32, False, 0, torch.device("cpu"), embedding_dim=8, hidden_dim=8),
            "image_size",
        ),
        (untrained(replace(few, labels=(*few.labels, "more"))), "labels: "),
    ):
        with pytest.raises(TrainingError, match=key):
            resume(checkpoint=checkpoint, split=replace(few, labels=checkpoint.vocabulary.labels))


def test_an_older_run_without_a_setting_resumes_with_its_default(few: Split, tmp_path: Path) -> None:
    config, state = TrainConfig(epochs=1, views=1), tmp_path / "run" / "state.pt"
    train(untrained(few), few, few, config, tmp_path / "run", tmp_path / "features", Told())
    older = torch.load(state, weights_only=True)
    assert len(older["history"]) == 1
    del older["run"]["mixup"], older["run"]["auxiliary weight"]
    torch.save(older, state)
    run = train(untrained(few), few, few, config, tmp_path / "run", tmp_path / "features", Told(), resume=True)
    assert len(run.history) == 1
    with pytest.raises(TrainingError, match=r"mixup: 0\.0 → 0\.4"):
        train(untrained(few), few, few, replace(config, mixup=0.4), tmp_path / "run", tmp_path, Told(), resume=True)


def test_a_new_run_in_an_old_folder_starts_anew(few: Split, recorders: list[Recorder], tmp_path: Path) -> None:
    config = TrainConfig(epochs=2, views=1, optimizer="recorder")
    for _ in range(2):
        watcher = Told()
        run = train(untrained(few), few, few, config, tmp_path / "run", tmp_path / "features", watcher)
        assert [record["epoch"] for record in run.history] == [1, 2]
        assert len(watcher.records) == 2


def test_torchrun_resumes_from_the_last_checkpoint(few: Split, recorders: list[Recorder], tmp_path: Path) -> None:
    """It repeats its command: `resume` may find nothing, and a new run must leave nothing of an old one."""
    config = TrainConfig(epochs=2, views=1, optimizer="recorder")

    def run(resume: bool, watcher: Quiet, **process: bool) -> Run:
        processes = replace(ALONE, **process)
        return train(
            untrained(few), few, few, config, tmp_path / "run", tmp_path / "features", watcher, resume, processes
        )

    class Leaving(Told):
        def epoch_done(self, record: dict) -> None:
            super().epoch_done(record)
            raise KeyboardInterrupt

    class Failing(Told):
        def start(self, what: str, images: int) -> None:
            raise TrainingError("before anything was done")

    def epochs(resume: bool, **process: bool) -> list[int]:
        run(resume, watcher := Told(), **process)
        return [record["epoch"] for record in watcher.records]

    assert epochs(resume=True, by_torchrun=True) == [1, 2]  # there was nothing
    assert epochs(resume=True, by_torchrun=True) == []
    assert epochs(resume=False, by_torchrun=True) == [1, 2]
    run(False, Leaving(), by_torchrun=True)
    assert epochs(resume=False, by_torchrun=True, restarted=True) == [2]  # torchrun's own restart
    with pytest.raises(TrainingError, match="before anything"):
        run(False, Failing(), by_torchrun=True)
    assert not (tmp_path / "run" / "state.pt").exists()
    run(False, Leaving())
    assert epochs(resume=True) == [2]
    run(False, Leaving())
    with pytest.raises(TrainingError, match="before anything"):
        run(False, Failing())
    assert (tmp_path / "run" / "state.pt").exists()  # a person may still want it


def test_half_written_files_of_a_killed_run_are_removed(few: Split, recorders: list[Recorder], tmp_path: Path) -> None:
    import platform

    dead = 2**22 + 1  # more than Linux's largest process number
    left = [tmp_path / folder / f".last.new-{platform.node()}-{dead}" for folder in ("run", "features")]
    for path in left:
        path.parent.mkdir()
        path.write_text("half")
    config = TrainConfig(epochs=1, views=1, optimizer="recorder")
    train(untrained(few), few, few, config, tmp_path / "run", tmp_path / "features", Told())
    assert not any(path.exists() for path in left)
