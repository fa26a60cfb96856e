"""Maps evaluated: by maps that are known to be right or wrong, and the whole way on rendered scenes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cnnrnn.checkpoint import Checkpoint, read_results
from cnnrnn.cli import app
from cnnrnn.data import DataError, load_split
from cnnrnn.errors import UserError
from cnnrnn.map_evaluation import DecodedImage, MapEvaluator, deletion_insertion_auc, evaluate_maps, mosaics
from cnnrnn.map_metrics import box_mask
from cnnrnn.prediction import encode

SIZE = (50, 40)
BOXES = {"circle": [(0.0, 0.0, 10.0, 10.0)], "star": [(30.0, 20.0, 50.0, 40.0)], "cross": [(20.0, 0.0, 30.0, 10.0)]}


def decoded(names: tuple[str, ...], **changes: object) -> DecodedImage:
    nothing = torch.zeros(1)
    return replace(DecodedImage(SIZE, nothing, nothing, tuple(range(len(names))), names, BOXES), **changes)  # type: ignore[arg-type]


def evaluated(loaded: Checkpoint, picture: DecodedImage, seen: tuple[str, ...]) -> dict:
    """The report on one picture whose maps light up the boxes of the labels `seen`, one a step."""
    evaluator = MapEvaluator(loaded, "cam")
    maps = np.stack([box_mask(BOXES[name], SIZE).astype(np.float32) for name in seen])
    evaluator.maps = lambda decoded, model=None: maps  # type: ignore[method-assign]
    evaluator.evaluate(picture)
    return evaluator.report()


def test_maps_of_the_right_boxes_have_all_points_and_those_of_others_none(loaded: Checkpoint) -> None:
    names = ("circle", "star", "cross")
    right = evaluated(loaded, decoded(names), names)
    assert right["pointing"] == right["pointing_difficult"] == right["step_shift"] == 100
    assert right["energy"] == pytest.approx(100, abs=2)
    assert right["swap_pointing"] == right["swap_pointing_difficult"] == 0
    turned = evaluated(loaded, decoded(names), ("star", "cross", "circle"))
    assert turned["pointing"] == turned["energy"] == 0
    late = evaluated(loaded, decoded(names), ("circle", "circle", "circle"))
    assert late["pointing"] == pytest.approx(100 / 3)
    assert late["step_shift"] == 0
    assert late["swap_pointing"] == pytest.approx(100 / 3)  # a map that is the same at every step


def test_only_right_steps_count_and_wrong_ones_are_told_apart(loaded: Checkpoint) -> None:
    seen = ("circle", "star")
    known = {name: boxes for name, boxes in BOXES.items() if name != "star"}
    report = evaluated(loaded, decoded(seen, boxes=known), seen)
    assert report["per_label"] == {"circle": 100}
    assert report["step_shift"] is None
    assert (report["false_positives"], report["on_another_label"]) == (1, 0)
    assert evaluated(loaded, decoded(seen, boxes=known), ("circle", "cross"))["on_another_label"] == 100
    nobody_knows = decoded(seen, boxes=known, ignored=frozenset({"star"}))
    assert evaluated(loaded, nobody_knows, seen)["false_positives"] == 0


def test_difficult_is_small_and_not_alone() -> None:
    assert decoded(("circle",)).is_difficult(0)
    assert not decoded(("circle",), boxes={"circle": BOXES["circle"]}).is_difficult(0)
    large = {**BOXES, "circle": [(0.0, 0.0, 50.0, 20.0)]}
    assert not decoded(("circle",), boxes=large).is_difficult(0)


def test_taking_the_right_pixels_away_costs_the_label_and_bringing_them_back_saves_it(
    loaded: Checkpoint, scenes_root: Path
) -> None:
    split = load_split("scenes", scenes_root, "test")
    assert split.boxes is not None
    found = 0
    for sample in split.samples:
        if sample.labels != {"circle"}:
            continue
        picture = Image.open(sample.image)
        image = loaded.model.backbone.preprocess(picture)
        feature_map = encode(loaded.model, image.unsqueeze(0))[0][0]
        circle = loaded.vocabulary.labels.index("circle")
        one = DecodedImage(picture.size, image, feature_map, (circle,), ("circle",), split.boxes(sample))
        on_it = box_mask(one.own_boxes(0), picture.size).astype(np.float32)
        deletion, insertion = deletion_insertion_auc(loaded.rnn, one, 0, on_it)
        late, slow = deletion_insertion_auc(loaded.rnn, one, 0, -on_it)
        found += deletion < late and insertion > slow
        if found == 3:
            return
    pytest.fail("the circle's own pixels were not what made it a circle")


def test_mosaics_have_four_labels_each_in_its_cell(scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "train")
    singles = [(sample, *sample.labels) for sample in split.samples if len(sample.labels) == 1]
    for picture, boxes in mosaics(singles, 5, 64):
        assert picture.size == (64, 64)
        assert sorted(box[0] for box in boxes.values()) == [
            (0, 0, 32, 32), (0, 32, 32, 64), (32, 0, 64, 32), (32, 32, 64, 64),
        ]  # fmt: skip
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 8
    assert list(mosaics(singles[:1], 5, 64)) == []


def test_the_command_writes_every_figure_and_the_card(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    import shutil

    folder = shutil.copytree(scenes_checkpoint, tmp_path / "model")
    arguments = [
        "--checkpoint",
        folder,
        "--dataset",
        "scenes",
        "--root",
        scenes_root,
        "--max-perturbation-images",
        4,
        "--record",
    ]
    done = CliRunner().invoke(
        app, [str(a) for a in ("evaluate-maps", *arguments, "--methods", "cam,occlusion", "--json", "-")]
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    for figures in report["methods"].values():
        assert {
            "pointing", "pointing_difficult", "energy", "deletion", "insertion", "step_shift", "mosaic",
            "swap_pointing", "swap_pointing_difficult", "sanity_head", "sanity_all", "seconds_per_image",
        } <= figures.keys()  # fmt: skip
        assert 0 <= figures["deletion"] < figures["insertion"] <= 100
    assert set(report["baselines"]["centre"]) == {"pointing", "pointing_difficult"}
    assert report["methods"]["cam"]["pointing"] > report["methods"]["cam"]["swap_pointing"]
    recorded = read_results(folder)["maps"]["scenes test"]
    assert recorded["methods"]["cam"] == report["methods"]["cam"]
    assert "Do its maps point at the right thing?" in (folder / "README.md").read_text()


def test_what_can_not_be_judged_is_said(loaded: Checkpoint, scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "test")
    with pytest.raises(DataError, match="where its objects are"):
        evaluate_maps(loaded, replace(split, boxes=None))
    with pytest.raises(UserError, match="tea-leaves"):
        evaluate_maps(loaded, split, ["tea-leaves"])
