"""What a training run is told, and the error with which it ends."""

from __future__ import annotations

from dataclasses import dataclass

from cnnrnn.utils.errors import UserError

RUN_FILE = "run.toml"  # in a run's folder, beside best/ and last/: all its settings; see `cnnrnn.cli.recipes`


class TrainingError(UserError):
    """Training can't go on; the message says why and what to do."""


@dataclass(frozen=True)
class TrainConfig:
    epochs: int = 30
    batch_size: int = 64  # of all processes together
    lr: float = 1e-3
    backbone_lr: float = 0.0  # 0 keeps the backbone frozen
    trained_layers: int | None = None  # the backbone's last ones; None: all, unless backbone_lr is 0
    views: int = 2  # of each image, while some layers are frozen
    loss: str = "bce"  # of the sigmoid baseline, a key of LABEL_LOSSES; the CNN-RNN's is its sequences' likelihood
    auxiliary: float = 0.0  # weight of the auxiliary head's loss beside the sequences'; 0 where there is no such head
    mixup: float = 0.0  # half of the batches are mixed with another order of themselves, by Beta(mixup, mixup) shares
    weight_decay: float = 1e-2
    optimizer: str = "adamw"  # a key of OPTIMIZERS
    seed: int = 0
    precision: str = "float32"  # that the backbone computes in, a key of PRECISIONS
    compile_layers: bool = False  # those that are trained of the backbone, by torch.compile
    beam: int = 8  # of the validation
