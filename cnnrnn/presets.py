"""Settings of `cnnrnn train` by name. An option that is given beside a preset wins over it."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # Section 3 and 4.1 of the paper: fc7 of a frozen VGG-16, a label space of 64, an LSTM of 512, RMSprop with
    # momentum 0.9 and weight decay 1e-4, dropout 0.5.
    "paper": {
        "backbone": "vgg16",
        "embedding": 64,
        "hidden": 512,
        "activation": "relu",
        "cell": "lstm",
        "dropout": 0.5,
        "lr": 1e-4,
        "backbone_lr": 0.0,
        "weight_decay": 1e-4,
        "optimizer": "rmsprop",
    },
}
