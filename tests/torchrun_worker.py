"""What `test_distributed` trains, by itself and as the script that `torchrun` starts: DATA OUT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from helpers import Quiet
from torch import Tensor, nn

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split, load_split
from cnnrnn.training.config import TrainConfig
from cnnrnn.training.distributed import ALONE, ProcessGroup, data_parallel, started
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.training.loop import train
from cnnrnn.training.state import Run

# 41 images in batches of 8: at the end of an epoch one image is left, and the second of two processes has none. It is
# trained on, unless batch norm learns its statistics.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # head, of the model, of TrainConfig
    "cached": ("cnn-rnn", {}, {"views": 3}),
    "maps": ("cnn-rnn", {"spatial": True}, {"backbone_lr": 1e-3, "trained_layers": 2, "mixup": 0.4}),
    "free order": ("cnn-rnn", {"spatial": True, "order": "free"}, {"mixup": 0.4}),
    "end to end": ("cnn-rnn", {"auxiliary": True}, {"backbone_lr": 1e-3, "auxiliary": 1.0, "mixup": 0.4}),
    "pretrained": ("cnn-rnn", {}, {"backbone_lr": 1e-3}),
    "bfloat16": ("cnn-rnn", {}, {"backbone_lr": 1e-3, "precision": "bfloat16"}),
    "sigmoid": ("sigmoid", {}, {"backbone_lr": 1e-3}),
    "asymmetric": ("sigmoid", {"spatial": True}, {"loss": "asymmetric"}),
    "untrained": ("cnn-rnn", {"auxiliary": True}, {"lr": 0.0, "auxiliary": 1.0, "epochs": 1}),
}
CASES["resumed"] = CASES["cached"]


def first(split: Split, images: int) -> Split:
    return Split(split.name, split.labels, split.samples[:images])


def train_case(
    case: str, data: Path, out: Path, watcher: Quiet, resume: bool = False, processes: ProcessGroup = ALONE
) -> tuple[Run, Checkpoint]:
    head, settings, config = CASES[case]
    split, val = first(load_split("scenes", data, "train"), 41), first(load_split("scenes", data, "val"), 37)
    size = {"embedding_dim": 8, "hidden_dim": 8} if head == "cnn-rnn" else {}
    device = torch.device("cpu")
    checkpoint = new_checkpoint(split, "test_byobnet", 64, False, 0, device, head, dropout=0.3, **size, **settings)
    checkpoint.training["pretrained"] = case == "pretrained"  # batch norm keeps its statistics
    config = {"epochs": 3, "batch_size": 8, "lr": 3e-3, **config}
    run = train(checkpoint, split, val, TrainConfig(**config), out, out / "features", watcher, resume, processes)
    return run, checkpoint


def exact_steps(processes: ProcessGroup) -> dict[str, Tensor]:
    """Gradients of batches of 5, 1 and 2 in double precision, through batch norm and beside a weight of no use."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"linear": nn.Conv2d(2, 3, 1), "norm": nn.BatchNorm2d(3), "last": nn.Conv2d(3, 1, 2)})
    model["unused"] = nn.Linear(3, 3)
    model.double()

    def objective(x: Tensor) -> Tensor:
        return model["last"](model["norm"](model["linear"](x))).square().sum()

    share_of_loss, found = data_parallel(model, objective, processes), {}
    for step, batch in enumerate((5, 1, 2)):
        model.zero_grad()
        share = share_of_loss(torch.randn(batch, 2, 2, 2, dtype=torch.float64)[processes.shard])
        (processes.count * share).backward()
        assert model["unused"].weight.grad is None
        found |= {f"{step} {name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return found | {name: value.double() for name, value in model["norm"].named_buffers()}


if __name__ == "__main__":
    data, out = map(Path, sys.argv[1:])
    with started() as processes:
        torch.save(exact_steps(processes), out / f"steps-{processes.rank}.pt")
        for case in CASES:
            torch.manual_seed(processes.rank)  # what was drawn before doesn't matter
            _, trained = train_case(case, data, out / case, Quiet(), resume=True, processes=processes)
            torch.save(trained.model.state_dict(), out / case / f"weights-{processes.rank}.pt")
