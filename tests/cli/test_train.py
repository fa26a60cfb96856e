"""`cnnrnn train`, with real signals."""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from helpers import COMMAND, TINY, run_command
from typer.main import get_command

from cnnrnn.checkpoint import Checkpoint, read_results
from cnnrnn.cli.main import app
from cnnrnn.training.config import TrainConfig
from cnnrnn.utils.resources import embedded_checkpoint


def test_an_option_has_the_default_of_a_training_from_python() -> None:
    options = {option.name: option.default for option in get_command(app).commands["train"].params}
    config = asdict(TrainConfig())
    del config["beam"]  # of the validation; no option
    assert {name: options[name] for name in config} == config


def test_a_recipe_gives_defaults_and_typed_options_win(tmp_path: Path, scenes_root: Path) -> None:
    arguments = ["--dataset", "scenes", "--root", scenes_root, "--out", tmp_path / "run", "--epochs", 1]
    done = run_command("train", *arguments, "--recipe", "paper", *TINY)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "last" / "config.json").read_text())
    assert config["training"]["config"]["optimizer"] == "rmsprop"  # the recipe's
    assert config["model"]["activation"] == "relu"
    assert config["model"]["embedding_dim"] == 8  # typed
    assert "--recipe paper" in config["training"]["command"]
    assert (tmp_path / "run" / "best" / "projection.json").is_file()  # computed once, here
    (epoch,) = read_results(tmp_path / "run")["history"]
    assert done.stdout.startswith(
        "The best of 1 epochs, by the mean of mAP and O-F1 on val, is epoch 1: "
        f"mAP {epoch['val_mAP']:.1f}, O-F1 {epoch['val_OF1']:.1f}, "
    )
    evaluate = f"cnnrnn evaluate --dataset scenes --root {scenes_root} --split test --checkpoint {tmp_path / 'run'}"
    assert evaluate in done.stdout


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

    again = ["train", "--dataset", "scenes", "--root", scenes_root, "--out", out]
    refused = run_command(*again, "--resume", "--hidden", 9)
    assert refused.returncode == 2
    assert f"{out} was started with other settings (hidden_dim: 8 → 9)" in refused.stderr
    refused = run_command(*again, *TINY)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"cnnrnn: {out} holds a run already: go on with it by --resume, replace it by --overwrite, or name another "
        "--out\n"
    )
    finished = run_command(*again, "--resume", "--epochs", done + 1)  # the other settings are the run's own
    assert finished.returncode == 0, finished.stderr
    assert Checkpoint.load(out / "last").training["epochs_done"] == done + 1
    assert Checkpoint.load(out / "last").training["config"]["epochs"] == done + 1
    assert f"epochs = {done + 1}" in (out / "run.toml").read_text()


def test_ctrl_c_before_the_first_epoch_is_finished_says_to_start_again(
    tmp_path: Path, scenes_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNRNN_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    command = ["train", "--dataset", "scenes", "--root", str(scenes_root), "--out", str(out), *TINY]
    command += ["--views", "20"]  # the signal comes while the first epoch waits for them, also on a busy machine
    training = subprocess.Popen([*COMMAND, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert training.stdout is not None
    for line in training.stdout:
        if line.startswith("features of scenes train, view 2"):
            training.send_signal(signal.SIGINT)
            break
    output = training.communicate(timeout=60)[0]
    assert training.returncode == 130
    assert "there is no model yet: start again with the same command" in output
    assert "--resume" not in output
    assert f"in {tmp_path / 'cache' / 'features'} are kept for later runs" in output.replace("\n", "")
    assert [path.name for path in out.iterdir()] == ["run.toml"]  # so the same command is not refused


def test_overwrite_replaces_a_run_and_nothing_else(tmp_path: Path, scenes_root: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    command = ["train", "--dataset", "scenes", "--root", scenes_root, "--out", out, *TINY, "--epochs", 1]
    assert run_command(*command).returncode == 0
    replaced = run_command(*command, "--overwrite", "--seed", 1)
    assert replaced.returncode == 0, replaced.stderr
    assert Checkpoint.load(out / "best").training["config"]["seed"] == 1
    assert (out / "notes.txt").read_text() == "mine"
    both = run_command(*command, "--overwrite", "--resume")
    assert both.returncode == 2
    assert "give one of them" in both.stderr


def test_a_trained_models_backbone_comes_with_its_resolution(
    tmp_path: Path, scenes_root: Path, scenes_checkpoint: Path
) -> None:
    """Neither its name nor its size is typed, and the recipe's are those of another network."""
    command = ["train", "--dataset", "scenes", "--root", scenes_root, "--epochs", 1, "--views", 1]
    done = run_command(*command, "--weights", scenes_checkpoint, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    trained, run = Checkpoint.load(scenes_checkpoint), Checkpoint.load(tmp_path / "run")
    assert run.model.backbone.config == trained.model.backbone.config


def test_by_default_the_backbone_is_the_shipped_models(tmp_path: Path, scenes_root: Path) -> None:
    """A frozen backbone stays what it was. It fits no other network."""
    arguments = ["--dataset", "scenes", "--root", scenes_root, "--out", tmp_path / "run", "--epochs", 1, "--views", 1]
    arguments += ["--image-size", 32]
    other = run_command("train", *arguments, "--weights", "coco", "--backbone", "tf_efficientnet_lite0")
    assert other.returncode == 2
    assert "take --backbone tf_efficientnet_lite2" in other.stderr
    done = run_command("train", *arguments)
    assert done.returncode == 0, done.stderr
    assert 'backbone = "tf_efficientnet_lite2", weights = "coco"' in " ".join(done.stderr.split())
    shipped, run = Checkpoint.load(embedded_checkpoint()), Checkpoint.load(tmp_path / "run")
    before, after = (checkpoint.model.backbone.state_dict() for checkpoint in (shipped, run))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name
    # The run may be repeated from another folder.
    assert f'weights = "{embedded_checkpoint()}"' in (tmp_path / "run" / "run.toml").read_text()
