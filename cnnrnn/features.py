"""Where the image features of an epoch come from: computed once, or by the backbone in every epoch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torchvision.transforms import v2

from cnnrnn.data import Split
from cnnrnn.data.loader import batches
from cnnrnn.errors import UserError
from cnnrnn.files import aside
from cnnrnn.model import CNNRNN
from cnnrnn.prediction import encode

Features = Iterator[tuple[list[int], Tensor]]  # indices of pictures, their I (batch, feature)


class Watcher(Protocol):
    """Whoever shows the work to a person."""

    def start(self, what: str, images: int) -> None: ...
    def advance(self, images: int, loss: float | None = None) -> None: ...


class FeatureSource(Protocol):
    """One pass over a split's features, shuffled and varied for training or in order for validation."""

    def training(self) -> Features: ...
    def validation(self) -> Features: ...


@dataclass
class EndToEnd:
    """Pictures are augmented and run through the backbone in every epoch, and gradients reach it."""

    model: CNNRNN
    train_split: Split
    val_split: Split
    batch_size: int
    watcher: Watcher

    def training(self) -> Features:
        backbone, size = self.model.backbone, self.model.backbone.config.image_size
        augment = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.5, 1.0), ratio=(0.75, 4 / 3)),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(0.2, 0.2, 0.2),
                backbone.normalise(),
            ]
        )
        paths = [sample.image for sample in self.train_split.samples]
        order = torch.randperm(len(paths)).tolist()
        for indices, images, failed in batches(paths, augment, size, self.batch_size, order):
            _refuse(paths, failed)
            yield indices, backbone.pool(backbone(images.to(self.model.device)))

    def validation(self) -> Features:
        self.watcher.start("validating", len(self.val_split.samples))
        return _encoded(self.model, self.val_split, self.batch_size, self.watcher)


class Cached:
    """Frozen backbone: every picture and its mirror image are encoded once, and epochs take seconds.

    Features stay in `folder` and serve every later run in which the same pictures meet the same backbone.
    """

    def __init__(
        self, model: CNNRNN, train_split: Split, val_split: Split, batch_size: int, folder: Path, watcher: Watcher
    ) -> None:
        model.eval()
        model.backbone.requires_grad_(False)
        self.device, self.batch_size = model.device, batch_size
        self.train_features = _load_or_encode(model, train_split, 2, batch_size, folder, watcher)
        self.val_features = _load_or_encode(model, val_split, 1, batch_size, folder, watcher)

    def training(self) -> Features:
        views, images, _ = self.train_features.shape
        for chosen in torch.randperm(images).split(self.batch_size):
            view = torch.randint(views, chosen.shape)
            yield chosen.tolist(), self.train_features[view, chosen].to(self.device)

    def validation(self) -> Features:
        for chosen in torch.arange(self.val_features.shape[1]).split(256):
            yield chosen.tolist(), self.val_features[0, chosen].to(self.device)


def _load_or_encode(model: CNNRNN, split: Split, views: int, batch_size: int, folder: Path, watcher: Watcher) -> Tensor:
    """I of every picture (view, image, feature); the second view is the mirror image."""
    path = folder / f"{_cache_key(model, split, views)}.safetensors"
    if path.exists():
        return safetensors.torch.load_file(path)["features"]
    watcher.start(f"features of {split.name}", views * len(split.samples))
    features = torch.empty(views, len(split.samples), model.backbone.feature_dim)
    for view in range(views):
        for indices, pooled in _encoded(model, split, batch_size, watcher, mirrored=view == 1):
            features[view, indices] = pooled.cpu()
    folder.mkdir(parents=True, exist_ok=True)
    new = aside(path)
    safetensors.torch.save_file({"features": features}, new)
    new.replace(path)
    return features


def _encoded(model: CNNRNN, split: Split, batch_size: int, watcher: Watcher, mirrored: bool = False) -> Features:
    paths = [sample.image for sample in split.samples]
    size = model.backbone.config.image_size
    for indices, images, failed in batches(paths, model.backbone.preprocess, size, batch_size):
        _refuse(paths, failed)
        yield indices, encode(model, images.flip(3) if mirrored else images)[1]
        watcher.advance(len(indices))


def _cache_key(model: CNNRNN, split: Split, views: int) -> str:
    """Changes with the backbone's weights and settings and with the files, their sizes and times."""
    digest = hashlib.sha256(json.dumps([model.backbone.config.to_dict(), views]).encode())
    for tensor in model.backbone.state_dict().values():
        digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
    for sample in split.samples:
        stat = sample.image.stat()
        digest.update(f"{sample.image.resolve()}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _refuse(paths: list[Path], failed: dict[int, str]) -> None:
    for index, why in failed.items():
        raise UserError(f"{paths[index]}: {why}; mend or remove the picture and start again")
