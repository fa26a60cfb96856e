"""What a user did wrong ends any command with one line."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from helpers import run_command
from PIL import Image
from typer.testing import CliRunner

from cnnrnn.cli.main import app
from cnnrnn.utils.errors import did_you_mean


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


def test_an_output_that_can_not_be_a_file_is_refused_before_anything_is_computed(
    tmp_path: Path, scenes_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the model nor the data is read: both are missing."""
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").write_text("")
    (tmp_path / "model.zip").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    nothing = ["--checkpoint", "none"]
    data = ["--dataset", "scenes", "--root", "none"]
    for arguments, message in (
        (["predict", "x.jpg", *nothing, "--json", "a folder"], "'a folder' is a directory"),
        (["neighbors", *nothing, "--json", "a folder"], "'a folder' is a directory"),
        (["evaluate", *data, *nothing, "--per-image", "a folder"], "'a folder' is a directory"),
        (["evaluate", *data, *nothing, "--html", "a folder"], "'a folder' is a directory"),
        (["data", "check", "none.csv", "--write", "a folder"], "'a folder' is a directory"),
        (["data", "check", "none.csv", "--html", "a folder"], "'a folder' is a directory"),
        (["predict", "x.jpg", *nothing, "--json", "none/x.json"], "there is no folder none; make it first"),
        (["neighbors", *nothing, "--json", "none/x.json"], "there is no folder none; make it first"),
        (["bench", "--json", "none/x.json"], "there is no folder none; make it first"),
        (["evaluate", *data, *nothing, "--per-image", "none/x.jsonl"], "there is no folder none; make it first"),
        (["evaluate", *data, *nothing, "--html", "none/x.html"], "there is no folder none; make it first"),
        (["data", "check", "none.csv", "--write", "none/x.csv"], "there is no folder none; make it first"),
        (["data", "check", "none.csv", "--html", "none/x.html"], "there is no folder none; make it first"),
        (["explain", "x.jpg", *nothing, "--out", "a file"], "'a file' is a file"),
        (["train", *data, "--out", "o", "--weights", "a folder"], "a folder is incomplete: "),
        (
            ["train", *data, "--out", "o", "--weights", "none"],
            "there is no none; name a file, a trained model's folder, ",
        ),
        (["calibrate", *data, "--checkpoint", "model.zip"], "unpack it"),
        (["project", "--checkpoint", "model.zip"], "unpack it"),
        (["evaluate", *data, "--checkpoint", "model.zip", "--record"], "unpack it"),
        (["breakdown", "a folder"], "a folder can't be read: Is a directory"),
    ):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2, arguments
        assert isinstance(done.exception, SystemExit), arguments
        assert message in " ".join(done.stderr.replace("│", " ").split()), (arguments, done.stderr)
    assert not (tmp_path / "none").exists()


def test_a_mistyped_name_is_told_which_one_may_be_meant(tmp_path: Path, scenes_root: Path) -> None:
    image = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(image)
    out, scenes = ["--out", tmp_path / "o"], ["--dataset", "scenes", "--root", scenes_root]
    for arguments, meant in (
        (["train", "x.csv", *out, "--recipe", "quik"], "'quick'"),
        (["train", *scenes, *out, "--backbone", "resnet5O", "--no-pretrained"], "resnet50"),
        (["train", "--dataset", "coc2014", "--root", tmp_path, *out], "'coco2014'"),
        (["explain", image, *out, "--method", "Grad_CAM"], "'grad-cam'"),
        (["evaluate-maps", *scenes, "--methods", "grad-cam,ocllusion"], "'occlusion'"),
        (["bench", "--only", "serch"], "'search'"),
        (["predict", image, "--checkpoint", "coco_sigmoid"], "'coco-sigmoid'"),
    ):
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert done.exit_code == 2, arguments
        assert f"did you mean {meant}" in done.stderr.replace("\n", " "), (arguments, done.stderr)


def test_nothing_is_suggested_for_what_is_like_no_name() -> None:
    assert did_you_mean("unicorn", ["dog", "cat"]) == ""
    assert did_you_mean("DOG", ["dog", "cat"]) == "did you mean 'dog'? "


def test_options_that_are_impossible_are_refused_before_the_data_is_read(
    tmp_path: Path, scenes_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data set is missing: a check that came after it was read would not be reached."""
    (tmp_path / "model.zip").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as if it were not installed
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "nncf" else find_spec(name))
    data = ["--dataset", "voc2007", "--root", "none"]
    train, maps = ["train", *data, "--out", "o"], ["evaluate-maps", *data]
    for arguments, message in (
        ([*train], "VOCdevkit"),
        ([*train, "--weights", "coco", "--no-pretrained"], "leave --no-pretrained away"),
        ([*train, "--weights", "coco", "--backbone", "vgg16"], "take --backbone tf_efficientnet_lite2"),
        ([*train, "--backbone", "no"], "timm knows no model 'no'"),
        ([*train, "--trained-layers", "2"], "give --backbone-lr"),
        ([*train, "--compile"], "give --backbone-lr"),
        ([*train, "--order", "alphabetical"], "no label order 'alphabetical'; choose "),
        ([*train, "--order", "fixed:none"], "the label order none can't be read"),
        ([*train, "--device", "quantum"], "device 'quantum' can't be used"),
        ([*train, "--tensorboard"], "pip install 'cnnrnn[track]'"),
        ([*train, "--resume"], "o holds no finished epoch to go on from; start without --resume"),
        ([*maps, "--checkpoint", str(scenes_checkpoint), "--methods", "magic"], "no method 'magic'; choose from "),
        ([*maps, "--checkpoint", "model.zip", "--record"], "unpack it"),
        (["quantize", *data], "int8 needs nncf"),
    ):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2, arguments
        assert isinstance(done.exception, SystemExit), arguments
        assert message in " ".join(done.stderr.split()), (arguments, done.stderr)
