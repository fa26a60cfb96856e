"""The page of training runs: none, one, many, half-written and broken ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dashboard_helpers import Chart
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.training.runs import runs_root

PAGE = "app_pages/runs.py"


@pytest.fixture
def make_run(trained: tuple[Path, list[dict]]) -> Callable[..., Path]:
    """Copies the trained run under another name, with the first `epochs` of its history and other settings."""

    def make(name: str, epochs: int = 14, **settings: str) -> Path:
        folder = runs_root() / name
        shutil.copytree(trained[0], folder)
        lines = {"epochs": "14", "lr": "0.003", "spatial": "true", **settings}
        (folder / "run.toml").write_text("\n".join(f"{key} = {value}" for key, value in lines.items()))
        (folder / "last" / "metrics.json").write_text(json.dumps({"history": trained[1][:epochs]}))
        return folder

    return make


def opened(app: AppTest) -> AppTest:
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    return app


def table(app: AppTest) -> dict[str, dict[str, Any]]:
    frame = next(frame.value for frame in app.dataframe if "best epoch" in frame.value)
    return {row["run"]: row for row in frame.to_dict("records")}


def settings(app: AppTest) -> dict[str, list[str]]:
    frame = next(frame.value for frame in app.dataframe if frame.value.index.name == "setting")
    return {str(key): list(row) for key, row in zip(frame.index, frame.to_numpy(), strict=True)}


def test_without_a_run_the_page_says_where_it_looked(app: AppTest) -> None:
    info = opened(app).info[0].value
    assert "There is no run in" in info
    assert "cnnrnn dashboard --runs DIR" in info


def test_a_run_has_its_curve_its_settings_and_its_best_epoch(
    app: AppTest, make_run: Callable[..., Path], trained: tuple[Path, list[dict]], chart_data: Chart
) -> None:
    make_run("mine", epochs=5)
    page = opened(app)
    history = trained[1][:5]
    best = max(history, key=lambda record: record["val_mAP"] + record["val_OF1"])
    row = table(page)["mine"]
    assert (row["epochs"], row["best epoch"], row["mAP"]) == ("5 of 14", best["epoch"], best["val_mAP"])
    curve, kept = chart_data(page, "runs_curves")
    assert (curve["name"], curve["x"]) == ("mine", [1, 2, 3, 4, 5])
    assert curve["y"] == [record["val_mAP"] for record in history]
    assert (kept["x"], kept["y"]) == ([best["epoch"]], [best["val_mAP"]])
    assert any("highest mean of mAP and O-F1" in caption.value for caption in page.caption)
    page.segmented_control(key="runs_metric").set_value("loss").run()
    assert chart_data(page, "runs_curves")[0]["y"] == [record["loss"] for record in history]
    assert settings(page) == {"epochs": ["14"], "lr": ["0.003"], "spatial": ["True"]}


def test_an_epoch_that_is_finished_meanwhile_appears(
    app: AppTest, make_run: Callable[..., Path], trained: tuple[Path, list[dict]], chart_data: Chart
) -> None:
    folder = make_run("mine", epochs=5)
    page = opened(app)
    (folder / "last" / "metrics.json").write_text(json.dumps({"history": trained[1][:6]}))
    page.run()
    assert len(chart_data(page, "runs_curves")[0]["x"]) == 6
    assert table(page)["mine"]["epochs"] == "6 of 14"


def test_runs_are_compared_by_the_settings_in_which_they_differ(
    app: AppTest, make_run: Callable[..., Path], chart_data: Chart
) -> None:
    make_run("one")
    make_run("third")
    make_run("<b>two<|b>", spatial="false")
    page = opened(app)
    shown = page.multiselect(key="runs").value
    assert sorted(shown) == ["<b>two<|b>", "one", "third"]
    assert settings(page) == {"spatial": ["False" if "two" in name else "True" for name in shown]}
    page.toggle(key="runs_differ").set_value(False).run()
    assert settings(page).keys() == {"epochs", "lr", "spatial"}
    assert {curve["name"] for curve in chart_data(page, "runs_curves")} == {
        "one", "third", "&lt;b&gt;two&lt;|b&gt;", "kept in best"
    }  # fmt: skip
    page.multiselect(key="runs").set_value(["one"]).run()
    assert [curve["name"] for curve in chart_data(page, "runs_curves")] == ["one", "kept in best"]
    page.multiselect(key="runs").set_value([]).run()
    assert not page.exception
    assert any("Choose a run" in caption.value for caption in page.caption)


def test_many_runs_are_listed_and_four_are_drawn(
    app: AppTest, make_run: Callable[..., Path], chart_data: Chart
) -> None:
    for number in range(12):
        make_run(f"run-{number}")
    page = opened(app)
    assert len(table(page)) == 12
    assert len(chart_data(page, "runs_curves")) == 4 + 1  # their best epochs


def test_begun_half_written_and_broken_runs_are_sentences(app: AppTest, make_run: Callable[..., Path]) -> None:
    shutil.rmtree(make_run("begun") / "last")
    shutil.rmtree(runs_root() / "begun" / "best")
    (make_run("half") / "last" / "metrics.json").write_text('{"history": [')
    (make_run("odd") / "last" / "metrics.json").write_text('{"history": [{"epoch": 1, "val_mAP": "x"}]}')
    (make_run("untold") / "run.toml").write_text("= 3")
    page = opened(app)
    remarks = {name: row["remark"] for name, row in table(page).items()}
    assert remarks["begun"] == "No epoch is finished yet."
    assert remarks["half"].startswith("last/metrics.json can't be read: ")
    assert remarks["odd"] == ""
    assert remarks["untold"].startswith("run.toml can't be read: ")
    page.multiselect(key="runs").set_value(["begun", "half", "odd", "untold"]).run()
    assert not page.exception
    page.multiselect(key="runs").set_value(["begun"]).run()
    assert not page.exception
    assert any("No epoch is finished yet" in caption.value for caption in page.caption)


def test_the_best_checkpoint_of_a_run_is_opened_in_decode_without_copying(
    app: AppTest, make_run: Callable[..., Path]
) -> None:
    make_run("mine")
    page = opened(app)
    assert page.sidebar.selectbox(key="checkpoint").options == ["coco", "runs/mine"]
    page.button(key="open_mine").click().run()
    assert not page.exception
    assert page.title[0].value == "Decode"
    assert page.sidebar.selectbox(key="checkpoint").value == "runs/mine"
    assert "6 labels · test\\_byobnet" in page.sidebar.caption[0].value
    assert state.checkpoint_folder("runs/mine") == runs_root() / "mine" / "best"


def test_a_broken_best_checkpoint_is_one_error(app: AppTest, make_run: Callable[..., Path]) -> None:
    (make_run("mine") / "best" / "model.safetensors").write_bytes(b"x")
    page = opened(app)
    page.button(key="open_mine").click().run()
    assert not page.exception
    assert "incomplete or was changed" in page.error[0].value
