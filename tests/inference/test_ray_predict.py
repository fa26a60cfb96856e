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
PATIENCE = 600  # seconds
HELD = 20  # the number of the part in which a worker is killed
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


def has_open(process: int, file: Path) -> bool:
    try:
        return any(opened.readlink() == file for opened in Path(f"/proc/{process}/fd").iterdir())
    except OSError:  # it has just closed one
        return False


def wait_for(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """On a busy machine two minutes pass before the workers have loaded what they need."""
    for _ in range(60 * PATIENCE):
        if what():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(1 / 60)
    pytest.fail(f"nothing happened for {PATIENCE} s")


def done(out: Path) -> set[str]:
    return {file.stem for file in out.glob("part-*.parquet")}


@pytest.fixture(scope="module")
def made(images: Path, scenes_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The output of a run, one of whose two workers was killed in the middle; and the run's arguments.

    A part takes so little time that its worker may be between two parts when it is killed, and then nothing is tried
    again. So one image is a pipe without any data, which holds whoever reads it inside that image's part.
    """
    out = tmp_path_factory.mktemp("ray") / "out"
    options = ["--out", out, "--checkpoint", scenes_checkpoint, "--engine", "torch", "--shard-size", SHARD]
    image, kept = images / f"{HELD * SHARD:05d}.jpg", out.parent / "image.jpg"
    image.rename(kept)
    os.mkfifo(image)
    pipe = os.open(image, os.O_RDWR)  # as long as it can be written to, who reads it waits
    running = subprocess.Popen(
        command(images, "--workers", 2, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: done(out) and any(has_open(worker, image) for worker in workers_of(running.pid)), running)
        workers = workers_of(running.pid)
        assert len(workers) == 2
        (held,) = (worker for worker in workers if has_open(worker, image))
        assert f"part-{HELD:05d}" not in done(out)
        kept.replace(image)  # for who makes this part next
        os.kill(held, signal.SIGKILL)
        output, errors = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
        os.close(pipe)
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
        command(out / "images.parquet", "--workers", 1, *options), capture_output=True, text=True, timeout=PATIENCE
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
        command(out.parent / "list.parquet", "--workers", 1, *options), capture_output=True, text=True, timeout=PATIENCE
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
