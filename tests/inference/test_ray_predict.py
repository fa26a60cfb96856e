"""Ray's cluster of two workers, as a person starts it: nothing is lost and nothing doubled when one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from typer.testing import CliRunner

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.cli.main import app
from cnnrnn.data import load_split
from cnnrnn.inference.predictor import Predictor
from cnnrnn.inference.sources import list_images

pytest.importorskip("ray", reason="Ray is not installed: pip install 'cnnrnn[ray]'")

COUNT, SHARD = 2000, 50
BROKEN = {"00017.jpg", "00700.jpg", "01999.jpg"}


@pytest.fixture(scope="module")
def images(scenes_root: Path, tmp_path_factory: pytest.TempPathFactory, encoded: Callable[..., bytes]) -> Path:
    """Two thousand JPEGs, no two alike; three of them broken, in as many ways."""
    folder = tmp_path_factory.mktemp("images")
    scenes = [np.asarray(Image.open(sample.image)) for sample in load_split("scenes", scenes_root, "test").samples]
    for number in range(COUNT):
        brighter = np.minimum(scenes[number % len(scenes)].astype(np.int64) + number // len(scenes), 255)
        Image.fromarray(brighter.astype(np.uint8)).save(folder / f"{number:05d}.jpg", quality=90)
    for name, data in zip(sorted(BROKEN), (b"", b"not an image", encoded("JPEG")[:300]), strict=True):
        (folder / name).write_bytes(data)
    return folder


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cnnrnn.cli.main", "predict", "--engine-ray", *map(str, arguments)]


def workers_of(pid: int) -> list[int]:
    """The processes below `pid` that hold a checkpoint: Ray calls them so."""
    found, parents = [], {pid}
    processes = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    for _ in range(4):  # driver, raylet, worker
        for process in processes:
            try:
                parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
                name = Path(f"/proc/{process}/cmdline").read_bytes()
            except OSError:
                continue
            if parent in parents and process not in parents:
                parents.add(process)
                if name.startswith(b"ray::MapWorker"):
                    found.append(process)
    return found


def wait_for(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if what():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    pytest.fail("nothing happened for two minutes")


def done(out: Path) -> set[str]:
    return {file.stem for file in out.glob("part-*.parquet")}


def begun(out: Path) -> set[str]:
    return {file.name[1:].removesuffix(".parquet.try-0") for file in out.glob(".part-*.try-0")}


@pytest.fixture(scope="module")
def made(images: Path, scenes_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The output of a run, one of whose two workers was killed in the middle; and the run's arguments."""
    out = tmp_path_factory.mktemp("ray") / "out"
    options = ["--out", out, "--checkpoint", scenes_checkpoint, "--engine", "torch", "--shard-size", SHARD]
    running = subprocess.Popen(
        command(images, "--workers", 2, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: done(out) and len(begun(out) - done(out)) == 2, running)  # each of them is making one
        workers = workers_of(running.pid)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        wait_for(lambda: [*out.glob(".part-*.try-1")], running)  # its part is tried again
        assert len(done(out)) < COUNT // SHARD
        output, errors = running.communicate(timeout=300)
    finally:
        running.kill()
    assert running.returncode == 1, errors
    assert f"{len(BROKEN)} of {COUNT} images could not be read" in errors
    assert "workers: 2" in errors
    assert str(out) in output.replace("\n", "")
    return out, [*map(str, options)]


def test_every_image_is_predicted_once_and_as_without_ray(
    made: tuple[Path, list[str]], images: Path, scenes_checkpoint: Path
) -> None:
    out, _ = made
    files = sorted(out.iterdir())
    assert [file.name for file in files] == [
        "images.parquet", "manifest.json", *(f"part-{number:05d}.parquet" for number in range(COUNT // SHARD))
    ]  # fmt: skip
    rows = [row for file in files[2:] for row in pyarrow.parquet.read_table(file).to_pylist()]
    assert [row["image"] for row in rows] == list_images([str(images)])[0]
    assert len({row["image"] for row in rows}) == COUNT
    assert {Path(row["image"]).name for row in rows if row["error"] is not None} == BROKEN
    checkpoint = Checkpoint.load(scenes_checkpoint)
    paths = [Path(row["image"]) for row in rows]
    for row, (_, prediction) in zip(rows, Predictor(checkpoint).predict(paths), strict=True):
        expected = None if isinstance(prediction, str) else prediction.names(prediction.paths[0].tokens)
        assert row["labels"] == expected
    assert len({tuple(row["labels"]) for row in rows if row["labels"] is not None}) > 5


def test_a_repeated_command_writes_only_the_missing_shards(made: tuple[Path, list[str]]) -> None:
    out, options = made
    before = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in out.iterdir()}
    missing = {"part-00000.parquet", "part-00027.parquet"}
    for name in missing:
        (out / name).unlink()
    # Its own list of images is as good as the folder that it was made from.
    done = subprocess.run(
        command(out / "images.parquet", "--workers", 1, *options), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1, done.stderr
    assert f"1 of {2 * SHARD} images could not be read" in done.stderr
    assert "38 parts are there, 2 to make" in done.stderr
    after = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in out.iterdir()}
    assert after.keys() == before.keys()
    assert {name for name in after if after[name][0] != before[name][0]} == missing


def test_a_worker_that_fails_ends_the_run_in_one_line(made: tuple[Path, list[str]]) -> None:
    out, options = made
    (out / "part-00003.parquet").unlink()
    listing = out / "images.parquet"
    listing.rename(out.parent / "list.parquet")
    failed = subprocess.run(
        command(out.parent / "list.parquet", "--workers", 1, *options), capture_output=True, text=True, timeout=300
    )
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
    assert "cnnrnn: the run stopped: " in failed.stderr
    assert "images.parquet" in failed.stderr


def test_without_ray_the_command_says_what_to_install(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for arguments, message in (
        (["--engine-ray", "--out", tmp_path], "cnnrnn[ray]"),
        (["--engine-ray"], "--out"),
        (["--engine-ray", "--out", tmp_path, "--json", "-"], "--json"),
        (["--out", tmp_path], "--engine-ray"),
    ):
        done = CliRunner().invoke(app, ["predict", str(images), *map(str, arguments)])
        assert done.exit_code == 2
        assert message in done.stderr
