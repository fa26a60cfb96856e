"""Other engines than torch: the same feature map, translated once, and refused when it isn't the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cnnrnn import engines
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.errors import UserError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cnnrnn" / "engines"


@pytest.fixture
def images() -> Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_engine_does_what_torch_does_and_is_translated_once(
    name: str, loaded: Checkpoint, images: Tensor, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.no_grad():
        expected = loaded.model.backbone(images)
    found = engines.load(loaded, name, threads=1)(images)
    torch.testing.assert_close(
        found, expected, rtol=0.05, atol=0.02 * float(expected.abs().max())
    )  # it may use bfloat16
    (kept,) = cache.iterdir()
    assert kept.name.startswith(loaded.weights_hash[:32])

    def not_again(*_: object) -> None:
        raise AssertionError("translated again")

    monkeypatch.setattr(engines, "_translated", not_again)
    torch.testing.assert_close(engines.load(loaded, name)(images), found)


def test_a_translation_that_is_wrong_is_refused_and_not_kept(
    loaded: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(model: nn.Module, file: Path, example: Tensor | None, threads: int | None) -> engines.Forward:
        file.write_text("half")
        return lambda images: -model(images)

    monkeypatch.setitem(engines._ENGINES, "openvino", (("openvino",), ".xml", start))
    with pytest.raises(UserError, match="differs from torch"):
        engines.load(loaded, "openvino")
    assert list(cache.iterdir()) == []


def test_what_is_not_there_says_what_to_do(loaded: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "available", lambda: ["torch"])
    assert engines.load(loaded) is loaded.model.backbone  # the fastest there is
    with pytest.raises(UserError, match=r"cnnrnn\[fast\]"):
        engines.load(loaded, "openvino")
    with pytest.raises(UserError, match="choose one of torch, openvino"):
        engines.load(loaded, "abacus")
