"""Ctrl-C during training."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import Quiet
from training_helpers import RecordingOptimizer, RecordingWatcher, fresh, small, train_small, untrained

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split, load_split
from cnnrnn.training.config import TrainConfig, TrainingError
from cnnrnn.training.loop import train


@pytest.fixture
def ctrl_c() -> Iterator[Any]:
    """Python's own handler, which a process in the background may have been started without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


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


def test_ctrl_c_stops_after_the_step_and_a_second_one_immediately(
    ctrl_c: Any, small_split: Split, recorders: list[RecordingOptimizer], tmp_path: Path
) -> None:
    class Pressing(RecordingWatcher):
        times = 1

        def advance(self, images: int, loss: float | None = None) -> None:
            super().advance(images, loss)
            if len(self.advanced) == 4:  # the first step of the second epoch
                for _ in range(self.times):
                    signal.raise_signal(signal.SIGINT)

    config = TrainConfig(epochs=9, batch_size=8, optimizer="recorder", views=1)
    for times, steps in ((1, 5), (2, 4)):
        Pressing.times = times
        run = train_small(small_split, config, tmp_path, Pressing())
        assert run.interrupted
        assert len(run.history) == 1
        assert len(recorders[-1].gradients) == steps
        assert signal.getsignal(signal.SIGINT) is ctrl_c
        results = json.loads((tmp_path / "run" / "last" / "metrics.json").read_text())
        assert results == {"history": run.history}
    run = train_small(small_split, replace(config, epochs=1), tmp_path)
    assert not run.interrupted
    assert signal.getsignal(signal.SIGINT) is ctrl_c


def test_an_error_in_training_restores_the_ctrl_c_handler(ctrl_c: Any, small_split: Split, tmp_path: Path) -> None:
    checkpoint = untrained(small_split)
    checkpoint.model.U_I.weight.data.fill_(torch.nan)
    with pytest.raises(TrainingError):
        train(
            checkpoint,
            small_split,
            small_split,
            TrainConfig(epochs=1),
            tmp_path / "run",
            tmp_path / "features",
            RecordingWatcher(),
        )
    assert signal.getsignal(signal.SIGINT) is ctrl_c
