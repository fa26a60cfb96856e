"""Training meets bad luck: kills, a full disk, files that change. It stops clearly, or goes on to the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from helpers import TINY
from pausing import PausedCommand

from cnnrnn.checkpoint import CONFIG, METRICS, WEIGHTS, Checkpoint, read_results
from cnnrnn.data import load_split

EPOCHS = 6
CARD_OPENED = ("open", "*/.last.new-*/README.md")  # twice in an epoch: to be written, and to be synced
COMMAND = ["train", "--dataset", "table", "--val-fraction", "0.3"]
END_TO_END = ["--backbone-lr", "0.001", "--epochs", str(EPOCHS), "--batch-size", "8"]


@pytest.fixture(scope="module")
def table(scenes_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set of one's own: forty images and a CSV."""
    folder = tmp_path_factory.mktemp("own")
    rows = ["image,labels"]
    kept = {"circle", "square", "triangle"}  # of fewer than four labels no UMAP is made, which takes ten seconds
    for sample in load_split("scenes", scenes_root, "train").samples[:40]:
        (folder / sample.image.name).write_bytes(sample.image.read_bytes())
        rows.append(f"{sample.image.name},{';'.join(sorted(kept & set(sample.labels)))}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder / "labels.csv"


class Training:
    """`cnnrnn train` as a process, which pauses where `pause` says."""

    def __init__(self, table: Path, out: Path, *more: str, pause: PausedCommand | None = None) -> None:
        start = pause.command if pause else ["-m", "cnnrnn"]
        command = [sys.executable, *start, *COMMAND, "--root", str(table), "--out", str(out), *END_TO_END, *TINY, *more]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "COLUMNS": "300"}
        )
        self.output = pause.output_until_paused(self.process) if pause else ""

    def end(self, code: int) -> str:
        self.output += self.process.communicate(timeout=120)[0]
        assert self.process.returncode == code, self.output
        assert "Traceback" not in self.output
        return self.output


def in_the_third_epoch(folder: Path) -> PausedCommand:
    """Of six, while its model is being written."""
    return PausedCommand(folder / "fifo", *CARD_OPENED, count=5)


@pytest.fixture(scope="module")
def undisturbed(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    Training(table, out).end(0)
    return out


def assert_alike(out: Path, undisturbed: Path) -> None:
    """Bit for bit."""
    for name in ("last", "best"):
        assert (out / name / WEIGHTS).read_bytes() == (undisturbed / name / WEIGHTS).read_bytes()
    losses = [[epoch["loss"] for epoch in read_results(run / "last")["history"]] for run in (out, undisturbed)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == EPOCHS


def test_a_kill_at_any_moment_leaves_the_last_good_checkpoint(table: Path, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    written = (*CARD_OPENED, 3)  # in the second epoch of each process
    renamed = [("os.rename", f"*/.{name}.new-*", 1) for name in ("last", "best", "state.pt")]
    for number, moment in enumerate([written, *renamed, written]):
        pause = PausedCommand(tmp_path / f"fifo{number}", *moment)
        training = Training(table, out, *(["--resume"] if number else []), pause=pause)
        training.process.send_signal(signal.SIGKILL)
        training.end(-signal.SIGKILL)
        last, best = (Checkpoint.load(out / name).training["epochs_done"] for name in ("last", "best"))
        assert 1 <= best <= last < EPOCHS
    Training(table, out, "--resume").end(0)
    assert_alike(out, undisturbed)
    assert {path.name for path in out.iterdir()} == {"best", "last", "run.toml", "state.pt"}  # nothing half-written


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk is mounted, which takes root: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(disk: Path) -> Path:
    filling = disk / "filling"
    with filling.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filling


def test_a_full_disk_stops_training_and_costs_an_epoch(
    table: Path, undisturbed: Path, small_disk: Path, tmp_path: Path
) -> None:
    out = small_disk / "run"
    pause = in_the_third_epoch(tmp_path)
    training = Training(table, out, pause=pause)
    filling = fill(small_disk)
    pause.go_on()
    output = training.end(2)
    assert "can't be written: No space left on device" in output
    assert output.rstrip().splitlines()[-1].startswith("cnnrnn:")
    for name in ("last", "best"):
        Checkpoint.load(out / name)
    filling.unlink()
    Training(table, out, "--resume").end(0)
    assert_alike(out, undisturbed)


def test_features_that_do_not_fit_on_the_disk_are_not_kept(table: Path, small_disk: Path) -> None:
    filling = fill(small_disk)
    frozen = ("--backbone-lr", "0")
    output = Training(table, small_disk / "run", *frozen).end(2)
    assert "can't be written: No space left on device" in output
    assert [path for path in small_disk.rglob("*") if path.is_file()] == [filling]


def test_an_image_damaged_during_training_stops_the_run_and_is_named(
    table: Path, undisturbed: Path, tmp_path: Path
) -> None:
    image = next(table.parent.glob("*.png"))
    whole = image.read_bytes()
    pause = in_the_third_epoch(tmp_path)
    training = Training(table, tmp_path / "run", pause=pause)
    try:
        image.write_bytes(whole[:100])
        pause.go_on()
        assert f"{image.name}: the image is damaged" in training.end(2)
    finally:
        image.write_bytes(whole)
    Training(table, tmp_path / "run", "--resume").end(0)
    assert_alike(tmp_path / "run", undisturbed)


def test_annotations_changed_during_training_do_not_affect_the_run(
    table: Path, undisturbed: Path, tmp_path: Path
) -> None:
    rows = table.read_text()
    pause = in_the_third_epoch(tmp_path)
    training = Training(table, tmp_path / "run", pause=pause)
    try:
        table.write_text(rows.replace("circle", "square"))
        pause.go_on()
        training.end(0)
        assert_alike(tmp_path / "run", undisturbed)
        assert "was started with other settings" in Training(table, tmp_path / "run", "--resume").end(2)
    finally:
        table.write_text(rows)


def test_a_loss_that_explodes_stops_with_advice_and_is_in_no_checkpoint(table: Path, tmp_path: Path) -> None:
    output = Training(table, tmp_path / "run", "--lr", "1e30").end(2)
    assert "no longer finite; lower the learning rate" in output
    for folder in (tmp_path / "run").glob("[bl]*"):
        Checkpoint.load(folder)  # refuses weights that are not finite


def test_a_checkpoint_records_the_command_that_reproduces_it(undisturbed: Path) -> None:
    training = Checkpoint.load(undisturbed / "last").training
    assert training["config"]["seed"] == 0
    assert training["versions"].keys() >= {"cnnrnn", "python", "torch", "torchvision"}
    assert training["command"].startswith("cnnrnn train --dataset table")
    assert (undisturbed / "last" / CONFIG).is_file()
    assert (undisturbed / "last" / METRICS).is_file()
