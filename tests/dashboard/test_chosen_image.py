"""Which image the pages show: uploads, samples, those of a data set, and links to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from dashboard_helpers import Chart, Data, texts
from PIL import Image
from streamlit.testing.v1 import AppTest

import image_files
import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Sample, load_split
from views import bars


def test_one_of_several_uploads_can_be_chosen(app: AppTest, scenes_root: Path) -> None:
    app.run()
    samples = load_split("scenes", scenes_root, "test").samples[:3]
    uploader = app.file_uploader(key="upload_0")
    for number, sample in enumerate(samples):
        uploader.upload(f"{number}.png", sample.image.read_bytes())
    uploader.run()
    assert not app.exception
    assert app.session_state.last_image.name == "0.png"
    tray_buttons = [button for button in app.button if (button.key or "").startswith("tray_")]
    assert [button.label.replace("\\", "") for button in tray_buttons] == ["0.png", "1.png", "2.png"]
    tray_buttons[2].click().run()
    assert not app.exception
    assert app.session_state.last_image.name == "2.png"
    app.button(key="previous_image").click().run()
    assert app.session_state.last_image.name == "1.png"
    app.file_uploader(key="upload_1").upload("3.png", b"%PDF-1.7").run()
    assert "3.png" in app.error[0].value.replace("\\", "")  # and no other image's labels stand below
    assert "search coverage" not in texts(app)
    app.button(key=tray_buttons[0].key).click().run()
    assert app.session_state.last_image.name == "0.png"
    app.button(key="remove_image").click().run()
    assert app.session_state.last_image.name == "1.png"
    for _ in range(2):
        app.button(key="remove_image").click().run()
    assert not app.exception
    assert app.session_state.sample == next(iter(image_files.samples()))  # the tray is empty


def test_a_long_name_is_shortened_in_the_sidebar(app: AppTest, scene: Sample) -> None:
    app.run()
    name = f"IMG_20240713_holiday_{'by_the_sea_' * 8}copy.jpg"
    app.file_uploader(key="upload_0").upload(name, scene.image.read_bytes()).run()
    (button,) = [button for button in app.button if (button.key or "").startswith("tray_")]
    label = button.label.replace("\\", "")
    assert len(label) <= 34
    assert (label[:12], label[-8:]) == ("IMG_20240713", "copy.jpg")
    assert button.help.replace("\\", "") == name


def test_images_path_and_maps_survive_a_visit_to_another_page(app: AppTest, scene: Sample) -> None:
    app.run()
    app.file_uploader(key="upload_0").upload("scene.png", scene.image.read_bytes()).run()
    app.selectbox(key="path").set_value(1).run()
    app.button(key="step_1").click().run()
    app.selectbox(key="colormap").set_value("cividis").run()
    app.switch_page("app_pages/model.py").run()
    assert [button.label for button in app.button if (button.key or "").startswith("tray_")] == ["scene\\.png"]
    app.switch_page("app_pages/decode.py").run()
    assert not app.exception
    assert app.session_state.last_image.name == "scene.png"
    assert (app.selectbox(key="path").value, app.session_state.step) == (1, 1)
    assert app.selectbox(key="colormap").value == "cividis"


def test_a_link_to_an_image_of_ones_own_says_that_it_is_lost(app: AppTest, scene: Sample) -> None:
    app.run()
    app.file_uploader(key="upload_0").upload("scene.png", scene.image.read_bytes()).run()
    assert "own" in app.query_params["image"]
    assert "sample" not in app.query_params
    visitor = AppTest.from_file(str(state.HERE / "app.py"), default_timeout=60)
    visitor.query_params["image"] = "own"
    visitor.query_params["path"] = "1"
    visitor.run()
    assert not visitor.exception
    assert "no link can carry it" in visitor.info[0].value
    assert visitor.selectbox(key="path").value == 0
    visitor.button(key="sample_1").click().run()
    assert not visitor.info
    assert "image" not in visitor.query_params


def test_ground_truth_that_the_model_does_not_have_is_named_as_such(
    app: AppTest, untrained_spatial: Callable[..., Checkpoint]
) -> None:
    untrained_spatial(["cat", "bi rd", "sofa"]).save(state.CHECKPOINTS / "coco", {}, card="")
    app.run()
    assert not app.exception
    assert image_files.open_sample(next(iter(image_files.samples()))).truth == ("bird", "bowl", "cat")
    assert "ground truth **bird, cat** (not labels of this model: bowl)" in texts(app)


def test_a_link_to_a_sample_that_is_not_here_says_so(app: AppTest) -> None:
    app.query_params["sample"] = "zz*z"
    app.run()
    assert not app.exception
    assert "the sample zz\\*z, which is not here" in app.info[0].value
    assert "sample" not in app.query_params
    app.button(key="sample_1").click().run()
    assert not app.info


def test_the_thumbnail_of_a_tall_image_fits_into_a_square(
    app: AppTest, encoded: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    widths, draw = {}, st.image

    def drawn(*image: Any, **named: Any) -> Any:
        widths[named["alt"]] = named["width"]
        return draw(*image, **named)

    monkeypatch.setattr(st, "image", drawn)
    app.run()
    app.file_uploader(key="upload_0").upload("tall.png", encoded("PNG", Image.new("RGB", (40, 240))))
    app.file_uploader(key="upload_0").upload("wide.png", encoded("PNG", Image.new("RGB", (240, 40)))).run()
    assert not app.exception
    assert (widths["Thumbnail of tall.png"], widths["Thumbnail of wide.png"]) == (round(52 * 40 / 240), 52)


def test_a_data_set_image_has_its_ground_truth(
    app: AppTest, scenes_root: Path, monkeypatch: pytest.MonkeyPatch, chart_data: Chart, figure_data: Data
) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    app.run()
    app.selectbox(key="browse_dataset").set_value("scenes")
    app.number_input(key="data_number").set_value(3)
    app.button(key="data_show").click().run()
    assert not app.exception
    labels = load_split("scenes", scenes_root, "val").samples[2].labels
    assert f"ground truth **{', '.join(sorted(labels))}**" in texts(app)
    image = app.session_state.last_image
    trace = state.trace(Checkpoint.load(state.CHECKPOINTS / "coco"), image, 8)
    for path in trace.paths[:3]:
        app.selectbox(key="path").set_value(trace.paths.index(path)).run()
        for name in trace.names(path.tokens):
            look = "green-badge[:material/check: " if name in labels else "red-badge[:material/close: "
            assert f"{look}{name}]" in texts(app)
        assert chart_data(app, "probabilities") == figure_data(
            bars.label_probabilities(trace, path, False, truth=sorted(labels))
        )
    app.selectbox(key="browse_dataset").set_value("voc2007")  # not there
    app.button(key="data_show").click().run()
    assert not app.exception
    assert len(app.error) == 1
