"""`--tensorboard`: the epochs as scalars, and what is said where the package is missing."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from training_helpers import RecordingWatcher

from cnnrnn.training.tensorboard import TensorBoard
from cnnrnn.utils.errors import UserError

RECORDS = [
    {"epoch": epoch, "loss": 2.0 / epoch, "seconds": 3.0, "val_mAP": 10.0 * epoch, "val_OF1": 1.0, "val_CF1": 2.0,
     "val_exact_match": 4.0, "val_labels_scored": 5, "val_labels": 6}
    for epoch in (1, 2)
]  # fmt: skip


def test_every_epoch_is_written_at_once_and_passed_on(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    watcher = RecordingWatcher()
    board = TensorBoard(watcher, tmp_path)
    board.start("epoch 1/2", 20)
    board.advance(20, 1.5)
    for number, record in enumerate(RECORDS, start=1):
        board.epoch_done(record)
        events = EventAccumulator(str(tmp_path))
        events.Reload()
        assert [(scalar.step, scalar.value) for scalar in events.Scalars("val/mAP")] == [
            (record["epoch"], record["val_mAP"]) for record in RECORDS[:number]
        ]
    assert [scalar.value for scalar in events.Scalars("train/loss")] == [2.0, 1.0]
    assert set(events.Tags()["scalars"]) == {
        "train/loss", "train/seconds", "val/mAP", "val/OF1", "val/CF1", "val/exact_match"
    }  # fmt: skip
    assert watcher.records == RECORDS
    assert watcher.started == [("epoch 1/2", 20)]
    assert watcher.advanced == [(20, 1.5)]


def test_a_missing_package_is_one_line_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("torch.utils.tensorboard"):
            raise ModuleNotFoundError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'cnnrnn\[track\]'$"):
        TensorBoard(RecordingWatcher(), tmp_path)
