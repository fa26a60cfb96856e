"""The page about a checkpoint, on a small one of rendered scenes."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import file_hash
from cnnrnn.evaluation.record import record_evaluation

PAGE = "app_pages/model.py"


def test_figures_settings_and_files_are_the_checkpoints_own(app: AppTest) -> None:
    folder = state.CHECKPOINTS / "voc"
    metrics = json.loads((folder / "metrics.json").read_text())
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert app.selectbox(key="split").options == ["validation"]
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["mAP"] == f"{metrics['val']['mAP']:.1f} %"
    assert shown["exact set"] == f"{metrics['val']['exact_match']:.1f} %"
    tables = [frame.value for frame in app.dataframe]
    labels = next(table for table in tables if "AP, %" in table)
    assert dict(zip(labels["label"], labels["AP, %"], strict=True)) == pytest.approx(metrics["val"]["AP"])
    settings = next(table for table in tables if "setting" in table).set_index("setting")["value"]
    assert settings["embedding_dim"] == "32"
    assert settings["seed"] == "0"
    listed = next(table for table in tables if "SHA-256" in table).set_index("file")["SHA-256"]
    assert listed["model.safetensors"] == file_hash(folder / "model.safetensors")

    record_evaluation(folder, "scenes test", {**metrics["val"], "mAP": 12.3, "command": "cnnrnn evaluate"})
    app.run()
    assert app.selectbox(key="split").options == ["scenes test"]
    assert next(metric.value for metric in app.metric if metric.label == "mAP") == "12.3 %"


def test_a_checkpoint_without_results_says_what_to_do(app: AppTest) -> None:
    (state.CHECKPOINTS / "voc" / "metrics.json").write_text("{}")
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert "cnnrnn evaluate" in app.info[0].value
