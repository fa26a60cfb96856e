"""`cnnrnn train`, with real signals."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from helpers import COMMAND, TINY, run_command

from cnnrnn.checkpoint import Checkpoint


def test_a_preset_gives_defaults_and_typed_options_win(tmp_path: Path, scenes_root: Path) -> None:
    arguments = ["--dataset", "scenes", "--root", scenes_root, "--out", tmp_path / "run", "--epochs", 1]
    done = run_command("train", *arguments, "--preset", "paper", *TINY)
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
    refused = run_command(*again, "--epochs", 9998)
    assert refused.returncode == 2
    assert "epochs: 9999 → 9998" in refused.stderr
