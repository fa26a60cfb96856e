"""The checkpoints that come with the package: the default of every command, and the others by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cnnrnn
from cnnrnn.checkpoint import Checkpoint, checkpoint_folder, read_results, shown_name
from cnnrnn.cli.main import app
from cnnrnn.cli.options import EMBEDDED
from cnnrnn.utils.resources import checkpoints_folder

SAMPLES = Path(__file__).parents[2] / "dashboard" / "samples"


def test_the_embedded_checkpoint_is_small_and_its_model_card_names_its_training() -> None:
    assert sum(path.stat().st_size for path in EMBEDDED.iterdir()) < 20_000_000
    checkpoint = Checkpoint.load(EMBEDDED)
    assert len(checkpoint.vocabulary) == 80
    assert len(set(checkpoint.vocabulary.groups)) == 12
    card = (EMBEDDED / "README.md").read_text()
    assert checkpoint.training["command"] in card
    assert "labels test" in card


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without checkpoints/, such as that of someone who installed a wheel."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_checkpoint_is_taken_by_its_name_in_python_and_in_commands(elsewhere: Path) -> None:
    done = CliRunner().invoke(app, ["neighbors", "--checkpoint", "voc", "--json", "-"])
    assert done.exit_code == 0, done.stderr
    assert set(json.loads(done.stdout)) == set(cnnrnn.load("voc", device="cpu").labels)
    assert len(Checkpoint.load("voc").vocabulary) == 20
    assert read_results(Path("voc"))["evaluations"]
    assert shown_name(Path("voc")) == shown_name(checkpoints_folder() / "voc") == "voc (embedded)"


def test_a_name_that_is_none_is_told_the_names(elsewhere: Path) -> None:
    for arguments in (["neighbors", "--checkpoint", "coc"], ["train", "x.csv", "--out", "o", "--weights", "coc"]):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2
        assert "did you mean 'coco'? " in done.stderr
        assert "coco, coco-sigmoid, voc" in done.stderr


def test_a_folder_comes_before_a_name_and_that_is_said(elsewhere: Path, scenes_checkpoint: Path) -> None:
    shutil.copytree(scenes_checkpoint, elsewhere / "coco")
    done = CliRunner().invoke(app, ["neighbors", "--checkpoint", "coco", "--json", "-"])
    assert "circle" in json.loads(done.stdout)
    assert "not the embedded checkpoint of that name" in done.stderr
    assert checkpoint_folder(Path("coco")) == Path("coco")
    assert shown_name(Path("coco")) == "coco"
    (elsewhere / "voc").mkdir()  # a data set's, say
    done = CliRunner().invoke(app, ["neighbors", "--checkpoint", "voc"])
    assert done.exit_code == 2
    assert "the folder voc here comes before the embedded checkpoint" in done.stderr


def test_evaluate_takes_the_embedded_checkpoint_and_says_so(elsewhere: Path) -> None:
    lines = (SAMPLES / "labels.csv").read_text().splitlines()
    (elsewhere / "two.csv").write_text("\n".join(lines[:3]) + "\n")
    command = ["evaluate", "two.csv", "--images", str(SAMPLES), "--device", "cpu"]
    done = CliRunner().invoke(app, [*command, "--json", "two.json"])
    assert done.exit_code == 0, done.stderr
    assert "checkpoint: coco (embedded)" in done.stdout
    assert json.loads((elsewhere / "two.json").read_text())["checkpoint"] == "coco (embedded)"


@pytest.mark.parametrize("command", ["evaluate", "evaluate-maps"])
def test_nothing_is_recorded_in_a_checkpoint_that_was_not_named(command: str) -> None:
    done = CliRunner().invoke(app, [command, "none.csv", "--record"])
    assert done.exit_code == 2
    assert "name it by --checkpoint" in done.stderr
