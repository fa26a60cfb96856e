"""What `cnnrnn train` tells at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnrnn.cli.data_source import OWN, DataSource
from cnnrnn.cli.training_run import next_commands, result
from cnnrnn.data import Options


def test_thenext_commands_name_the_data_with_its_options_and_the_runs_where_the_dashboard_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CNNRNN_RUNS", raising=False)
    Path("my table.csv").write_text("photo,tags,split\na.jpg,x|y,train\nb.jpg,x,test\nc.jpg,y,train\nd.jpg,x,train\n")
    for name in "abcd":
        Path(f"{name}.jpg").touch()
    options = Options(encoding="cp1250", separator="|", label_column="tags", val_fraction=0.5)
    shown = next_commands(DataSource(OWN, Path("my table.csv"), options, 0.5), Path("runs/mine"))
    assert shown.splitlines()[1:] == [
        "  cnnrnn evaluate 'my table.csv' --encoding cp1250 --separator '|' --label-column tags --val-fraction 0.5 "
        "--split test --checkpoint runs/mine",
        "  cnnrnn dashboard",
    ]
    monkeypatch.setenv("CNNRNN_RUNS", str(tmp_path))
    data = DataSource("coco2017", Path("coco"), Options(), None)
    evaluate, dashboard = next_commands(data, Path("runs/mine")).splitlines()[1:]
    assert evaluate == "  cnnrnn evaluate --dataset coco2017 --root coco --split val --checkpoint runs/mine"
    assert dashboard == "  cnnrnn dashboard --runs runs"


def test_the_best_epoch_is_the_first_with_the_highest_mean() -> None:
    history = [
        {"epoch": 1, "val_mAP": 50.0, "val_OF1": 60.0, "val_CF1": 1.0, "val_exact_match": 2.0},
        {"epoch": 2, "val_mAP": 52.2, "val_OF1": 73.3, "val_CF1": 3.0, "val_exact_match": 4.0},
        {"epoch": 3, "val_mAP": 73.3, "val_OF1": 52.2, "val_CF1": 9.0, "val_exact_match": 9.0},
    ]
    shown = result(history, Path("runs/mine"))
    assert "The best of 3 epochs, " in shown
    assert "is epoch 2: mAP 52.2, O-F1 73.3, C-F1 3.0, exact match 4.0. " in shown
    assert shown.endswith("It is in runs/mine/best, the last one in runs/mine/last.")


@pytest.mark.parametrize(("of1", "advised"), [(0.0, True), (0.3, False)])
def test_a_model_that_predicts_nothing_rightly_is_to_be_trained_longer(of1: float, advised: bool) -> None:
    figures = {"val_mAP": 40.0, "val_OF1": of1, "val_CF1": of1, "val_exact_match": 0.0}
    assert ("go on with --resume and more --epochs" in result([{"epoch": 1, **figures}], Path("run"))) == advised
