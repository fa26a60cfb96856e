"""`cnnrnn quantize`, and predictions in int8."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.cli import quantize
from cnnrnn.cli.main import app
from cnnrnn.data import load_split
from cnnrnn.inference import int8

pytest.importorskip("nncf")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


def test_int8_is_measured_kept_and_predicted_with(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(quantize, "MAX_LOSS", 100)  # how much so small a model loses differs from machine to machine
    checkpoint = ("--checkpoint", scenes_checkpoint)
    image = load_split("scenes", scenes_root, "test").samples[0].image
    predict = ("predict", image, *checkpoint, "--precision", "int8", "--json", tmp_path / "r.json")
    before = invoke(*predict)
    assert before.exit_code == 2
    assert "cnnrnn quantize SOURCE" in before.stderr
    source = ("--dataset", "scenes", "--root", scenes_root, *checkpoint)
    done = invoke("quantize", *source)
    assert done.exit_code == 0, done.output
    assert "Kept for `--precision int8`, calibrated on 128 images of scenes train" in " ".join(done.stdout.split())
    weights_hash = Checkpoint.load(scenes_checkpoint).weights_hash
    assert len(list((tmp_path / "cache" / "engines").glob(f"{weights_hash[:32]}-*-int8-*"))) == 1
    assert invoke(*predict).exit_code == 0
    assert json.loads((tmp_path / "r.json").read_text())[0]["paths"]
    # What is printed is the loss of the version that is kept.
    figures = [[float(number) for number in re.findall(r"[-+]?\d+\.\d", line)] for line in done.stdout.splitlines()]
    exact, quantized, change = (row for row in figures if len(row) == 4)  # mAP, O-F1, C-F1, exact match
    assert change == pytest.approx([after - before for before, after in zip(exact, quantized, strict=True)], abs=0.11)
    for precision, expected in (("float32", exact), ("int8", quantized)):
        evaluate = ("evaluate", *source, "--split", "val", "--engine", "openvino", "--precision", precision)
        assert invoke(*evaluate, "--json", tmp_path / "e.json").exit_code == 0
        report = json.loads((tmp_path / "e.json").read_text())
        assert [report[key] for key in ("mAP", "OF1", "CF1", "exact_match")] == pytest.approx(expected, abs=0.06)


def test_int8_that_loses_too_much_is_not_kept(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNRNN_CACHE", str(tmp_path))
    monkeypatch.setattr(int8, "run", lambda file: lambda images: torch.zeros(len(images), 256, 2, 2))
    monkeypatch.setattr(quantize, "_print", lambda *reports: None)
    done = invoke("quantize", "--dataset", "scenes", "--root", scenes_root, "--checkpoint", scenes_checkpoint)
    assert done.exit_code == 2
    assert re.search(
        r"int8 loses [\d.]+ points of mAP and [\d.]+ points of O-F1, more than 0.5: it was not kept", done.output
    )
    assert not list((tmp_path / "engines").glob("*-int8-*"))
