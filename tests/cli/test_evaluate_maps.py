"""`cnnrnn evaluate-maps`, the whole way on rendered scenes, and its options."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cnnrnn.attribution.methods import METHODS
from cnnrnn.checkpoint import Checkpoint, read_results
from cnnrnn.cli.main import app
from cnnrnn.data import Split, load_split
from cnnrnn.evaluation import maps as map_evaluation


def test_the_command_writes_every_metric_and_the_card(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(scenes_checkpoint, tmp_path / "model")
    arguments = ["--checkpoint", folder, "--dataset", "scenes", "--root", scenes_root, "--record"]
    arguments += ["--max-perturbation-images", "4", "--methods", "cam,occlusion", "--json", "-"]
    done = CliRunner().invoke(app, ["evaluate-maps", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    for metrics in report["methods"].values():
        assert {
            "pointing", "pointing_difficult", "pointing_steps", "energy", "deletion", "insertion", "step_shift",
            "mosaic",
            "swap_pointing", "swap_pointing_difficult", "sanity_head", "sanity_all", "seconds_per_image",
        } <= metrics.keys()  # fmt: skip
        assert 0 <= metrics["deletion"] < metrics["insertion"] <= 100
        assert -1 <= metrics["sanity_head"] < 0.9  # of the model itself it would be 1
        assert -1 <= metrics["sanity_all"] < 0.9
    assert set(report["baselines"]["centre"]) == {
        "pointing", "pointing_difficult", "pointing_steps", "pointing_steps_difficult",
    }  # fmt: skip
    assert report["methods"]["cam"]["pointing"] > report["methods"]["cam"]["swap_pointing"]
    assert report["prefix"]["steps"] > 0
    recorded = read_results(folder)["maps"]["scenes test"]
    assert recorded["methods"]["cam"] == report["methods"]["cam"]
    assert "## Attribution maps" in (folder / "README.md").read_text()


def test_without_a_readable_image_the_command_names_the_images(scenes_checkpoint: Path, tmp_path: Path) -> None:
    arguments = ["--checkpoint", scenes_checkpoint, "--dataset", "scenes", "--root", tmp_path, "--methods", "cam"]
    load_split("scenes", tmp_path, "test")  # renders the images
    for image in tmp_path.rglob("*.png"):
        image.write_bytes(b"no image")
    done = CliRunner().invoke(app, ["evaluate-maps", *map(str, arguments)], env={"COLUMNS": "250"})
    assert done.exit_code == 1, done.output
    assert "0 steps, 0 of them difficult; 0.000 s" in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments with which the command evaluates maps, in place of doing it."""
    calls: list[tuple[Any, ...]] = []

    def run(
        checkpoint: Checkpoint, split: Split, methods: Sequence[str], beam: int, images: int, advance: object
    ) -> dict[str, Any]:
        backbone = checkpoint.model.backbone.config
        calls.append((split.name, list(methods), beam, images, backbone.image_size, backbone.output_stride))
        figures = {"pointing": 12.5}
        return {
            "images": 4, "few": images,
            "steps": 3, "steps_difficult": 1, "exact_set": 25.0, "seconds_to_decode": 0.5, "default": "cam",
            "methods": dict.fromkeys(methods, figures), "baselines": {"centre": figures}, "targets": {},
            "prefix": {"steps": 0}, "errors": {},
        }  # fmt: skip

    monkeypatch.setattr(map_evaluation, "evaluate_maps", run)
    return calls


@pytest.fixture(scope="module")
def saved(untrained_spatial: Callable[[Sequence[str]], Checkpoint], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    untrained_spatial(("circle", "star")).save(folder, {}, card="")
    return folder


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["--split", "val"], {0: "scenes val"}),
        (["--methods", "cam, occlusion"], {1: ["cam", "occlusion"]}),
        (["--beam", "3"], {2: 3}),
        (["--max-perturbation-images", "7"], {3: 7}),
        (["--image-size", "96"], {4: 96}),
        (["--output-stride", "8"], {5: 8}),
    ],
)
def test_the_commands_options_reach_the_evaluation(
    options: list[str], expected: dict[int, object], asked: list[tuple[Any, ...]], saved: Path, scenes_root: Path
) -> None:
    arguments = ["--checkpoint", str(saved), "--dataset", "scenes", "--root", str(scenes_root)]
    done = CliRunner().invoke(app, ["evaluate-maps", *arguments, *options])
    assert done.exit_code == 0, done.output
    default: list[Any] = ["scenes test", list(METHODS), 8, 100, 64, asked[0][5]]
    for place, value in expected.items():
        default[place] = value
    assert asked == [tuple(default)]
    if not options:
        assert asked[0][5] == Checkpoint.load(saved).model.backbone.config.output_stride
        assert "12.5" in done.output
        assert "3 steps, 1 of them difficult; exact match 25.0 %; 0.500 s to decode an image." in done.output
        assert "of 4 images they mean little" in " ".join(done.output.split())
        assert "No path had two correct labels." in done.output


@pytest.mark.parametrize("option", ["--image-size", "--output-stride"])
def test_figures_at_another_resolution_are_not_recorded(
    option: str, asked: list[tuple[Any, ...]], saved: Path, scenes_root: Path
) -> None:
    arguments = ["--checkpoint", str(saved), "--dataset", "scenes", "--root", str(scenes_root), "--record"]
    done = CliRunner().invoke(app, ["evaluate-maps", *arguments, option, "32"])
    assert done.exit_code != 0
    assert not asked
    assert not read_results(saved)["maps"]
