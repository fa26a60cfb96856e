"""`cnnrnn explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import run_command
from PIL import Image

from cnnrnn.data import load_split
from cnnrnn.decoding.trace import Trace


@pytest.mark.parametrize("method", ["grad-cam", "integrated-gradients"])
def test_explain_draws_one_overlay_per_step(
    method: str, scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    sample = next(s for s in load_split("scenes", scenes_root, "test").samples if len(s.labels) == 2)
    done = run_command(
        "explain", sample.image, "--out", tmp_path / "maps", "--checkpoint", scenes_checkpoint, "--method", method
    )
    assert done.returncode == 0
    saved = json.loads((tmp_path / "maps" / "trace.json").read_text())
    trace = Trace.from_json(saved)
    names = [*trace.names(trace.paths[0].tokens), "END"]
    assert set(names[:-1]) == sample.labels
    files = sorted(path.name for path in (tmp_path / "maps").glob("*.png"))
    assert files == [f"{step:02d}-{name}.png" for step, name in enumerate(names, start=1)]
    overlays = [Image.open(tmp_path / "maps" / file) for file in files]
    assert all(overlay.size == (64, 64) for overlay in overlays)
    assert overlays[0].tobytes() != overlays[1].tobytes()
