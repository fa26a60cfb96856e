"""Small splits, untrained checkpoints, and an optimizer and a watcher that record, for the tests of training."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from helpers import Quiet
from torch import Tensor, nn

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split
from cnnrnn.data.images import open_image
from cnnrnn.training.config import TrainConfig
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.training.loop import train
from cnnrnn.training.state import Run


def small(split: Split, images: int) -> Split:
    return Split(split.name, split.labels, split.samples[:images])


def fresh(split: Split, head: str = "cnn-rnn", spatial: bool = False) -> Checkpoint:
    settings = {"embedding_dim": 8, "hidden_dim": 8} if head == "cnn-rnn" else {}
    return new_checkpoint(
        split, "test_byobnet", 64, False, 0, torch.device("cpu"), head, dropout=0.2, spatial=spatial, **settings
    )  # fmt: skip


def untrained(split: Split, head: str = "cnn-rnn", **settings: Any) -> Checkpoint:
    """Without dropout, so that a loss can be computed again."""
    sizes = {"embedding_dim": 8, "hidden_dim": 8} if head == "cnn-rnn" else {}
    return new_checkpoint(split, "test_byobnet", 64, False, 0, torch.device("cpu"), head, **sizes, **settings)


def train_small(
    split: Split, config: TrainConfig, folder: Path, watcher: Quiet | None = None, resume: bool = False
) -> Run:
    """Train an untrained checkpoint on a split, which also validates, into `folder`/run."""
    watcher = watcher or RecordingWatcher()
    return train(untrained(split), split, split, config, folder / "run", folder / "features", watcher, resume)


def features(checkpoint: Checkpoint, split: Split) -> Tensor:
    """I of the split's images as they are, in eval mode: (image, 1, feature)."""
    model = checkpoint.model
    model.backbone.eval()
    images = [model.backbone.preprocess(open_image(sample.image, 128)) for sample in split.samples]
    return model.image_feature(model.backbone(torch.stack(images)))


def truth(checkpoint: Checkpoint, split: Split) -> Tensor:
    """1 where an image has a label that is not ignored: (image, label), in the model's order."""
    return torch.tensor(
        [
            [float(label in set(sample.labels) - set(sample.ignored)) for label in checkpoint.vocabulary.labels]
            for sample in split.samples
        ]
    )


class RecordingOptimizer(torch.optim.Optimizer):
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


class RecordingWatcher(Quiet):
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


# The type of the fixture `fit`.
Fit = Callable[..., tuple[Run, RecordingWatcher]]
