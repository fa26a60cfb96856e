"""Batches of images: how they are handed to a GPU, as far as a machine without one can tell."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from cnnrnn.data import loader


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batches_for_a_gpu_lie_in_pinned_memory(device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "black.png")
    asked = []

    class Watched(loader.DataLoader):
        def __init__(self, *args: object, **settings: object) -> None:
            asked.append(settings["pin_memory"])
            super().__init__(*args, **settings)

    monkeypatch.setattr(loader, "DataLoader", Watched)
    paths = [tmp_path / "black.png", tmp_path / "missing.png"]
    transform = lambda image: torch.zeros(3, *image.size)  # noqa: E731
    ((read, images, failed),) = loader.batches(paths, transform, 2, device=torch.device(device))
    assert asked == [device == "cuda"]
    assert read == [0]
    assert images.shape == (1, 3, 8, 8)
    assert list(failed) == [1]
    assert loader.to_device(torch.device("cpu"), images).equal(images)
