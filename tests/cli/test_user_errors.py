"""What a user did wrong ends any command with one line."""

from __future__ import annotations

from pathlib import Path

from helpers import run_command
from PIL import Image
from typer.testing import CliRunner

from cnnrnn.cli.main import app


def test_bad_input_is_reported_without_a_traceback(tmp_path: Path, scenes_checkpoint: Path) -> None:
    image = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(image)
    for arguments, code, message in (
        (["predict", image, "--checkpoint", tmp_path / "none"], 2, "none is not there"),
        (["predict", tmp_path / "empty.jpg", "--checkpoint", scenes_checkpoint], 1, "no such file"),
        (["explain", tmp_path / "empty.jpg", "--out", tmp_path, "--checkpoint", scenes_checkpoint], 2, "no such file"),
        (["explain", image, "--out", tmp_path, "--checkpoint", scenes_checkpoint, "--method", "x"], 2, "grad-cam"),
        (["evaluate", "--checkpoint", scenes_checkpoint, "--dataset", "voc2007", "--root", tmp_path], 2, "VOCdevkit"),
        (["train", "--dataset", "scenes", "--root", tmp_path, "--out", tmp_path / "o", "--backbone", "no"], 2, "timm"),
        (["predict", image, "--checkpoint", scenes_checkpoint, "--device", "quantum"], 2, "quantum"),
    ):
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert done.exit_code == code, arguments
        assert isinstance(done.exception, SystemExit), arguments
        assert message in done.stderr.replace("\n", " "), arguments
    assert run_command("predict", image, "--checkpoint", tmp_path / "none").returncode == 2  # and in a real process
