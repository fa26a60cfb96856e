"""The training loop: with a frozen backbone on features computed once, or end to end."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn
from torchvision.transforms import v2

import cnnrnn
from cnnrnn.backbones import Backbone, BackboneConfig
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split
from cnnrnn.data.loader import batches
from cnnrnn.decoding import decode
from cnnrnn.errors import UserError
from cnnrnn.evaluation import Predictions, report
from cnnrnn.model import CNNRNN, ModelConfig
from cnnrnn.prediction import encode
from cnnrnn.vocabulary import IGNORE_TOKEN, Vocabulary

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    # The paper's choice; its momentum and decay are the paper's too.
    "rmsprop": lambda groups, lr, weight_decay: torch.optim.RMSprop(
        groups, lr=lr, weight_decay=weight_decay, momentum=0.9
    ),
}


class TrainingError(UserError):
    """Training can't go on; the message says why and what to do."""


@dataclass(frozen=True)
class TrainConfig:
    epochs: int = 30
    batch_size: int = 64
    lr: float = 1e-3
    backbone_lr: float = 0.0  # 0 keeps the backbone frozen
    weight_decay: float = 1e-4
    optimizer: str = "adamw"  # a key of OPTIMIZERS
    label_smoothing: float = 0.0
    seed: int = 0
    beam: int = 8  # of the validation


class Watcher(Protocol):
    """What the loop tells whoever shows it to a person."""

    def start(self, what: str, images: int) -> None: ...
    def advance(self, images: int, loss: float | None = None) -> None: ...
    def epoch_done(self, record: dict[str, Any]) -> None: ...


@dataclass
class Run:
    """What a finished or interrupted training leaves."""

    history: list[dict[str, Any]] = field(default_factory=list)  # one record per epoch
    interrupted: bool = False


def new_checkpoint(
    split: Split,
    backbone: str,
    image_size: int | None,
    pretrained: bool,
    seed: int,
    device: torch.device,
    **model_settings: Any,
) -> Checkpoint:
    """An untrained model for a training split's labels; `model_settings` are ModelConfig's fields.

    Raises BackboneError where the backbone or its ImageNet weights can't be had.
    """
    torch.manual_seed(seed)
    vocabulary = Vocabulary.from_label_sets(split.labels, (sample.labels for sample in split.samples))
    network = Backbone(BackboneConfig.of(backbone, image_size))
    if pretrained:
        network.load_pretrained()
    model = CNNRNN(ModelConfig(num_labels=len(vocabulary), **model_settings), network)
    return Checkpoint(model.to(device), vocabulary, training={"pretrained": pretrained}, weights_hash="")


