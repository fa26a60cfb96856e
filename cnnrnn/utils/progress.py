"""Progress in the terminal, on standard error, so that a command's output can be piped."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

notes = Console(stderr=True)


class _ImagesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.completed / task.elapsed if task.elapsed else 0.0
        return Text(f"{speed:.1f} images/s")


def image_progress() -> Progress:
    """A bar with images done, images/s and time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _ImagesPerSecond(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
        console=notes,
    )


class TrainingProgress:
    """A TrainingWatcher in the terminal: one bar for the current task, one line per finished epoch."""

    def __init__(self) -> None:
        self.bar = image_progress()
        self.task: TaskID | None = None
        self.epochs = 0  # that were shown

    def __enter__(self) -> TrainingProgress:
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def start(self, what: str, images: int) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
        if not notes.is_terminal:  # bars are drawn in terminals only; a log file gets a line
            notes.print(f"{escape(what)}: {images} images", soft_wrap=True)
        self.task = self.bar.add_task(escape(what), total=images, remark="")

    def advance(self, images: int, loss: float | None = None) -> None:
        assert self.task is not None
        self.bar.update(self.task, advance=images, remark="" if loss is None else f"loss {loss:.3f}")

    def epoch_done(self, record: dict[str, Any]) -> None:
        """A line of at most 80 columns, and once before the first of them over how many labels the mAP is."""
        scored, labels = record["val_labels_scored"], record["val_labels"]
        if not self.epochs and scored != labels:
            notes.print(f"the mAP on val is over {scored} of {labels} labels: val has too few images of the others")
        self.epochs += 1
        self.bar.console.print(
            f"epoch {record['epoch']:3d}  loss {record['loss']:.3f}  val mAP {record['val_mAP']:4.1f}  "
            f"O-F1 {record['val_OF1']:4.1f}  C-F1 {record['val_CF1']:4.1f}  exact {record['val_exact_match']:4.1f}  "
            f"{record['seconds']:.1f} s",
            soft_wrap=True,
        )
