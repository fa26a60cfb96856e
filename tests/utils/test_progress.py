"""What is printed of an epoch."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cnnrnn.utils import progress

RECORD = {"epoch": 3, "loss": 1.5, "seconds": 2.0, "val_mAP": 50.0, "val_OF1": 60.0, "val_CF1": 40.0,
          "val_exact_match": 20.0, "val_labels": 20}  # fmt: skip


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed to a file or a terminal of 80 columns."""
    console = Console(file=io.StringIO(), width=80)
    monkeypatch.setattr(progress, "notes", console)
    return console.file  # type: ignore[return-value]


def test_an_epoch_is_one_line_of_80_columns(printed: io.StringIO) -> None:
    long = {**RECORD, "epoch": 120, "loss": 9.25, "val_mAP": 100.0, "seconds": 3661.25, "val_labels_scored": 20}
    shown = progress.TrainingProgress()
    shown.epoch_done({**RECORD, "val_labels_scored": 20})
    shown.epoch_done(long)
    lines = printed.getvalue().splitlines()
    assert lines[0] == "epoch   3  loss 1.500  val mAP 50.0  O-F1 60.0  C-F1 40.0  exact 20.0  2.0 s"
    assert len(lines) == 2
    assert max(map(len, lines)) <= 80


def test_over_how_many_labels_the_map_is_is_said_once(printed: io.StringIO) -> None:
    shown = progress.TrainingProgress()
    for _ in range(2):
        shown.epoch_done({**RECORD, "val_labels_scored": 6})
    assert printed.getvalue().count("over 6 of 20 labels") == 1
    assert printed.getvalue().startswith("the mAP on val is over 6 of 20 labels")
