"""A run of `cnnrnn train`: the splits that it reads, its training in a folder, and what it tells at the end."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from cnnrnn.cli.data_source import DataSource
from cnnrnn.cli.output import command_line, print_split_warnings
from cnnrnn.cli.recipes import run_toml
from cnnrnn.cli.training_settings import train_config
from cnnrnn.evaluation.reports import MAIN_METRICS
from cnnrnn.training.config import RUN_FILE, TrainConfig
from cnnrnn.utils.cache import cache_folder, kept
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import write_text
from cnnrnn.utils.progress import TrainingProgress, image_progress, notes

if TYPE_CHECKING:
    from cnnrnn.checkpoint import Checkpoint
    from cnnrnn.data import Split
    from cnnrnn.training.distributed import ProcessGroup
    from cnnrnn.training.loop import TrainingWatcher
    from cnnrnn.training.state import Run

Splits = tuple["Split", "Split"]  # for training and for validation


def load_splits(data: DataSource, train_name: str, strict: bool) -> Splits:
    """The splits, described, without images that can't be read."""
    train_split = data.split(train_name)
    if data.val_fraction and not data.is_own:
        splits = train_split.hold_out(data.val_fraction)
    else:
        splits = train_split, data.split("val")
    splits[1].truth(splits[0].labels)  # before anything is computed: DataError for labels that only val has
    print_split_warnings(*splits)
    return _readable(splits[0], strict), _readable(splits[1], strict)


def _readable(split: Split, strict: bool) -> Split:
    """Without the images that can't be read, which are named. Raises DataError if `strict`."""
    from cnnrnn.data.readable import check_images, require_readable

    with image_progress() as bar:
        task = bar.add_task(escape(f"checking {split.name}"), total=len(split.samples), remark="")
        checked = check_images([sample.image for sample in split.samples], lambda images: bar.advance(task, images))
    errors = {path: found.error for path, found in checked.items() if found.error}
    if strict:
        require_readable(errors)
    for path, error in errors.items():
        notes.print(f"  [yellow]left out[/] {escape(str(path))}: {escape(error)}", soft_wrap=True)
    if len(errors) == len(split.samples):
        raise UserError(f"no image of {split.name} can be read")
    return replace(split, samples=tuple(sample for sample in split.samples if sample.image not in errors))


@dataclass(frozen=True)
class TrainingRun:
    """A run's folder, how it is started, and this process among those that train it together."""

    out: Path
    resume: bool
    overwrite: bool
    tensorboard: bool
    processes: ProcessGroup

    def check(self) -> None:
        """Raises UserError where the run can't be started or resumed, or not be written for TensorBoard."""
        from cnnrnn.training.state import check_out, check_resumable

        if self.processes.is_writer and not self.processes.restarted:
            check_out(self.out, self.resume, self.overwrite)
            if self.resume and not self.processes.by_torchrun:
                check_resumable(self.out)
        if self.tensorboard and self.processes.is_writer:
            from cnnrnn.training.tensorboard import summary_writer

            summary_writer()

    def train(self, checkpoint: Checkpoint, splits: Splits, settings: dict[str, Any]) -> list[dict[str, Any]]:
        """Train under a progress bar and return the epochs' records; exit with code 130 after Ctrl-C."""
        features, record = cache_folder("features"), run_toml(settings, command_line())
        config = train_config(settings)
        self._prepare(record)
        try:
            run = self._loop(checkpoint, splits, config, features)
            interrupted, history = run.interrupted, run.history
        except KeyboardInterrupt:  # before the first epoch began
            interrupted, history = True, []
        if (not config.backbone_lr or config.trained_layers) and (remark := kept(features)):
            notes.print(remark, markup=False, highlight=False, soft_wrap=True)
        if interrupted:
            notes.print(self._advice(), soft_wrap=True)
            raise typer.Exit(130)
        if self.processes.is_writer:
            write_text(self.out / RUN_FILE, record)  # with the epochs of a run that was resumed
        return history

    def _prepare(self, record: str) -> None:
        """Make room for a new run, and write its settings."""
        from cnnrnn.training.state import STATE, remove_run

        if self.resume and self.processes.by_torchrun and not (self.out / STATE).exists():
            words = f"{escape(str(self.out))} holds no finished epoch to go on from: this is the first start"
            notes.print(words, soft_wrap=True)
        if self.processes.is_writer:
            if self.overwrite and not self.processes.restarted:
                remove_run(self.out)
            if not (self.out / STATE).exists():
                write_text(self.out / RUN_FILE, record)

    def _loop(self, checkpoint: Checkpoint, splits: Splits, config: TrainConfig, features: Path) -> Run:
        from cnnrnn.training.loop import train

        with TrainingProgress() as progress:
            watcher: TrainingWatcher = progress
            if self.tensorboard and self.processes.is_writer:
                from cnnrnn.training.tensorboard import TensorBoard

                watcher = TensorBoard(progress, self.out / "tensorboard")
            return train(checkpoint, *splits, config, self.out, features, watcher, self.resume, self.processes)

    def _advice(self) -> str:
        """What to do after Ctrl-C."""
        from cnnrnn.training.state import STATE

        if (self.out / STATE).exists():
            last = escape(str(self.out / "last"))
            return f"Interrupted; the model so far is in {last}. Go on with --resume"
        return "Interrupted before an epoch was finished, so there is no model yet: start again with the same command."


def result(history: list[dict[str, Any]], out: Path) -> str:
    """Which epoch is the best one, why, and where it is."""
    from cnnrnn.training.runs import best_epoch

    best = best_epoch(history)
    assert best is not None
    shown = ", ".join(f"{name} {best[f'val_{key}']:.1f}" for key, name in MAIN_METRICS.items())
    advice = "" if best["val_OF1"] else " It predicts no label rightly yet: go on with --resume and more --epochs."
    return (
        f"The best of {len(history)} epochs, by the mean of mAP and O-F1 on val, is epoch {best['epoch']}: {shown}. "
        f"It is in {escape(str(out / 'best'))}, the last one in {escape(str(out / 'last'))}.{advice}"
    )


def next_commands(data: DataSource, out: Path) -> str:
    from cnnrnn.training.runs import runs_root

    evaluate = shlex.join(["cnnrnn", "evaluate", *data.arguments(), "--checkpoint", str(out)])
    is_listed = runs_root() == out.resolve().parent
    show = shlex.join(["cnnrnn", "dashboard", *([] if is_listed else ["--runs", str(out.parent)])])
    return f"Next:\n  {escape(evaluate)}\n  {escape(show)}"
