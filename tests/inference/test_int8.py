"""The backbone in int8: close to float32, kept once it was made, and refused where it can't be had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.inference import int8
from cnnrnn.inference.config import INT8
from cnnrnn.inference.predictor import Predictor
from cnnrnn.utils.errors import UserError

pytest.importorskip("nncf")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cnnrnn" / "engines"


@pytest.fixture
def paths(scenes_root: Path) -> list[Path]:
    return [sample.image for sample in load_split("scenes", scenes_root, "val").samples[:24]]


def test_a_quantized_backbone_is_close_and_much_of_it_is_int8(
    scenes_checkpoint: Path, cache: Path, paths: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Checkpoint.load(scenes_checkpoint)
    counts: list[int] = []
    file = tmp_path / "new" / "backbone.xml"
    int8.quantize(checkpoint, [*paths, tmp_path / "gone.jpg"], file, counts.append)
    assert sum(counts) == len(paths) + 1
    assert capfd.readouterr().out == ""
    assert 'element_type="i8"' in file.read_text()
    with pytest.raises(UserError, match="cnnrnn quantize SOURCE"):
        Predictor(checkpoint, precision=INT8)
    int8.keep(checkpoint, file)
    predictor = Predictor(Checkpoint.load(scenes_checkpoint), precision=INT8)
    assert predictor.engine == "openvino"
    images = torch.stack([checkpoint.model.backbone.pixels(result.image) for result in predictor(paths[:8])])
    with torch.no_grad():
        expected, found = checkpoint.model.backbone(images), predictor.forward(images)
    assert nn.functional.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.98
    assert not torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))  # it isn't float32


def test_other_weights_have_no_int8_version(
    scenes_checkpoint: Path, cache: Path, paths: list[Path], tmp_path: Path
) -> None:
    checkpoint = Checkpoint.load(scenes_checkpoint)
    int8.quantize(checkpoint, paths, tmp_path / "new" / "backbone.xml")
    int8.keep(checkpoint, tmp_path / "new" / "backbone.xml")
    int8.load(checkpoint)
    checkpoint.weights_hash = "0" * 64
    with pytest.raises(UserError, match="no int8 version"):
        int8.load(checkpoint)


def test_what_int8_needs_is_named(
    loaded: Checkpoint, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="leave --engine onnxruntime away"):
        Predictor(loaded, precision=INT8, engine="onnxruntime")
    with pytest.raises(UserError, match="none of the images can be read"):
        int8.quantize(loaded, [tmp_path / "gone.jpg"], tmp_path / "backbone.xml")
    monkeypatch.setattr(int8.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs openvino and nncf; run `pip install 'cnnrnn\[int8\]'`"):
        int8.quantize(loaded, [], tmp_path / "backbone.xml")
    assert not int8.kept_file(loaded).exists()
