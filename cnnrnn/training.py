"""The training loop: with a frozen backbone on features computed once, or end to end."""

from __future__ import annotations

import math
import platform
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
import torchvision
from torch import Tensor, nn

import cnnrnn
from cnnrnn.backbones import Backbone, BackboneConfig
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split
from cnnrnn.decoding import decode
from cnnrnn.errors import UserError
from cnnrnn.evaluation import Predictions, report
from cnnrnn.features import Cached, EndToEnd, Features, FeatureSource, Watcher
from cnnrnn.model import CNNRNN, ModelConfig
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
    seed: int = 0
    beam: int = 8  # of the validation


class TrainingWatcher(Watcher, Protocol):
    """What the loop tells whoever shows it to a person."""

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
    order: str = "frequent",
    **model_settings: Any,
) -> Checkpoint:
    """An untrained model for a training split's labels; `order` is that of `Vocabulary`, `model_settings` are
    ModelConfig's fields. Raises BackboneError where the backbone or its ImageNet weights can't be had.
    """
    torch.manual_seed(seed)
    vocabulary = Vocabulary.from_label_sets(split.labels, (sample.labels for sample in split.samples), order, seed)
    network = Backbone(BackboneConfig.of(backbone, image_size))
    if pretrained:
        network.load_pretrained()
    model = CNNRNN(ModelConfig(num_labels=len(vocabulary), **model_settings), network)
    return Checkpoint(
        model.to(device), vocabulary, training={"pretrained": pretrained, "order": order}, weights_hash=""
    )


def sequence_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of every step, END's included: logits (batch, step, L+1), targets (batch, step) -> ()."""
    return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE_TOKEN)


def train(
    checkpoint: Checkpoint,
    train_split: Split,
    val_split: Split,
    config: TrainConfig,
    out: Path,
    feature_cache: Path,
    watcher: TrainingWatcher,
) -> Run:
    """Train the checkpoint's model and write ``out/last`` each epoch, ``out/best`` whenever validation improves.

    Best is the highest mean of mAP and O-F1 on the validation split. Ctrl-C ends the run after saving what
    there is to ``out/last``. Raises TrainingError on a loss that is not finite, UserError for a picture
    that can't be read.
    """
    model = checkpoint.model
    frozen = config.backbone_lr == 0
    source: FeatureSource = (
        Cached(model, train_split, val_split, config.batch_size, feature_cache, watcher)
        if frozen
        else EndToEnd(model, train_split, val_split, config.batch_size, watcher)
    )
    torch.manual_seed(config.seed)  # only now: encoding draws random numbers, reading cached features does not
    inputs, targets = checkpoint.vocabulary.encode([sample.labels for sample in train_split.samples])
    optimizer = _optimizer(model, config)
    steps = config.epochs * math.ceil(len(train_split.samples) / config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    run, best = Run(), -math.inf
    checkpoint.training |= _provenance(config, train_split)

    interrupt = _Interrupt()
    try:
        interrupt.catch()
        for epoch in range(1, config.epochs + 1):
            started = time.perf_counter()
            watcher.start(f"epoch {epoch}/{config.epochs}", len(train_split.samples))
            _set_training(model, keep_statistics=frozen or checkpoint.training["pretrained"])
            loss = _train_one_epoch(model, source.training(), inputs, targets, optimizer, schedule, watcher, interrupt)
            metrics = _validate(model, checkpoint.vocabulary.labels, val_split, source.validation(), config.beam)
            record = {
                "epoch": epoch,
                "loss": loss,
                "seconds": time.perf_counter() - started,
                **{f"val_{key}": metrics[key] for key in ("mAP", "OF1", "CF1", "exact_match")},
            }
            run.history.append(record)
            checkpoint.training["epochs_done"] = epoch
            results = {"val": metrics, "history": run.history}
            checkpoint.save(out / "last", results)
            if (score := metrics["mAP"] + metrics["OF1"]) > best:
                best = score
                checkpoint.save(out / "best", results)
            watcher.epoch_done(record)  # what is reported is on the disk
    except KeyboardInterrupt:
        run.interrupted = True
        checkpoint.save(out / "last", {"history": run.history})
    finally:
        interrupt.release()
    return run


class _Interrupt:
    """Ctrl-C, remembered and raised where the loop asks for it; a second one stops at once.

    Raised in the middle of anything it may be lost: Python drops exceptions in destructors and callbacks.
    """

    def __init__(self) -> None:
        self.asked = False
        self.previous: Any = None

    def catch(self) -> None:
        if threading.current_thread() is threading.main_thread():  # only there may signals be handled
            self.previous = signal.signal(signal.SIGINT, self._remember)

    def _remember(self, number: int, frame: object) -> None:
        self.asked = True
        self.release()

    def release(self) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
            self.previous = None

    def check(self) -> None:
        if self.asked:
            raise KeyboardInterrupt


def _train_one_epoch(
    model: CNNRNN,
    features: Features,
    inputs: Tensor,
    targets: Tensor,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    watcher: TrainingWatcher,
    interrupt: _Interrupt,
) -> float:
    """One pass over the pictures; returns their mean loss."""
    total, images = 0.0, 0
    for indices, pooled in features:
        steps = int((targets[indices] != IGNORE_TOKEN).sum(dim=1).max())  # the longest sequence here
        logits = model(pooled, inputs[indices, :steps].to(model.device))
        loss = sequence_loss(logits, targets[indices, :steps].to(model.device))
        if not torch.isfinite(loss):
            raise TrainingError("the loss is no longer finite; lower the learning rate (--lr, --backbone-lr)")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=5.0)
        optimizer.step()
        schedule.step()
        total, images = total + loss.item() * len(indices), images + len(indices)
        watcher.advance(len(indices), total / images)
        interrupt.check()
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
    features: Features,
    beam: int,
) -> dict[str, Any]:
    model.eval()
    predictions = Predictions(len(split.samples), len(labels))
    for indices, pooled in features:
        for index, trace in zip(indices, decode(model, pooled, labels, beam), strict=True):
            predictions.put(index, trace)
    return report(*split.truth(labels), predictions, labels)


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
