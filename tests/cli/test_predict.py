"""`cnnrnn predict`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import COMMAND, run_command

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.data.images import open_image
from cnnrnn.inference.predictor import decode_image, encode_image


def test_unreadable_images_are_reported_and_the_others_are_labelled(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path, encoded: Callable[..., bytes]
) -> None:
    samples = [sample for sample in load_split("scenes", scenes_root, "test").samples if sample.labels][:6]
    folder = tmp_path / "images"
    folder.mkdir()
    for number, sample in enumerate(samples):
        (folder / f"{number}.png").write_bytes(sample.image.read_bytes())
    (folder / "7-broken.jpg").write_bytes(encoded("JPEG")[:200])
    (folder / "notes.txt").write_text("not an image, and not asked for")
    out = tmp_path / "out.json"

    done = run_command("predict", folder, "--checkpoint", scenes_checkpoint, "--json", out, "--engine", "torch")
    assert done.returncode == 1
    assert "7-broken.jpg" in done.stderr
    assert "1 of 7 images could not be read" in done.stderr
    assert "best path" in done.stdout
    entries = json.loads(out.read_text())
    loaded = Checkpoint.load(scenes_checkpoint)
    for number, entry in enumerate(entries[:6]):  # as each image by itself, whatever the training came to
        image = open_image(folder / f"{number}.png")
        alone = decode_image(loaded, encode_image(loaded, image)[1], beam=8).summary()
        assert entry["labels"] == entry["paths"][0]["labels"] == alone["labels"]
        assert entry["marginals"] == pytest.approx(alone["marginals"], abs=1e-3)
    assert len({tuple(entry["labels"]) for entry in entries[:6]}) > 1
    assert "error" in entries[6]

    piped = run_command("predict", folder / "0.png", "--checkpoint", scenes_checkpoint, "--json", "-", "--beam", 2)
    assert piped.returncode == 0
    assert json.loads(piped.stdout)[0]["labels"] == entries[0]["labels"]
    assert len(json.loads(piped.stdout)[0]["paths"]) == 2


def test_the_embedded_checkpoint_on_real_photographs(shared_data: Path) -> None:
    """Fifty of the test split: enough to see a broken preprocessing, too few to be a figure."""
    samples = load_split("table", shared_data / "coco80" / "labels.csv", "test").samples[::20]
    done = run_command("predict", *(sample.image for sample in samples), "--json", "-")
    assert done.returncode == 0
    predicted = [set(entry["labels"]) for entry in json.loads(done.stdout)]
    truth = [set(sample.labels) for sample in samples]
    hits = sum(len(labels & right) for labels, right in zip(predicted, truth, strict=True))
    assert 2 * hits / sum(map(len, [*predicted, *truth])) > 0.6  # O-F1


def test_a_folder_is_written_once_and_a_narrow_terminal_has_fewer_columns(
    scenes_root: Path, scenes_checkpoint: Path, tmp_path: Path
) -> None:
    samples = load_split("scenes", scenes_root, "val").samples[:2]
    for number, sample in enumerate(samples):
        (tmp_path / f"{number}.png").write_bytes(sample.image.read_bytes())

    def table(columns: int, *images: Path) -> str:
        command = [*COMMAND, "predict", *map(str, images), "--checkpoint", str(scenes_checkpoint)]
        environment = {**os.environ, "COLUMNS": str(columns)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout

    wide = table(400, tmp_path)
    assert wide.startswith(f"In {tmp_path}:\n")
    assert wide.count(str(tmp_path)) == 1
    assert "coverage" in wide
    narrow = table(80, tmp_path / "0.png")
    assert "coverage" not in narrow
    assert not narrow.startswith("In ")
