"""What is read of runs: finished, begun, half-written, damaged and hostile ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cnnrnn.training import runs
from cnnrnn.training.runs import find_runs, read_progress


def record(epoch: int, mean_ap: float, f1: float = 50.0) -> dict[str, Any]:
    return {"epoch": epoch, "loss": 1.0, "seconds": 2.0, "val_mAP": mean_ap, "val_OF1": f1}


def write_run(folder: Path, history: Any, settings: str = "epochs = 9\nlr = 0.1\n") -> Path:
    for name in ("last", "best"):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text("{}")
    (folder / "last" / "metrics.json").write_text(json.dumps({"history": history}))
    (folder / "run.toml").write_text(settings)
    return folder


def test_a_run_is_read_as_far_as_it_has_come(tmp_path: Path) -> None:
    run = read_progress(write_run(tmp_path / "mine", [record(1, 10), record(2, 30), record(3, 20)]), 5.0)
    assert (run.name, run.written, run.has_best, run.planned, run.problem) == ("mine", 5.0, True, 9, "")
    assert run.settings == {"epochs": 9, "lr": 0.1}
    assert [epoch["val_mAP"] for epoch in run.history] == [10, 30, 20]
    assert run.best == record(2, 30)


def test_a_trained_run_is_read_from_its_checkpoint_where_it_has_no_run_file(trained: tuple[Path, list[dict]]) -> None:
    out, records = trained
    run = read_progress(out, 0.0)
    assert run.problem == ""
    assert run.history == records
    assert (run.settings["backbone"], run.settings["embedding-dim"], run.settings["lr"]) == ("test_byobnet", 32, 3e-3)
    assert run.best is not None
    assert run.best["epoch"] == json.loads((out / "best" / "config.json").read_text())["training"]["epochs_done"]


def test_a_run_that_has_just_begun_has_settings_only(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("epochs = 3")
    run = read_progress(tmp_path, 0.0)
    assert (run.planned, run.history, run.best, run.has_best, run.problem) == (3, [], None, False, "")


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        (b'{"history": [', "last/metrics.json can't be read: "),
        (b"\xff\xfe", "last/metrics.json can't be read: "),
        (b"[" * 100_000, "last/metrics.json can't be read: "),
        (b"[]", "it holds no table"),
        (b'{"history": 3}', "1 of 1 epochs in its history are not readable."),
        (b'{"history": [{"epoch": 1}, 7, {"epoch": NaN}, {"loss": 1}]}', "3 of 4 epochs"),
        (b'{"history": [{"epoch": 1e400}, {"epoch": true}]}', "2 of 2 epochs"),
    ],
)
def test_damaged_metrics_leave_a_sentence(metrics: bytes, problem: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path, [])
    (folder / "last" / "metrics.json").write_bytes(metrics)
    run = read_progress(folder, 0.0)
    assert problem in run.problem
    assert run.problem.endswith(".")
    assert "\n" not in run.problem
    assert run.settings == {"epochs": 9, "lr": 0.1}  # what is readable is


def test_only_finite_numbers_and_short_texts_are_kept(tmp_path: Path) -> None:
    settings = 'epochs = "many"\nname = "' + 1000 * "x" + '"\nlist = [1]\nday = 2026-01-01\nflag = true\n'
    history = [{"epoch": 1, "val_mAP": "<b>", "loss": float("nan"), "more": [1], "big": 10**400}]
    run = read_progress(write_run(tmp_path, history, settings), 0.0)
    assert run.history == [{"epoch": 1}]
    assert run.planned is None
    assert run.settings == {"epochs": "many", "name": 200 * "x", "flag": True}


def test_large_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runs._MAX_BYTES, "metrics.json", 1000)
    folder = write_run(tmp_path, [record(epoch, 1) for epoch in range(100)], "#" * 100_001)
    run = read_progress(folder, 0.0)
    assert "last/metrics.json can't be read: it has more than 1,000 bytes." in run.problem
    assert "run.toml can't be read: it has more than 100,000 bytes." in run.problem
    assert (run.history, run.settings) == ([], {})


def test_runs_are_found_the_newest_first_and_other_things_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("old", "new", "newest")):
        for path in write_run(tmp_path / name, []).rglob("*"):
            os.utime(path, (number, number))
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "x.npy").touch()
    (tmp_path / "run.toml").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert find_runs(tmp_path) == [("newest", 2), ("new", 1), ("old", 0)]
    monkeypatch.setattr(runs, "MAX_RUNS", 2)
    assert [name for name, _ in find_runs(tmp_path)] == ["newest", "new"]
    assert find_runs(tmp_path / "none") == []
