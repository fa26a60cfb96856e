from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cnnrnn.evaluation.comparison import compare
from cnnrnn.utils.errors import UserError


def edited(run: Path, copy: Path, seed: int, val_map: float, **settings: object) -> Path:
    """A copy of a run with another seed, result and settings."""
    shutil.copytree(run, copy)
    for part in ("best", "last"):
        config = json.loads((copy / part / "config.json").read_text())
        config["training"]["config"] |= {"seed": seed, **settings}
        if seed:
            del config["model"]["spatial"]  # as if trained before there was the option
        (copy / part / "config.json").write_text(json.dumps(config))
        metrics = json.loads((copy / part / "metrics.json").read_text())
        metrics["val"]["mAP"] = val_map
        metrics["evaluations"] = {"scenes test": metrics["val"]}
        metrics["val"]["mix"] = {"mAP": val_map + 1, "OF1": 50.0}  # as if there were an auxiliary head
        (copy / part / "metrics.json").write_text(json.dumps(metrics))
    return copy


def test_seeds_are_one_row_and_settings_that_differ_are_columns(
    trained: tuple[Path, list[dict]], tmp_path: Path
) -> None:
    run, records = trained
    runs = [
        edited(run, tmp_path / "a", 0, 80.0),
        edited(run, tmp_path / "b", 1, 84.0),
        edited(run, tmp_path / "c", 0, 70.0, lr=0.5),
    ]
    shared, rows = compare(runs)
    assert shared["backbone"] == "test_byobnet"
    assert "lr" not in shared
    assert [row["lr"] for row in rows] == ["0.003", "0.5"]
    assert [row["seeds"] for row in rows] == ["0, 1", "0"]
    assert [row["runs"] for row in rows] == ["a, b", "c"]
    assert [row["val mAP"] for row in rows] == ["82.0 ± 2.8", "70.0"]
    assert rows[0]["val mAP with the auxiliary head"] == "83.0 ± 2.8"
    assert rows[0]["scenes test mAP"] == "82.0 ± 2.8"
    assert rows[0]["seconds"] == f"{sum(record['seconds'] for record in records):.0f}"
    alone = compare([run / "best"])[1][0]  # a checkpoint will do
    assert (alone["runs"], alone["seeds"]) == (run.name, "0")


def test_the_weights_that_a_backbone_started_from_are_a_setting(
    trained: tuple[Path, list[dict]], tmp_path: Path
) -> None:
    runs = [edited(trained[0], tmp_path / name, 0, 80.0) for name in ("none", "imagenet", "coco")]
    for run, start in zip(
        runs[1:], ({"pretrained": True}, {"pretrained": True, "weights": "models/coco"}), strict=True
    ):
        config = json.loads((run / "best" / "config.json").read_text())
        config["training"] |= start
        (run / "best" / "config.json").write_text(json.dumps(config))
    assert {row["weights"] for row in compare(runs)[1]} == {"random", "ImageNet", "models/coco"}


def test_a_folder_without_results_is_named(trained: tuple[Path, list[dict]], tmp_path: Path) -> None:
    shutil.copytree(trained[0] / "best", tmp_path / "bare")
    (tmp_path / "bare" / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match="bare has no record of its training"):
        compare([tmp_path / "bare"])
