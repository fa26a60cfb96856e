"""Training end to end, beside the recipe of timm's own script for the same network: loader, optimizer and all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from PIL import Image
from timm.data.loader import create_loader
from timm.optim import create_optimizer_v2
from torch import Tensor, nn
from torch.utils.data import Dataset

from cnnrnn.bench.timing import Pair
from cnnrnn.data.split import Sample, Split
from cnnrnn.training.config import TrainConfig
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.training.loop import train

_BACKBONE, _SIZE, _BATCH = "tf_efficientnet_lite0", 224, 16
_LABELS = tuple(f"label {number}" for number in range(80))
_MOST = 512  # images


class _Silent:
    """A watcher that shows nothing."""

    def start(self, what: str, images: int) -> None: ...
    def advance(self, images: int, loss: float | None = None) -> None: ...
    def epoch_done(self, record: dict[str, Any]) -> None: ...


class _Images(Dataset[tuple[Tensor, Tensor]]):
    """As timm's loader wants them: with a transform that it sets."""

    transform: Any = None

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        sample = self.samples[index]
        target = torch.zeros(len(_LABELS)).index_fill_(0, torch.tensor([*map(_LABELS.index, sample.labels)]), 1)
        return self.transform(Image.open(sample.image).convert("RGB")), target


def lines(images: Sequence[Path], device: torch.device) -> Iterator[Pair]:
    """An epoch from random weights; every image has three of 80 labels. Ours ends with the state on the disk, and
    with a validation on two images."""
    samples = [
        Sample(path, tuple(_LABELS[(7 * n + k) % len(_LABELS)] for k in range(3)))
        for n, path in enumerate(images[:_MOST])
    ]
    split = Split("bench", _LABELS, tuple(samples))
    val = Split("bench val", _LABELS, tuple(samples[:2]))
    config = TrainConfig(epochs=1, batch_size=_BATCH, lr=1e-4, backbone_lr=1e-4)

    def ours() -> None:
        checkpoint = new_checkpoint(split, _BACKBONE, _SIZE, False, 0, device, spatial=True)
        with tempfile.TemporaryDirectory() as folder:
            train(checkpoint, split, val, config, Path(folder, "run"), Path(folder, "features"), _Silent())

    def theirs() -> None:
        network = timm.create_model(_BACKBONE, pretrained=False, num_classes=len(_LABELS)).train().to(device)
        loader = create_loader(
            _Images(samples),  # type: ignore[arg-type]
            (3, _SIZE, _SIZE),
            _BATCH,
            is_training=True,
            use_prefetcher=False,
            num_workers=2,
            persistent_workers=False,
        )
        optimizer, loss = create_optimizer_v2(network, opt="adamw", lr=1e-4), nn.BCEWithLogitsLoss()
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss(network(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()

    yield Pair(
        f"training end to end, {len(samples)} images, {_BACKBONE}, {_SIZE} px, batches of {_BATCH}",
        "timm's network, loader and optimizer, a sigmoid per label",
        ours,
        theirs,
        at_least=1.0,
        rounds=1,
    )
