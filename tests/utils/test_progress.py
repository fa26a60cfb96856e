"""What is printed of an epoch."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cnnrnn.utils import progress

RECORD = {"epoch": 3, "loss": 1.5, "seconds": 2.0, "val_mAP": 50.0, "val_OF1": 60.0, "val_CF1": 40.0,
          "val_exact_match": 20.0, "val_labels": 20}  # fmt: skip


@pytest.mark.parametrize(
    ("scored", "shown"), [(20, "val mAP  50.0  O-F1  60.0"), (6, "val mAP  50.0 over 6 of 20 labels  O-F1  60.0")]
)
def test_an_epoch_says_over_how_many_labels_its_map_is(
    scored: int, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO(), width=200)
    monkeypatch.setattr(progress, "notes", console)
    progress.TrainingProgress().epoch_done({**RECORD, "val_labels_scored": scored})
    assert shown in console.file.getvalue()  # type: ignore[attr-defined]
