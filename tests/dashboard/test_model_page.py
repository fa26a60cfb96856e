"""The model page, with a small checkpoint of rendered scenes."""

from __future__ import annotations

import json

import pytest
from dashboard_helpers import Chart, Data
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import Checkpoint, file_hash
from cnnrnn.evaluation.record import record_evaluation
from views import training

PAGE = "app_pages/model.py"


def test_metrics_settings_and_files_are_those_of_the_checkpoint(app: AppTest) -> None:
    folder = state.CHECKPOINTS / "coco"
    metrics = json.loads((folder / "metrics.json").read_text())
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert app.selectbox(key="split").options == ["validation"]
    displayed = {metric.label: metric.value for metric in app.metric}
    assert displayed["mAP"] == f"{metrics['val']['mAP']:.1f}%"
    assert displayed["exact match"] == f"{metrics['val']['exact_match']:.1f}%"
    tables = [frame.value for frame in app.dataframe]
    labels = next(table for table in tables if "AP, %" in table)
    assert dict(zip(labels["label"], labels["AP, %"], strict=True)) == pytest.approx(metrics["val"]["AP"])
    settings = next(table for table in tables if "setting" in table).set_index("setting")["value"]
    assert settings["embedding dim"] == "32"
    assert settings["seed"] == "0"
    listed = next(table for table in tables if "SHA-256" in table).set_index("file")["SHA-256"]
    assert listed["model.safetensors"] == file_hash(folder / "model.safetensors")

    record_evaluation(folder, "scenes test", {**metrics["val"], "mAP": 12.3, "command": "cnnrnn evaluate"})
    app.run()
    assert app.selectbox(key="split").options == ["scenes test"]
    assert next(metric.value for metric in app.metric if metric.label == "mAP") == "12.3%"


def test_a_checkpoint_without_metrics_says_how_to_record_them(app: AppTest) -> None:
    (state.CHECKPOINTS / "coco" / "metrics.json").write_text("{}")
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert "cnnrnn evaluate" in app.info[0].value


def test_charts_and_tables_are_those_of_the_recorded_report(app: AppTest, chart_data: Chart, figure_data: Data) -> None:
    folder = state.CHECKPOINTS / "coco"
    results = json.loads((folder / "metrics.json").read_text())
    report, vocabulary = results["val"], Checkpoint.load(folder).vocabulary
    counts = dict(zip(vocabulary.labels, vocabulary.counts, strict=True))
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert chart_data(app, "ap") == figure_data(training.average_precisions(report, counts, False))
    assert chart_data(app, "reliability") == figure_data(training.reliability(report["calibration"], False))
    assert chart_data(app, "curves") == figure_data(training.learning_curves(results["history"], False))
    tables = [frame.value for frame in app.dataframe]
    labels = next(table for table in tables if "AP, %" in table).set_index("label")
    assert labels["training images"].to_dict() == counts
    assert labels["positives in the split"].to_dict() == report["positives"]
    bins = next(table for table in tables if "predicted" in table)
    assert bins.to_dict("records") == report["calibration"]["bins"]
    history = next(table for table in tables if "val_mAP" in table)
    assert history["val_mAP"].tolist() == [record["val_mAP"] for record in results["history"]]


def record_maps(metrics: dict[str, float | None], centre: dict[str, float | None], few: int = 30) -> None:
    """Write the report of an evaluation of the maps to the checkpoint, as `evaluate-maps --record` does."""
    file = state.CHECKPOINTS / "coco" / "metrics.json"
    report = {
        "default": "cam",
        "methods": {"occlusion": {**metrics, "pointing": 11.0}, "cam": metrics},
        "targets": {},
        "baselines": {"centre": centre},
        "prefix": {"steps": 0},
        "images": 40,
        "few": few,
        "steps": 7,
        "steps_difficult": 5,
        "command": "cnnrnn evaluate-maps",
    }
    file.write_text(json.dumps({**json.loads(file.read_text()), "maps": {"older": {}, "scenes test": report}}))


MAP_METRICS = {
    "pointing": 61.0,
    "pointing_difficult": 52.0,
    "swap_pointing_difficult": 43.0,
    "sanity_all": 0.34,
    "energy": 70.0,
}


def test_every_metric_of_the_maps_has_its_value(app: AppTest) -> None:
    record_maps(MAP_METRICS, {"pointing": 31.0, "pointing_difficult": 22.0})
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    displayed = {metric.label: (metric.value, metric.help) for metric in app.metric}
    assert displayed["pointing game"] == ("61.0%", "The image's centre: 31.0%.")
    value, explanation = displayed["pointing game, difficult"]
    assert value == "52.0%"
    assert explanation.endswith("The image's centre: 22.0%.")
    assert displayed["another step's map, difficult"][0] == "43.0%"
    assert displayed["correlation with random weights"][0] == "0.34"
    methods = next(frame.value for frame in app.dataframe if "pointing" in frame.value).set_index("method")
    assert methods["pointing"].to_dict() == {"image centre": 31.0, "occlusion": 11.0, "cam": 61.0}
    text = "7 steps in 40 images of scenes test, 5 of them difficult. Mosaics, deletion, insertion and the random"
    assert any(text in caption.value for caption in app.caption)
    assert displayed["correlation with random weights"][1].endswith("on 30 images.")


def test_what_was_measured_on_few_images_is_not_shown(app: AppTest) -> None:
    record_maps({**MAP_METRICS, "deletion": 73.1}, {"pointing": 31.0, "pointing_difficult": 22.0}, few=1)
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert "correlation with random weights" not in [metric.label for metric in app.metric]
    methods = next(frame.value for frame in app.dataframe if "pointing" in frame.value)
    assert not {"deletion ↓", "all random"} & set(methods)
    assert any("of 1 image they mean little" in caption.value for caption in app.caption)


def test_metrics_of_the_maps_that_were_not_measured_are_said_to_be(app: AppTest) -> None:
    """Without perturbations there is no sanity check, and without difficult steps nothing is measured on them."""
    unmeasured = dict.fromkeys(("pointing_difficult", "swap_pointing_difficult", "sanity_all"))
    record_maps({**MAP_METRICS, **unmeasured}, {"pointing": 31.0, "pointing_difficult": None})
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    displayed = {metric.label: metric.value for metric in app.metric}
    assert displayed["pointing game"] == "61.0%"
    names = ("pointing game, difficult", "another step's map, difficult", "correlation with random weights")
    assert [displayed[name] for name in names] == ["–"] * 3
