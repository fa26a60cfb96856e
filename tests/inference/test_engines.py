"""Other engines than torch: the same feature map, translated once, and refused when it isn't the same."""

from __future__ import annotations

import functools
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cnnrnn.checkpoint import Checkpoint, CheckpointError
from cnnrnn.inference import engines
from cnnrnn.inference.predictor import encode
from cnnrnn.models.backbone import Backbone
from cnnrnn.models.deferred import DeferredBackbone
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.resources import embedded_checkpoint


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cnnrnn" / "engines"


@pytest.fixture
def images() -> Tensor:
    return torch.randint(256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def processor_can() -> list[str]:
    openvino = pytest.importorskip("openvino")
    return openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_compiled_layers_equal_eager_ones(loaded: Checkpoint, images: Tensor) -> None:
    with torch.no_grad():
        expected = loaded.model.backbone(images)
        torch._dynamo.utils.counters.clear()
        forward = engines.load(loaded, "compile")
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1  # compiled before it is asked
        for batch in (3, 2):  # a folder's last batch is smaller
            torch.testing.assert_close(forward(images[:batch]), expected[:batch], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_bfloat16_feature_maps_are_close_and_returned_as_float32(
    name: str, loaded: Checkpoint, images: Tensor, cache: Path
) -> None:
    with torch.no_grad():
        expected = loaded.model.backbone(images)
        loaded.model.backbone.compute_in("bfloat16")
        found = engines.load(loaded, name)(images)
    assert found.dtype == torch.float32
    assert nn.functional.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.999
    computes_in_bfloat16 = name == "torch" or "BF16" in processor_can()  # OpenVINO may take float32 instead
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())) != computes_in_bfloat16