def sequence_loss(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of every step, END's included: logits (batch, step, L+1), targets (batch, step) -> ().

    Smoothing spreads over what the step may still emit; a label already emitted has probability 0.
    """
    log_probs = logits.log_softmax(dim=-1)  # (batch, step, L+1)
    counted = targets != IGNORE_TOKEN
    chosen = log_probs.gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2)
    if label_smoothing:
        possible = torch.isfinite(log_probs)
        spread = log_probs.masked_fill(~possible, 0.0).sum(dim=-1) / possible.sum(dim=-1)
        chosen = (1 - label_smoothing) * chosen + label_smoothing * spread
    return -chosen[counted].mean()


def train(
    checkpoint: Checkpoint,
    train_split: Split,
    val_split: Split,
    config: TrainConfig,
    out: Path,
    feature_cache: Path,
    watcher: Watcher,
) -> Run:
    """Train the checkpoint's model and write ``out/last`` each epoch, ``out/best`` whenever validation improves.

    Best is the highest mean of mAP and O-F1 on the validation split. Ctrl-C ends the run after saving what
    there is to ``out/last``. Raises TrainingError on a loss that is not finite, DataError or ImageError's
    reason for a picture that can't be read.
    """
    model = checkpoint.model
    frozen = config.backbone_lr == 0
    make_batches = _cached_batches if frozen else _image_batches
    train_batches, val_features = make_batches(model, train_split, val_split, config, feature_cache, watcher)
    torch.manual_seed(config.seed)  # only now: encoding draws random numbers, reading cached features does not
    inputs, targets = checkpoint.vocabulary.encode([sample.labels for sample in train_split.samples])
    optimizer = _optimizer(model, config)
    steps = config.epochs * math.ceil(len(train_split.samples) / config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    run, best = Run(), -math.inf
    checkpoint.training |= _provenance(config, train_split)

    try:
        for epoch in range(1, config.epochs + 1):
            started = time.perf_counter()
            watcher.start(f"epoch {epoch}/{config.epochs}", len(train_split.samples))
            _set_training(model, keep_statistics=frozen or checkpoint.training["pretrained"])
            loss = _train_one_epoch(model, train_batches(), inputs, targets, optimizer, schedule, config, watcher)
            metrics = _validate(model, checkpoint.vocabulary.labels, val_split, val_features(), config.beam)
            record = {
                "epoch": epoch,
                "loss": loss,
                "seconds": time.perf_counter() - started,
                **{f"val_{key}": metrics[key] for key in ("mAP", "OF1", "CF1", "exact_match")},
            }
            run.history.append(record)
            watcher.epoch_done(record)
            checkpoint.training["epochs_done"] = epoch
            results = {"val": metrics, "history": run.history}
            checkpoint.save(out / "last", results)
            if (score := metrics["mAP"] + metrics["OF1"]) > best:
                best = score
                checkpoint.save(out / "best", results)
    except KeyboardInterrupt:
        run.interrupted = True
        checkpoint.save(out / "last", {"history": run.history})
    return run


def _train_one_epoch(
    model: CNNRNN,
    batches: Iterator[tuple[list[int], Tensor]],
    inputs: Tensor,
    targets: Tensor,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    config: TrainConfig,
    watcher: Watcher,
) -> float:
    """One pass over the batches of (indices, I (batch, feature)); returns the mean loss per picture."""
    total, images = 0.0, 0
    for indices, pooled in batches:
        steps = int((targets[indices] != IGNORE_TOKEN).sum(dim=1).max())  # the longest sequence here
        logits = model(pooled, inputs[indices, :steps].to(model.device))
        loss = sequence_loss(logits, targets[indices, :steps].to(model.device), config.label_smoothing)
        if not torch.isfinite(loss):
            raise TrainingError("the loss is no longer finite; lower the learning rate (--lr, --backbone-lr)")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=5.0)
        optimizer.step()
        schedule.step()
        total, images = total + loss.item() * len(indices), images + len(indices)
        watcher.advance(len(indices), total / images)
    return total / images


def _set_training(model: CNNRNN, keep_statistics: bool) -> None:
    """Train mode. Batch norm that came with ImageNet's statistics keeps them: batches here are too small for better."""
    model.train()
    for module in model.backbone.modules():
        if keep_statistics and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _validate(
    model: CNNRNN,
    labels: tuple[str, ...],
    split: Split,
    features: Iterator[tuple[list[int], Tensor]],
    beam: int,
) -> dict[str, Any]:
    model.eval()
    predictions = Predictions(len(split.samples), len(labels))
    for indices, pooled in features:
        for index, trace in zip(indices, decode(model, pooled, labels, beam), strict=True):
            predictions.put(index, trace)
    return report(*split.truth(labels), predictions, labels)


FeatureBatches = Callable[[], Iterator[tuple[list[int], Tensor]]]  # one pass: indices, I (batch, feature)


def _image_batches(
    model: CNNRNN, train_split: Split, val_split: Split, config: TrainConfig, cache: Path, watcher: Watcher
) -> tuple[FeatureBatches, FeatureBatches]:
    """End to end: pictures are augmented and run through the backbone in every epoch."""
    backbone, size = model.backbone, model.backbone.config.image_size
    augment = v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.5, 1.0), ratio=(0.75, 4 / 3)),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.2, 0.2, 0.2),
            backbone.normalise(),
        ]
    )

    def training() -> Iterator[tuple[list[int], Tensor]]:
        paths = [sample.image for sample in train_split.samples]
        order = torch.randperm(len(paths)).tolist()
        for indices, images, failed in batches(paths, augment, size, config.batch_size, order):
            _refuse(paths, failed)
            images = images.to(model.device)
            yield indices, backbone.pool(backbone(images))

    def validation() -> Iterator[tuple[list[int], Tensor]]:
        watcher.start("validating", len(val_split.samples))
        yield from _encoded(model, val_split, config.batch_size, watcher)

    return training, validation


