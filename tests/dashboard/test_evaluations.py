"""The evaluations that a checkpoint has of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import evaluations
from cnnrnn.checkpoint import METRICS
from cnnrnn.evaluation.recorded import predictions_file
from cnnrnn.utils.files import json_text


def test_those_of_a_runs_checkpoint_are_found_in_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNRNN_RUNS", str(tmp_path))
    best = tmp_path / "mine" / "best"
    best.mkdir(parents=True)
    (best / METRICS).write_text(json_text({"evaluations": {"table val": {}, "table test": {}}}))
    predictions_file(best, "table test").touch()
    assert evaluations.recorded_splits("runs/mine") == ["table test"]