def test_onnxruntime_refuses_bfloat16(loaded: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded.model.backbone.compute_in("bfloat16")
    with pytest.raises(UserError, match="take --engine openvino"):
        engines.load(loaded, "onnxruntime")
    monkeypatch.setattr(engines, "available", lambda: ["onnxruntime", "torch"])
    assert engines.fastest(loaded.model.backbone) == "torch"


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_engine_equals_torch_and_is_translated_once(
    name: str, loaded: Checkpoint, images: Tensor, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.no_grad():
        expected = loaded.model.backbone(images)
    found = engines.load(loaded, name, threads=1)(images)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    with pytest.raises(ValueError, match=r"takes uint8 pixels, as `Backbone.pixels` gives, not torch.float32"):
        engines.load(loaded, name)(loaded.model.backbone.normalized(images))
    (kept,) = cache.iterdir()
    assert kept.name.startswith(loaded.weights_hash[:32])

    def not_again(*_: object) -> None:
        raise AssertionError("translated again")

    monkeypatch.setattr(engines, "translate", not_again)
    forward = engines.load(loaded, name)
    torch.testing.assert_close(forward(images), found)
    torch.testing.assert_close(torch.cat([forward(image) for image in images.split(1)]), found)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_an_engine_computes_for_several_threads_at_the_same_time(engine: str, loaded: Checkpoint, cache: Path) -> None:
    """Each has the feature map of its own images, single ones or a batch."""
    forward = engines.load(loaded, engine)
    images = torch.randint(256, (12, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    expected = torch.cat([forward(image) for image in images.split(1)])
    parts = [*images[:8].split(1), images[8:]] * 5
    with ThreadPoolExecutor(4) as threads:
        found = torch.cat(list(threads.map(forward, parts)))
    torch.testing.assert_close(found, expected.repeat(5, 1, 1, 1))


def test_where_a_translation_is_kept_the_network_is_built_when_it_is_needed(tmp_path: Path, cache: Path) -> None:
    shipped = embedded_checkpoint()
    usual, pixels = Checkpoint.load(shipped), torch.randint(256, (1, 3, 448, 448), dtype=torch.uint8)
    first = engines.load_checkpoint(shipped)
    assert type(first.model.backbone) is Backbone
    assert engines.fastest_kept(first) == "torch"
    file = engines.translated(first, "openvino")
    later = engines.load_checkpoint(shipped)
    assert engines.fastest_kept(later) == "openvino"
    assert encode(later.model, pixels, engines.load(later))[1].shape == (1, 196, later.rnn.U_I.in_features)
    backbone = later.model.backbone
    assert isinstance(backbone, DeferredBackbone)
    assert backbone._waiting
    with torch.no_grad():
        assert torch.equal(backbone(pixels), usual.model.backbone(pixels))
    assert not backbone._waiting
    for name, tensor in usual.model.state_dict().items():
        assert torch.equal(later.model.state_dict()[name], tensor), name

    assert type(engines.load_checkpoint(shipped, name="torch").model.backbone) is Backbone
    changed = Path(shutil.copytree(shipped, tmp_path / "changed"))  # the same weights on other pixels
    config = json.loads((changed / "config.json").read_text())
    config["backbone"]["mean"] = [0.4, 0.4, 0.4]
    (changed / "config.json").write_text(json.dumps(config))
    assert type(engines.load_checkpoint(changed).model.backbone) is Backbone
    assert engines.translated(engines.load_checkpoint(changed), "openvino") != file


def test_a_deferred_network_hides_no_head_that_does_not_fit(tmp_path: Path) -> None:
    changed = Path(shutil.copytree(embedded_checkpoint(), tmp_path / "changed"))
    config = json.loads((changed / "config.json").read_text())
    config["model"]["hidden_dim"] = 10**7
    (changed / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"U_o\.weight is"):
        Checkpoint.load(changed, defer=lambda *_: True)


def test_processes_beside_each_other_are_not_bound_to_the_same_cores(
    loaded: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = engines.translated(loaded, "openvino")
    core, compiled = engines.openvino_core(), []

    class Core:
        def compile_model(self, *args: object) -> Any:
            compiled.append(core.compile_model(*args))
            return compiled[-1]

    monkeypatch.setattr(engines, "openvino_core", Core)
    engines.run_openvino(file, torch.float32, threads=1)
    (model,) = compiled
    assert model.get_property("INFERENCE_NUM_THREADS") == 1
    assert not model.get_property("ENABLE_CPU_PINNING")


def test_a_wrong_translation_is_refused_and_not_cached(
    loaded: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(backbone: Backbone, file: Path, example: Tensor | None, threads: int | None) -> engines.Forward:
        file.write_text("half")
        return lambda images: -backbone(images)

    monkeypatch.setitem(engines.TRANSLATED_ENGINES, "openvino", (("openvino",), ".xml", start))
    with pytest.raises(UserError, match="differs from torch"):
        engines.load(loaded, "openvino")
    assert list(cache.iterdir()) == []


def test_unknown_and_missing_engines_are_refused(loaded: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "available", lambda: ["torch"])
    assert engines.load(loaded) is loaded.model.backbone  # the fastest there is
    with pytest.raises(UserError, match=r"cnnrnn\[fast\]"):
        engines.load(loaded, "openvino")
    with pytest.raises(UserError, match="choose one of torch, compile, openvino"):
        engines.load(loaded, "abacus")


def test_openvino_reads_its_first_tensor_in_one_thread_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time have waited for each other forever."""
    openvino = pytest.importorskip("openvino")
    engines.openvino_core()
    monkeypatch.setattr(engines, "_core", functools.cache(engines._core.__wrapped__))  # as in a new process
    reads = []

    class Tensor:
        def __init__(self, *_: object) -> None: ...

        @property
        def data(self) -> None:
            reads.append("begun")
            time.sleep(0.05)  # while others ask
            reads.append("done")

    monkeypatch.setattr(openvino, "Tensor", Tensor)
    with ThreadPoolExecutor(8) as pool:
        cores = list(pool.map(lambda _: engines.openvino_core(), range(8)))
    assert reads == ["begun", "done"]
    assert len({id(core) for core in cores}) == 1