def _cached_batches(
    model: CNNRNN, train_split: Split, val_split: Split, config: TrainConfig, cache: Path, watcher: Watcher
) -> tuple[FeatureBatches, FeatureBatches]:
    """Frozen backbone: every picture and its mirror image are encoded once, and epochs take seconds."""
    model.eval()
    model.backbone.requires_grad_(False)
    train_features = _features(model, train_split, True, config, cache, watcher)  # (view, image, feature)
    val_features = _features(model, val_split, False, config, cache, watcher)

    def training() -> Iterator[tuple[list[int], Tensor]]:
        for chosen in torch.randperm(len(train_split.samples)).split(config.batch_size):
            views = torch.randint(len(train_features), chosen.shape)
            yield chosen.tolist(), train_features[views, chosen].to(model.device)

    def validation() -> Iterator[tuple[list[int], Tensor]]:
        everything = torch.arange(len(val_split.samples))
        for chosen in everything.split(256):
            yield chosen.tolist(), val_features[0, chosen].to(model.device)

    return training, validation


def _features(
    model: CNNRNN, split: Split, mirrored: bool, config: TrainConfig, cache: Path, watcher: Watcher
) -> Tensor:
    """I of every picture (view, image, feature), from the cache if the same pictures met the same backbone."""
    path = cache / f"{_cache_key(model, split, mirrored)}.safetensors"
    if path.exists():
        return safetensors.torch.load_file(path)["features"]
    views = 2 if mirrored else 1
    watcher.start(f"features of {split.name}", views * len(split.samples))
    features = torch.empty(views, len(split.samples), model.backbone.feature_dim)
    for view in range(views):
        for indices, pooled in _encoded(model, split, config.batch_size, watcher, flip=view == 1):
            features[view, indices] = pooled.cpu()
    cache.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    safetensors.torch.save_file({"features": features}, aside)
    aside.replace(path)
    return features


def _encoded(
    model: CNNRNN, split: Split, batch_size: int, watcher: Watcher, flip: bool = False
) -> Iterator[tuple[list[int], Tensor]]:
    paths = [sample.image for sample in split.samples]
    size = model.backbone.config.image_size
    for indices, images, failed in batches(paths, model.backbone.preprocess, size, batch_size):
        _refuse(paths, failed)
        yield indices, encode(model, images.flip(3) if flip else images)[1]
        watcher.advance(len(indices))


def _cache_key(model: CNNRNN, split: Split, mirrored: bool) -> str:
    digest = hashlib.sha256()
    digest.update(json.dumps([model.backbone.config.to_dict(), mirrored]).encode())
    for tensor in model.backbone.state_dict().values():
        digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
    for sample in split.samples:
        stat = sample.image.stat()
        digest.update(f"{sample.image.resolve()}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _refuse(paths: list[Path], failed: dict[int, str]) -> None:
    for index, why in failed.items():
        raise TrainingError(f"{paths[index]}: {why}; mend or remove the picture and start again")


def _optimizer(model: CNNRNN, config: TrainConfig) -> torch.optim.Optimizer:
    backbone = set(model.backbone.parameters())
    head = [parameter for parameter in model.parameters() if parameter not in backbone]
    groups: list[dict[str, Any]] = [{"params": head, "lr": config.lr}]
    if config.backbone_lr:
        groups.append({"params": list(backbone), "lr": config.backbone_lr})
    return OPTIMIZERS[config.optimizer](groups, lr=config.lr, weight_decay=config.weight_decay)


def _provenance(config: TrainConfig, split: Split) -> dict[str, Any]:
    return {
        "train_split": split.name,
        "train_images": len(split.samples),
        "config": asdict(config),
        "versions": {
            "cnnrnn": cnnrnn.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
    }
