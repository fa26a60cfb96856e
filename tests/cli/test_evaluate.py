"""`cnnrnn evaluate`."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from helpers import run_command

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.evaluation.recorded import read_predictions


def test_evaluate_writes_the_metrics(scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path) -> None:
    arguments = ["--checkpoint", scenes_checkpoint, "--dataset", "scenes", "--root", scenes_root]
    done = run_command("evaluate", *arguments, "--json", "-", "--per-image", tmp_path / "images.jsonl")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    wanted = {
        "images", "labels_scored", "mAP", "AP", "OP", "OR", "OF1", "CP", "CR", "CF1", "top3", "exact_match",
        "coverage", "seconds", "mAP_eleven_point", "mAP_area", "MAP@10", "top3_at_most", "above_threshold",
        "hamming_loss", "positives",
    }  # fmt: skip
    assert wanted <= set(report)
    assert report["images"] == 128
    assert report["labels_scored"] == len(report["AP"]) == 6
    assert 90 < report["exact_match"] <= 100
    lines = [json.loads(line) for line in (tmp_path / "images.jsonl").read_text().splitlines()]
    exact = [set(line["truth"]) == set(line["paths"][0]["labels"]) for line in lines]
    assert 100 * sum(exact) / 128 == pytest.approx(report["exact_match"])
    assert set(lines[0]["marginals"]) == set(report["positives"])


def test_a_recorded_evaluation_travels_with_the_checkpoint(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(scenes_checkpoint, folder)
    done = run_command(
        "evaluate", "--checkpoint", folder, "--dataset", "scenes", "--root", scenes_root, "--json", "-", "--record"
    )
    assert done.returncode == 0
    report = json.loads(done.stdout)
    (file,) = folder.glob("predictions-*")
    assert str(scenes_root).encode() not in gzip.decompress(file.read_bytes())
    checkpoint = Checkpoint.load(folder)
    found = read_predictions(file, checkpoint.vocabulary.labels, checkpoint.weights_hash)
    assert found.steps is not None  # the evidence for every label
    assert len(found.steps.label) == found.predictions.best_path.sum()
    for key in ("OF1", "exact_match"):
        assert found.metrics[key] == pytest.approx(report[key])
    assert found.metrics["mAP"] == pytest.approx(report["mAP"], abs=0.1)
    assert found.split.name in json.loads((folder / "metrics.json").read_text())["evaluations"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--precision", "bfloat16"), "those in float32, not in bfloat16"),
        (("--without-recurrence",), "not the model's"),
    ],
)
def test_figures_that_are_not_the_checkpoints_are_not_recorded(
    option: tuple[str, ...], message: str, scenes_checkpoint: Path, scenes_root: Path
) -> None:
    done = run_command(
        *("evaluate", "--checkpoint", scenes_checkpoint, "--dataset", "scenes", "--root", scenes_root, "--record"),
        *option,
    )
    assert done.returncode == 2
    assert message in done.stderr


def test_labels_that_never_occur_are_named_if_they_are_most(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    split = load_split("scenes", scenes_root, "test")
    one, other = Checkpoint.load(scenes_checkpoint).vocabulary.labels[:2]
    rows = [f"{sample.image},{label},test" for sample, label in zip(split.samples, (one, other, one), strict=False)]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["image,labels,split", *rows]), encoding="utf-8")
    done = run_command("evaluate", table, "--checkpoint", scenes_checkpoint)
    assert done.returncode == 0, done.stderr
    assert "warning: 4 of the 6 labels that the checkpoint knows never occur in this split" in done.stdout
    assert "over 2 labels with ≥ 1 positive," in done.stdout
