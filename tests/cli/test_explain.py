"""`cnnrnn explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from helpers import run_command
from PIL import Image
from typer.testing import CliRunner

from cnnrnn.cli.main import app
from cnnrnn.data import load_split
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.results import _remove_saved
from cnnrnn.utils.errors import UserError


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


def test_a_folder_has_the_maps_of_one_image(scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path) -> None:
    """Another image's are refused or replaced; those of another path of the same image replace what was there."""
    one, two = [s.image for s in load_split("scenes", scenes_root, "test").samples if len(s.labels) == 2][:2]
    out = tmp_path / "maps"
    out.mkdir()
    (out / "09-mine.png").touch()

    def explain(*arguments: object) -> Result:
        command = ["explain", *arguments, "--out", out, "--checkpoint", scenes_checkpoint, "--device", "cpu"]
        return CliRunner().invoke(app, list(map(str, command)))

    def shown() -> list[str]:
        return sorted(path.name for path in out.glob("*.png"))

    assert explain(one).exit_code == 0
    best = shown()
    refused = explain(two)
    assert refused.exit_code == 2
    assert f"{out} has the maps of {one}; name another folder, or replace them (--overwrite" in refused.stderr
    assert "not written" in refused.stdout  # what was computed is shown all the same
    assert shown() == best
    assert explain(one, "--path", 2).exit_code == 0  # again, with other steps
    saved = json.loads((out / "trace.json").read_text())
    assert shown() == [*saved["files"], "09-mine.png"] != best
    assert explain(two, "--overwrite").exit_code == 0
    saved = json.loads((out / "trace.json").read_text())
    assert saved["image"] == str(two)
    assert shown() == [*saved["files"], "09-mine.png"]


def test_only_what_was_saved_is_removed(tmp_path: Path) -> None:
    """Whatever a trace.json says: it may be a stranger's, or no explanation's at all."""
    (tmp_path / "mine.png").touch()
    folder = tmp_path / "maps"
    folder.mkdir()
    (folder / "notes.txt").touch()
    for text in ('{"files": ["../mine.png", "notes.txt", 3, ".."]}', '{"files": 3}', "[]", "no JSON"):
        (folder / "trace.json").write_text(text)
        with pytest.raises(UserError, match=r"maps has a trace\.json of something else"):
            _remove_saved(folder, "0", overwrite=False)
        _remove_saved(folder, "0", overwrite=True)
        assert (tmp_path / "mine.png").exists()
        assert (folder / "notes.txt").exists()
