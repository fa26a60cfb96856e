"""`cnnrnn calibrate`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from helpers import run_command


def test_calibrate_chooses_a_temperature_of_its_table(
    scenes_checkpoint: Path, scenes_root: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(scenes_checkpoint, tmp_path / "model")
    done = run_command("calibrate", "--checkpoint", folder, "--dataset", "scenes", "--root", scenes_root)
    assert done.returncode == 0, done.stderr
    model = json.loads((tmp_path / "model" / "config.json").read_text())["model"]
    chosen = model["temperature"]
    assert len(model["calibration"]) == 3
    assert f"temperature is now {chosen:g}" in done.stdout
    reports = json.loads((tmp_path / "model" / "metrics.json").read_text())["temperatures"]
    assert {"1", "0.5", "0.25"} < set(reports)
    score = {float(name): (report["OF1"] + report["exact_match"]) / 2 for name, report in reports.items()}
    assert chosen == max(value for value in score if score[value] >= max(score.values()) - 0.3)
    for report in reports.values():
        assert f"{report['exact_match']:.1f}" in done.stdout
