"""The command as a person runs it: real processes, real files, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import TINY
from PIL import Image
from typer.testing import CliRunner

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.cli.main import app
from cnnrnn.data import load_split
from cnnrnn.data.images import open_image
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.predictor import decode_image, encode_image

COMMAND = [sys.executable, "-m", "cnnrnn.cli.main"]
ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert "Traceback" not in done.stderr
    return done


def test_help_reads_well_and_does_not_wait_for_torch() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("train", "evaluate", "predict", "explain"):
        assert command in done.stdout
    code = "import sys, cnnrnn.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_predict_reports_what_it_skips_and_labels_the_rest(
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

    done = run("predict", folder, "--checkpoint", scenes_checkpoint, "--json", out, "--engine", "torch")
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

    piped = run("predict", folder / "0.png", "--checkpoint", scenes_checkpoint, "--json", "-", "--beam", 2)
    assert piped.returncode == 0
    assert json.loads(piped.stdout)[0]["labels"] == entries[0]["labels"]
    assert len(json.loads(piped.stdout)[0]["paths"]) == 2


def test_evaluate_writes_the_figures(scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path) -> None:
    arguments = ["--checkpoint", scenes_checkpoint, "--dataset", "scenes", "--root", scenes_root]
    done = run("evaluate", *arguments, "--json", "-", "--per-image", tmp_path / "images.jsonl")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    wanted = {
        "images", "labels_scored", "mAP", "AP", "OP", "OR", "OF1", "CP", "CR", "CF1", "top3", "exact_match",
        "coverage", "seconds", "mAP_eleven_point", "mAP_area", "MAP@10", "top3_at_most", "above_threshold",
        "hamming_loss", "positives",
    }  # fmt: skip
    assert wanted <= set(report)
    assert report["images"] == 128
    assert report["labels_scored"] == len(report["AP"]) == 6
    assert 90 < report["exact_match"] <= 100
    lines = [json.loads(line) for line in (tmp_path / "images.jsonl").read_text().splitlines()]
    exact = [set(line["truth"]) == set(line["paths"][0]["labels"]) for line in lines]
    assert 100 * sum(exact) / 128 == pytest.approx(report["exact_match"])
    assert set(lines[0]["marginals"]) == set(report["positives"])


def test_neighbors_of_the_shipped_checkpoint() -> None:
    done = run("neighbors", "-k", 2, "--json", "-")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert len(found) == 20
    assert all(len(near) == 2 for near in found.values())


@pytest.mark.parametrize("method", ["grad-cam", "integrated-gradients"])
def test_explain_draws_one_overlay_per_step(
    method: str, scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    sample = next(s for s in load_split("scenes", scenes_root, "test").samples if len(s.labels) == 2)
    done = run(
        "explain", sample.image, "--out", tmp_path / "maps", "--checkpoint", scenes_checkpoint, "--method", method
    )
    assert done.returncode == 0
    saved = json.loads((tmp_path / "maps" / "trace.json").read_text())
    trace = Trace.from_json(saved)
    names = [*trace.names(trace.paths[0].tokens), "END"]
    assert set(names[:-1]) == sample.labels
    files = sorted(path.name for path in (tmp_path / "maps").glob("*.png"))
    assert files == [f"{step:02d}-{name}.png" for step, name in enumerate(names, start=1)]
    overlays = [Image.open(tmp_path / "maps" / file) for file in files]
    assert all(overlay.size == (64, 64) for overlay in overlays)
    assert overlays[0].tobytes() != overlays[1].tobytes()


def test_bad_input_ends_in_one_line(tmp_path: Path, scenes_checkpoint: Path) -> None:
    image = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(image)
    for arguments, message in (
        (["predict", image, "--checkpoint", tmp_path / "none"], "none is not there"),
        (["predict", tmp_path / "empty.jpg", "--checkpoint", scenes_checkpoint], "no such file"),
        (["explain", tmp_path / "empty.jpg", "--out", tmp_path, "--checkpoint", scenes_checkpoint], "no such file"),
        (["explain", image, "--out", tmp_path, "--checkpoint", scenes_checkpoint, "--method", "x"], "grad-cam"),
        (["evaluate", "--checkpoint", scenes_checkpoint, "--dataset", "voc2007", "--root", tmp_path], "VOCdevkit"),
        (["train", "--dataset", "scenes", "--root", tmp_path, "--out", tmp_path / "o", "--backbone", "no"], "timm"),
        (["predict", image, "--checkpoint", scenes_checkpoint, "--device", "quantum"], "quantum"),
    ):
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert done.exit_code in (1, 2), arguments
        assert isinstance(done.exception, SystemExit), arguments
        assert message in done.stderr.replace("\n", " "), arguments
    assert run("predict", image, "--checkpoint", tmp_path / "none").returncode == 2  # and in a real process


def test_a_preset_gives_defaults_and_typed_options_win(tmp_path: Path, scenes_root: Path) -> None:
    arguments = ["--dataset", "scenes", "--root", scenes_root, "--out", tmp_path / "run", "--epochs", 1]
    done = run("train", *arguments, "--preset", "paper", *TINY)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "last" / "config.json").read_text())
    assert config["training"]["config"]["optimizer"] == "rmsprop"  # the preset's
    assert config["model"]["activation"] == "relu"
    assert config["model"]["embedding_dim"] == 8  # typed
    assert "--preset paper" in config["training"]["command"]
    assert (tmp_path / "run" / "best" / "projection.json").is_file()  # computed once, here


def test_ctrl_c_in_the_middle_of_training_leaves_a_usable_checkpoint(tmp_path: Path, scenes_root: Path) -> None:
    out = tmp_path / "run"
    training = subprocess.Popen(
        [*COMMAND, "train", "--dataset", "scenes", "--root", scenes_root, "--out", out, "--epochs", "9999", *TINY],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert training.stdout is not None
    output = []
    for line in training.stdout:  # the epochs' lines say how far it is
        output.append(line)
        if line.startswith("epoch   2"):
            training.send_signal(signal.SIGINT)
            break
    output.append(training.communicate(timeout=60)[0])
    assert training.returncode == 130
    assert "Interrupted; the model so far is in" in "".join(output)
    assert "Traceback" not in "".join(output)
    done = Checkpoint.load(out / "last").training["epochs_done"]
    assert done >= 2

    again = ["train", "--dataset", "scenes", "--root", scenes_root, "--out", out, "--resume", *TINY]
    refused = run(*again, "--epochs", 9998)
    assert refused.returncode == 2
    assert "epochs: 9999 → 9998" in refused.stderr


def test_the_shipped_checkpoint_is_small_and_knows_its_card() -> None:
    folder = ROOT / "checkpoints" / "voc"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20_000_000
    checkpoint = Checkpoint.load(folder)
    assert len(checkpoint.vocabulary) == 20
    card = (folder / "README.md").read_text()
    assert checkpoint.training["command"] in card
    assert "voc0712 test" in card


def test_the_shipped_checkpoint_on_real_photographs(shared_data: Path) -> None:
    """A hundred of the test split: enough to see a broken preprocessing, too few to be a figure."""
    split = load_split("voc0712", shared_data, "test")
    samples = split.samples[::12]
    done = run("predict", *(sample.image for sample in samples), "--json", "-")
    assert done.returncode == 0
    predicted = [set(entry["labels"]) for entry in json.loads(done.stdout)]
    exact = sum(labels == sample.labels for labels, sample in zip(predicted, samples, strict=True))
    assert exact / len(samples) > 0.6
