"""`cnnrnn evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import run_command


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
