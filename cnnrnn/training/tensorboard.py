"""The epochs' metrics as TensorBoard scalars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnrnn.evaluation.reports import MAIN_METRICS
from cnnrnn.utils.errors import UserError

if TYPE_CHECKING:
    from cnnrnn.training.loop import TrainingWatcher


def summary_writer() -> Any:
    """torch's class. Raises UserError where the package tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError("--tensorboard needs the package tensorboard: pip install 'cnnrnn[track]'") from error
    return SummaryWriter


class TensorBoard:
    """A TrainingWatcher that passes everything on to another one and writes every epoch's record to `folder`."""

    def __init__(self, watcher: TrainingWatcher, folder: Path) -> None:
        self.watcher, self.writer = watcher, summary_writer()(str(folder))

    def start(self, what: str, images: int) -> None:
        self.watcher.start(what, images)

    def advance(self, images: int, loss: float | None = None) -> None:
        self.watcher.advance(images, loss)

    def epoch_done(self, record: dict[str, Any]) -> None:
        self.watcher.epoch_done(record)
        for key in ("loss", "seconds"):
            self.writer.add_scalar(f"train/{key}", record[key], record["epoch"])
        for key in MAIN_METRICS:
            self.writer.add_scalar(f"val/{key}", record[f"val_{key}"], record["epoch"])
        self.writer.flush()
