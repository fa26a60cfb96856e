"""The training state for exact resumption, and how it is written and read."""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cnnrnn.checkpoint import CONFIG, Checkpoint
from cnnrnn.data import Split
from cnnrnn.training.config import TrainConfig, TrainingError
from cnnrnn.training.distributed import ProcessGroup
from cnnrnn.training.features import keeps_depthwise
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import replacing

STATE = "state.pt"  # beside best/ and last/: the full-precision state for exact resumption


def check_out(out: Path, resume: bool, overwrite: bool) -> None:
    """Raises UserError for a folder that holds another run, unless it is to be resumed or overwritten."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; name a folder")
    if resume and overwrite:
        raise UserError("--resume goes on with a run and --overwrite replaces it: give one of them")
    if _parts(out) and not (resume or overwrite):
        raise UserError(
            f"{out} holds a run already: go on with it by --resume, replace it by --overwrite, or name another --out"
        )


def check_resumable(out: Path) -> None:
    """Raises TrainingError for a folder in which no epoch was finished."""
    if not (out / STATE).exists():
        raise TrainingError(f"{out} holds no finished epoch to go on from; start without --resume")


def remove_run(out: Path) -> None:
    """Remove the run in a folder, and nothing else that is there."""
    for path in _parts(out):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _parts(out: Path) -> list[Path]:
    """What makes a folder a run's: the state and the checkpoints."""
    checkpoints = [out / name for name in ("best", "last") if (out / name / CONFIG).is_file()]
    return checkpoints + ([out / STATE] if (out / STATE).is_file() else [])


@dataclass
class Run:
    """The result of a finished or interrupted training."""

    history: list[dict[str, Any]] = field(default_factory=list)  # one record per epoch
    best: float = -math.inf  # mean of the best epoch's validation mAP and O-F1
    interrupted: bool = False


@dataclass
class TrainingState:
    """The state that changes during training: it is written after every epoch, and read to resume."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    run: Run = field(default_factory=Run)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def write(self, out: Path, identity: dict[str, Any]) -> None:
        """Raises UserError where it can't be written."""
        state = {
            "run": identity,
            "history": self.run.history,
            "best": self.run.best,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "cuda_random": [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else [],
        }
        buffer = io.BytesIO()  # torch's own writing to a full disk ends in an error of its own kind, or in none
        torch.save(state, buffer)
        with replacing(out / STATE) as new:
            new.write_bytes(buffer.getbuffer())

    def restore(self, state: dict[str, Any]) -> None:
        self.run.history, self.run.best = state["history"], state["best"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        assert isinstance(self.schedule, torch.optim.lr_scheduler.LambdaLR)
        groups = zip(self.optimizer.param_groups, self.schedule.base_lrs, self.schedule.lr_lambdas, strict=True)
        for group, lr, fraction in groups:  # of a run that was lengthened they are others than when it was written
            group["lr"] = lr * fraction(self.schedule.last_epoch)
        torch.set_rng_state(state["random"])
        if state["cuda_random"] and self.device.type == "cuda":  # each process's own; all draw the same
            torch.cuda.set_rng_state(state["cuda_random"][0], self.device)


def read_state_for_all(
    out: Path, identity: dict[str, Any], resume: bool, processes: ProcessGroup
) -> dict[str, Any] | None:
    """The state to go on from, which the first process reads; None for a new run."""
    state = None
    if processes.is_writer:
        if (resume or processes.restarted) and not (processes.by_torchrun and not (out / STATE).exists()):
            state = _read_state(out, identity)
        elif processes.by_torchrun:
            (out / STATE).unlink(missing_ok=True)  # a restart goes on from what is there, which must be this run's
    theirs, state = processes.broadcast((identity, state))
    if differing := [key for key in identity if identity[key] != theirs[key]]:
        raise TrainingError(f"process {processes.rank} would train with another {', '.join(differing)} than process 0")
    return state


def _read_state(out: Path, identity: dict[str, Any]) -> dict[str, Any]:
    check_resumable(out)
    try:
        state = torch.load(out / STATE, map_location="cpu", weights_only=True)  # our own file, and no pickled code
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(f"{out / STATE} is damaged ({type(error).__name__}); start without --resume") from error
    before = state["run"]
    if identity["depthwise kept"] and "depthwise kept" not in before and before.get("trained_layers"):
        raise TrainingError(
            f"{out} was started by an earlier version, which trained depthwise convolutions too; start anew with "
            "--overwrite, or go on with that version"
        )
    # Settings missing from older runs had today's defaults; the auxiliary weight was not recorded.
    unknown = {"auxiliary weight": identity["auxiliary weight"], "free order": False, "depthwise kept": False}
    recorded = asdict(TrainConfig()) | unknown | before | {"epochs": identity["epochs"]}  # may be more
    if changed := [f"{key}: {recorded.get(key)} → {now}" for key, now in identity.items() if recorded.get(key) != now]:
        raise TrainingError(
            f"{out} was started with other settings ({'; '.join(changed)}); repeat its command with --resume added"
        )
    if (done := len(state["history"])) > identity["epochs"]:
        raise TrainingError(f"{out} has {done} epochs already, and --epochs is {identity['epochs']}: give more")
    return state


def run_identity(checkpoint: Checkpoint, train_split: Split, val_split: Split, config: TrainConfig) -> dict[str, Any]:
    """The settings that must not change when a run is resumed, except that it may get more epochs."""
    model = checkpoint.model
    settings = model.config.to_dict()  # with an `auxiliary` of its own: whether there is such a head
    for name in ("temperature", "calibration"):  # chosen after training
        settings.pop(name, None)
    return {
        "head": type(model).__name__,
        **asdict(config),
        **settings,
        "free order": checkpoint.training.get("order") == "free",  # every other order is that of the labels
        "auxiliary weight": config.auxiliary,
        "depthwise kept": keeps_depthwise(model.backbone, config),
        "backbone": model.backbone.config.name,
        "image_size": model.backbone.config.image_size,
        "labels": list(checkpoint.vocabulary.labels),
        "training images": _digest(train_split),
        "validation images": _digest(val_split),
    }


def _digest(split: Split) -> str:
    """Changes with the images' names and labels."""
    digest = hashlib.sha256()
    for sample in split.samples:
        digest.update(json.dumps([sample.image.name, sorted(sample.labels)]).encode())
    return f"{len(split.samples)} ({digest.hexdigest()[:8]})"
