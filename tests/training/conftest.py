"""What several tests of training need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor
from training_helpers import RecordingOptimizer, RecordingWatcher, small

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split, load_split
from cnnrnn.training.config import TrainConfig
from cnnrnn.training.loop import train
from cnnrnn.training.losses import LABEL_LOSSES
from cnnrnn.training.optim import OPTIMIZERS
from cnnrnn.training.state import Run


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[RecordingOptimizer]:
    """The optimizers that trainings with `optimizer="recorder"` made; they change no weights."""
    made: list[RecordingOptimizer] = []

    def make(groups: list[dict[str, Any]], lr: float, weight_decay: float) -> RecordingOptimizer:
        made.append(RecordingOptimizer(groups, lr, weight_decay))
        return made[-1]

    monkeypatch.setitem(OPTIMIZERS, "recorder", make)
    return made


@pytest.fixture
def small_split(scenes_root: Path) -> Split:
    return small(load_split("scenes", scenes_root, "train"), 20)


@pytest.fixture
def fit(tmp_path: Path) -> Iterator[Callable[..., tuple[Run, RecordingWatcher]]]:
    """Train a checkpoint on a split, which also validates, with a recorder and the given fields of TrainConfig."""
    numbers = iter(range(1000))

    def run(
        checkpoint: Checkpoint,
        split: Split,
        val: Split | None = None,
        watcher: RecordingWatcher | None = None,
        **settings: Any,
    ) -> tuple[Run, RecordingWatcher]:
        config = TrainConfig(**{"optimizer": "recorder", "epochs": 1, "batch_size": 8, **settings})
        folder, watcher = tmp_path / f"fit-{next(numbers)}", watcher or RecordingWatcher()
        return train(checkpoint, split, val or split, config, folder, tmp_path / "features", watcher), watcher

    return run


@pytest.fixture
def loss_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor, float]]:
    """Logits, truth and value of every call of the loss "recorded"."""
    calls: list[tuple[Tensor, Tensor, float]] = []

    def loss(logits: Tensor, truth: Tensor, batch: int) -> Tensor:
        value = LABEL_LOSSES["bce"](logits, truth, batch)
        calls.append((logits.detach(), truth, value.item()))
        return value

    monkeypatch.setitem(LABEL_LOSSES, "recorded", loss)
    return calls
