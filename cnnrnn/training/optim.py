"""The optimizer with its parameter groups, and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.training.config import TrainConfig

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    # The paper's choice; its momentum and decay are the paper's too.
    "rmsprop": lambda groups, lr, weight_decay: torch.optim.RMSprop(
        groups, lr=lr, weight_decay=weight_decay, momentum=0.9
    ),
}


def make_optimizer(model: CNNRNN | SigmoidClassifier, config: TrainConfig) -> torch.optim.Optimizer:
    backbone = set(model.backbone.parameters())
    head = [parameter for parameter in model.parameters() if parameter not in backbone]
    groups: list[dict[str, Any]] = [{"params": head, "lr": config.lr}]
    if config.backbone_lr:
        trained = [parameter for parameter in model.backbone.parameters() if parameter.requires_grad]
        groups.append({"params": trained, "lr": config.backbone_lr})
    return OPTIMIZERS[config.optimizer](groups, lr=config.lr, weight_decay=config.weight_decay)


def warm_up_and_cosine(config: TrainConfig, images: int) -> Callable[[int], float]:
    """Fraction of the learning rates at a step: up during the first epoch if the backbone is trained, whose weights an
    untrained head would spoil; then down to 0.
    """
    per_epoch = math.ceil(images / config.batch_size)
    warm_up = per_epoch if config.backbone_lr and config.epochs > 1 else 0

    def scale(step: int) -> float:
        if step < warm_up:
            return (step + 1) / (warm_up + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (config.epochs * per_epoch - warm_up)))

    return scale
