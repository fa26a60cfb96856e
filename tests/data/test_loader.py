"""Batches of images: how they are handed to a GPU, as far as a machine without one can tell."""

from __future__ import annotations

import os
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


def test_where_shared_memory_is_small_the_same_batches_come_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker gives /dev/shm 64 MB. Workers that fill it hang for ever, and the tensors of these would."""
    paths = [tmp_path / f"{number}.png" for number in range(70)]
    for number, path in enumerate(paths[1:], start=1):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(path)

    def transform(image: Image.Image) -> torch.Tensor:
        return torch.full((3, 2, 2), float(image.getpixel((0, 0))[0])) + torch.rand(1)

    def read(free_bytes: int) -> tuple[list[loader.Batch], bool]:
        result = os.statvfs_result((1, 1, free_bytes, free_bytes, free_bytes, 0, 0, 0, 0, 255))
        monkeypatch.setattr(loader.os, "statvfs", lambda path: result)
        state = torch.get_rng_state()
        fits = loader._fit_in_shared_memory(10, 64, transform)
        assert torch.get_rng_state().equal(state)
        return list(loader.batches(paths, transform, 64, seed=3)), fits

    (shared, fits), (piped, small_fits) = read(2**30), read(4 * 64 * 48)
    assert (fits, small_fits) == (True, False)
    assert [batch[0] for batch in piped] == [batch[0] for batch in shared] == [list(range(1, 64)), list(range(64, 70))]
    for (_, images, errors), (_, expected, expected_errors) in zip(piped, shared, strict=True):
        assert images.equal(expected)
        assert errors == expected_errors
    assert shared[0][1].is_shared()
    assert not piped[0][1].is_shared()
    monkeypatch.setattr(loader.os, "statvfs", lambda path: (_ for _ in ()).throw(FileNotFoundError))
    monkeypatch.setattr(loader.sys, "platform", "darwin")
    assert loader._fit_in_shared_memory(10, 64, transform)
