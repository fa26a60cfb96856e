"""Settings of `cnnrnn train` by name. An option that is given beside a preset wins over it."""

from __future__ import annotations

from typing import Any

# Section 3 and 4.1 of the paper: fc7 of a frozen VGG-16, a label space of 64, an LSTM of 512, RMSprop with momentum
# 0.9 and weight decay 1e-4, dropout 0.5, frequent labels first.
_PAPER: dict[str, Any] = {
    "backbone": "vgg16",
    "embedding": 64,
    "hidden": 512,
    "order": "frequent",
    "activation": "relu",
    "cell": "lstm",
    "dropout": 0.5,
    "lr": 1e-4,
    "backbone_lr": 0.0,
    "weight_decay": 1e-4,
    "optimizer": "rmsprop",
}

# The paper's experiments. The learning rate is ours, and so is holding out a tenth of the training images to choose
# the epoch on.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": _PAPER,
    "paper-voc2007": {**_PAPER, "dataset": "voc2007", "train_split_name": "trainval", "val_fraction": 0.1},
    "paper-coco2014": {**_PAPER, "dataset": "coco2014", "val_fraction": 0.1},
    "paper-nuswide81": {**_PAPER, "dataset": "nuswide81", "val_fraction": 0.1},
    "paper-nuswide1000": {**_PAPER, "dataset": "nuswide1000", "val_fraction": 0.1},
}
