"""The optimizer's parameter groups and the schedule of their learning rates."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from training_helpers import Fit, RecordingOptimizer, features, truth, untrained

from cnnrnn.data import Split
from cnnrnn.training.optim import OPTIMIZERS


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
def test_training_steps_by_the_chosen_optimizer(optimizer: str, small_split: Split, fit: Fit) -> None:
    """One step on all images: what the optimizer does with the gradient of their loss, computed here."""
    checkpoint = untrained(small_split, "sigmoid")
    weight = checkpoint.model.classifier.weight
    with torch.no_grad():
        feature = features(checkpoint, small_split)
    loss = nn.functional.binary_cross_entropy_with_logits(checkpoint.model(feature), truth(checkpoint, small_split))
    (gradient,) = torch.autograd.grad(loss, weight)
    expected = nn.Parameter(weight.detach().clone())
    expected.grad = gradient
    OPTIMIZERS[optimizer]([{"params": [expected]}], lr=0.01, weight_decay=0.5).step()
    fit(checkpoint, small_split, optimizer=optimizer, lr=0.01, weight_decay=0.5, batch_size=20, views=1)
    torch.testing.assert_close(weight, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("backbone_lr", "trained_layers"), [(0.0, None), (0.0, 2), (1e-4, None), (1e-4, 2)])
@pytest.mark.parametrize("head", ["cnn-rnn", "sigmoid"])
def test_the_head_and_the_trained_layers_have_their_own_learning_rates(
    head: str,
    backbone_lr: float,
    trained_layers: int | None,
    small_split: Split,
    recorders: list[RecordingOptimizer],
    fit: Fit,
) -> None:
    checkpoint = untrained(small_split, head)
    model = checkpoint.model
    fit(checkpoint, small_split, lr=2e-3, backbone_lr=backbone_lr, trained_layers=trained_layers, weight_decay=0.03)
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
    settings: dict, warm_up: int, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    fit(untrained(small_split), small_split, lr=2e-3, **settings)
    steps = settings["epochs"] * (2 if "batch_size" in settings else 3)
    shares = [(step + 1) / (warm_up + 1) for step in range(warm_up)]
    shares += [(1 + math.cos(math.pi * n / (steps - warm_up))) / 2 for n in range(steps - warm_up)]
    lrs = [2e-3, 1e-4] if "backbone_lr" in settings else [2e-3]
    assert [
        found == pytest.approx([share * lr for lr in lrs])
        for found, share in zip(recorders[0].lrs, shares, strict=True)
    ] == [True] * steps
