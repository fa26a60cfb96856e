"""The server around the pages."""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import controls
import image_files
import server
import state


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    """The tests that follow collect all garbage."""
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def page_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for a browser."""
    monkeypatch.setattr(server, "page_sent", threading.Event())
    server.page_sent.set()
    monkeypatch.setattr(server, "_SECONDS_TO_DRAW", 0)


def test_the_first_page_finds_its_model_and_sample_decoded(
    scenes_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "coco").symlink_to(scenes_checkpoint)
    monkeypatch.setattr(state, "CHECKPOINTS", tmp_path)
    server.warm_up()

    def again(*_: object) -> None:
        pytest.fail("computed again")

    monkeypatch.setattr(state, "decode_image", again)
    monkeypatch.setattr(state.Checkpoint, "load", again)
    image = image_files.open_sample(next(iter(image_files.samples())))
    assert state.trace(state.load_checkpoint("coco"), image, controls.BEAM).paths


def test_without_a_model_nothing_is_warmed_up_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "CHECKPOINTS", tmp_path)
    monkeypatch.setenv("CNNRNN_RUNS", str(tmp_path / "runs"))
    server.warm_up()


LATER_START = """
import sys
sys.path.insert(0, sys.argv[1])
import controls, image_files, server, state
server.page_sent.set()
server.warm_up()
checkpoint = state.load_checkpoint("coco")
image = image_files.open_sample(next(iter(image_files.samples())))
path = state.predict(checkpoint, image, controls.BEAM).paths[0]
state.overlays(checkpoint, image, path.tokens, state.MapSettings())
print(*(name for name in ("timm", "torchvision", "torch._dynamo", "openvino") if name in sys.modules))
"""


def test_the_second_start_needs_none_of_the_libraries_that_take_long(tmp_path: Path) -> None:
    pytest.importorskip("openvino")

    def imported() -> list[str]:
        command = [sys.executable, "-c", LATER_START, str(Path(server.__file__).parent)]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    assert "timm" in imported()  # it translates the network for the next
    assert imported() == ["openvino"]


def test_what_the_first_page_does_not_need_waits_until_it_was_sent(
    scenes_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "coco").symlink_to(scenes_checkpoint)
    monkeypatch.setattr(state, "CHECKPOINTS", tmp_path)
    server.page_sent.clear()
    decoded, imported, translated = threading.Event(), [], []
    predict, import_module = state.predict, importlib.import_module

    def note_decoding(*arguments: Any) -> object:
        found = predict(*arguments)
        decoded.set()
        return found

    monkeypatch.setattr(state, "predict", note_decoding)
    monkeypatch.setattr(state, "translate", translated.append)
    monkeypatch.setattr(server.importlib, "import_module", lambda name: (imported.append(name), import_module(name))[1])
    warming = threading.Thread(target=server.warm_up)
    warming.start()
    assert decoded.wait(60)
    warming.join(0.2)
    assert "state" in imported
    assert "captum.attr" not in imported
    server.page_sent.set()
    warming.join(60)
    assert "captum.attr" in imported
    assert [checkpoint.weights_hash for checkpoint in translated] == [state.load_checkpoint("coco").weights_hash]


def test_what_was_imported_is_left_out_of_later_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    collecting = []
    monkeypatch.setattr(server.importlib, "import_module", lambda name: collecting.append(gc.isenabled()))
    server.warm_up()
    assert collecting == [False, False, False]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 100_000  # of numpy, torch, …
