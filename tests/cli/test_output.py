"""What is printed and written: other encodings, names that are not UTF-8, closed pipes, and outputs that fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import COMMAND, run_command
from PIL import Image

NAME = os.fsdecode(b"\xff\xe9 \xe2\x86\x92 \xe6\x97\xa5.png")  # two bytes that are not UTF-8, an arrow, and 日


def test_nothing_is_lost_whatever_standard_output_can_encode(scenes_checkpoint: Path, tmp_path: Path) -> None:
    """Files, the table, and JSON on standard output; macOS's files are passed over, and other suffixes counted."""
    folder = tmp_path / "images"
    (folder / "__MACOSX").mkdir(parents=True)
    image = folder / NAME
    Image.new("RGB", (64, 64), "red").save(image)
    for name in ("._a.png", "__MACOSX/b.png", ".DS_Store", "notes.TXT", "more.txt", "c"):
        (folder / name).write_bytes(b"\0\x05\x16\x07")
    command = [*COMMAND, "predict", folder, "--checkpoint", scenes_checkpoint, "--engine", "torch", "--json"]
    for encoding in ("ascii", "cp1252"):
        settings = {"env": {**os.environ, "PYTHONIOENCODING": encoding}, "capture_output": True}
        file = tmp_path / f"{encoding}.json"
        done = subprocess.run([*command, file], **settings)
        assert done.returncode == 0, done.stderr
        table, notes = done.stdout.decode(encoding), done.stderr.decode(encoding)
        assert "END" in table
        assert "2 x .txt, 1 without a suffix" in notes.replace("×", "x")
        (entry,) = json.loads(file.read_text(encoding="utf-8"))
        assert entry["image"] == str(image)
        piped = subprocess.run([*command, "-"], **settings)
        assert piped.returncode == 0
        assert json.loads(piped.stdout) == [entry]


@pytest.mark.parametrize("target", [None, "-"])
def test_a_closed_pipe_and_a_full_device_end_a_command_quietly(
    target: str | None, scenes_checkpoint: Path, tmp_path: Path
) -> None:
    command = [*COMMAND, "neighbors", "--checkpoint", scenes_checkpoint, *(["--json", target] if target else [])]
    reading, writing = os.pipe()
    os.close(reading)
    closed = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert closed.stderr == ""
    assert closed.returncode == 1
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.stderr.splitlines() == ["cnnrnn: No space left on device"]
        assert done.returncode == 2


def test_the_figures_are_printed_although_files_can_not_be_written(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    """One line for each that is missing; the others are there."""
    shutil.copytree(scenes_checkpoint, tmp_path / "model")
    (tmp_path / "model" / "README.md").unlink()
    (tmp_path / "model" / "README.md").mkdir()  # so the model card can't be written
    long = "x" * 240  # a name that a file can have, but not the one under which it is written first
    done = run_command(
        "evaluate", "--checkpoint", tmp_path / "model", "--dataset", "scenes", "--root", scenes_root,
        "--record", "--json", tmp_path / f"{long}.json", "--per-image", tmp_path / "x.jsonl",
        "--html", tmp_path / f"{long}.html",
    )  # fmt: skip
    assert done.returncode == 2
    assert "mAP" in done.stdout
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 128
    last = done.stderr.splitlines()[-3:]
    assert [("x.json" in last[0]), ("x.html" in last[1]), ("README.md" in last[2])] == [True] * 3, last


def test_the_folder_of_a_run_is_its_best_checkpoint_and_other_folders_are_passed_over(
    trained: tuple[Path, list[dict]], scenes_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained[0], tmp_path / "mine")
    (tmp_path / "features").mkdir()
    (tmp_path / "notes.txt").touch()
    done = run_command("compare", *sorted(tmp_path.iterdir()))
    assert done.returncode == 0
    assert "| 0 |" in done.stdout
    assert done.stderr.startswith("passed over, no run: ")
    assert {Path(name).name for name in done.stderr.partition("run: ")[2].strip().split(", ")} == {
        "features",
        "notes.txt",
    }
    recorded = run_command(
        "evaluate", "--checkpoint", tmp_path / "mine", "--dataset", "scenes", "--root", scenes_root, "--record"
    )
    assert recorded.returncode == 0
    assert "scenes test" in json.loads((tmp_path / "mine/best/metrics.json").read_text())["evaluations"]
    several = run_command("neighbors", "--checkpoint", tmp_path)
    assert several.returncode == 2
    assert f"name one of them, such as {tmp_path / 'mine'}" in several.stderr.replace("\n", "")
