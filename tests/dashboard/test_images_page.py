"""The page of all images of a session."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import image_files
import state
from cnnrnn.data import load_split
from cnnrnn.data.images import MAX_SIDE, open_image
from cnnrnn.inference.predictor import Predictor
from cnnrnn.utils.style import percent

PAGE = "app_pages/images.py"


def test_every_image_has_a_row_with_its_labels_and_one_opens_in_decode(app: AppTest, scenes_root: Path) -> None:
    app.run()
    app.switch_page(PAGE).run()
    assert "Drop images here" in app.info[0].value
    samples = load_split("scenes", scenes_root, "test").samples[:5]
    for number, sample in enumerate(samples):
        app.file_uploader(key="upload_0").upload(f"={number}.png", sample.image.read_bytes())
    app.file_uploader(key="upload_0").upload("notes.txt", b"no image").run()
    assert not app.exception
    assert "notes.txt" in app.error[0].value.replace("\\", "")
    table = app.dataframe[0].value
    assert table["name"].tolist() == ["=0.png", "=1.png", "=2.png", "=3.png", "=4.png"]
    predictor = Predictor(state.CHECKPOINTS / "coco")
    for row, sample in zip(table.to_dict("records"), samples, strict=True):
        expected = predictor(open_image(sample.image, MAX_SIDE))
        assert row["labels"] == (", ".join(expected.labels) or "no label")
        assert row["probability"] == pytest.approx(100 * expected.paths[0].probability, abs=1e-2)
        best, probability = next(iter(expected.probabilities.items()))
        assert row["most probable"].startswith(f"{best} {percent(probability)}")
        assert row["image"].startswith("data:image/jpeg;base64,")

    app.session_state["images_table"] = {"selection": {"rows": [1], "columns": []}}  # a click on a row
    app.run()
    next(button for button in app.button if button.label.startswith("Open")).click().run()
    assert not app.exception
    assert app.title[0].value == "Decode"
    assert app.session_state.last_image.name == "=1.png"


def test_the_samples_are_tried_where_there_is_no_image(app: AppTest) -> None:
    app.run()
    app.switch_page(PAGE).run()
    next(button for button in app.button if button.label == "Try the 10 samples").click().run()
    assert not app.exception
    assert app.dataframe[0].value["name"].tolist() == list(image_files.samples())


def test_what_could_not_be_opened_is_said_on_its_page_until_it_is_dismissed(app: AppTest) -> None:
    app.run()
    app.switch_page(PAGE).run()
    app.file_uploader(key="upload_0").upload("notes.txt", b"no image").run()
    assert app.error
    app.switch_page("app_pages/what_if.py").run()
    assert not app.error
    assert app.session_state.last_image.name == next(iter(image_files.samples()))  # nothing else could be opened
    app.file_uploader(key="upload_1").upload("notes.txt", b"no image").run()
    assert app.error
    app.button(key="dismiss_errors").click().run()
    assert not app.exception
    assert not app.error
    assert app.session_state.last_image is not None


def test_downloads_have_every_image_and_no_formulas(
    app: AppTest, scenes_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {}

    def download(label: str, make: object, name: str, *rest: object, **settings: object) -> None:
        files[name] = make()  # type: ignore[operator]

    app.run()
    app.switch_page(PAGE).run()
    monkeypatch.setattr("streamlit.download_button", download)
    sample = load_split("scenes", scenes_root, "test").samples[0]
    app.file_uploader(key="upload_0").upload("=cmd().png", sample.image.read_bytes()).run()
    assert not app.exception
    content = json.loads(files["labels.json"])
    assert content["checkpoint"] == "coco"
    assert [entry["image"] for entry in content["images"]] == ["=cmd().png"]
    assert content["images"][0]["paths"]
    (tmp := Path(state.CHECKPOINTS / "labels.csv")).write_text(files["labels.csv"])
    row = pd.read_csv(tmp).to_dict("records")[0]
    assert row["name"] == "'=cmd().png"
    assert row["labels"] == (", ".join(content["images"][0]["labels"]) or "no label")
