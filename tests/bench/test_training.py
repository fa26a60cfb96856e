"""Both sides of the line about training do the work that it compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cnnrnn.bench import training


def test_both_train_on_every_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_BACKBONE", "test_byobnet"), ("_SIZE", 64), ("_BATCH", 3), ("_MOST", 8)):
        monkeypatch.setattr(training, name, value)
    images = [tmp_path / f"{number}.png" for number in range(9)]
    for number, path in enumerate(images):
        Image.new("RGB", (40, 30), (20 * number, 0, 0)).save(path)
    batches: dict[str, list[int]] = {"ours": [], "theirs": []}
    side = "ours"
    step = torch.optim.AdamW.step

    def counted(self: torch.optim.AdamW, *args: Any, **options: Any) -> Any:
        assert any(parameter.grad is not None for group in self.param_groups for parameter in group["params"])
        batches[side].append(sum(parameter.numel() for group in self.param_groups for parameter in group["params"]))
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    (pair,) = training.lines(images, torch.device("cpu"))
    assert "8 images" in pair.what
    pair.ours()
    side = "theirs"
    pair.theirs()
    ours, theirs = batches["ours"], batches["theirs"]
    assert len(ours) == 3  # the last one has two images
    assert len(theirs) >= 2  # timm drops it
    assert min(ours) > 0.9 * max(theirs)  # all weights, the backbone's too
