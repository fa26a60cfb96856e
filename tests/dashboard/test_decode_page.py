"""The decode page without a browser: paths, links, and messages where something is missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import numpy as np
import pytest
from dashboard_helpers import badges, texts
from streamlit.testing.v1 import AppTest

import image_files
import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Sample
from cnnrnn.data.images import MAX_SIDE, open_image
from cnnrnn.inference.predictor import decode_image, encode_image
from cnnrnn.utils.style import percent

COLUMNS = ("path", "is", "step", "this choice", "prefix", "log-probability", "why")  # of the tree's table


def test_a_first_visit_shows_a_decoded_sample(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert app.session_state.sample == next(iter(image_files.samples()))
    assert "search coverage" in texts(app)
    assert not app.dataframe
    app.session_state["tree_table"] = app.session_state["steps_table"] = True  # opened
    app.run()
    branches, steps = (frame.value for frame in app.dataframe)
    assert branches.columns.tolist() == list(COLUMNS)
    assert steps.columns[0] == "probability"
    first = branches["path"][0]  # the most probable prefix has one label
    assert steps.loc[first, f"1: {first}"] == pytest.approx(branches["this choice"][0])


def test_an_upload_is_decoded_and_another_path_can_be_chosen(app: AppTest, scene: Sample) -> None:
    app.run()
    app.file_uploader(key="upload_0").upload("scene.png", scene.image.read_bytes())
    app.run()
    assert not app.exception
    assert app.session_state.sample is None
    assert {f":orange-badge[{label}]" for label in scene.labels} <= set(badges(app))
    # Of several elements, those of an image with more labels would stay until the page is complete.
    assert sum("-badge[" in block.value for block in app.markdown) == 1

    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    image = open_image(scene.image, MAX_SIDE)
    trace = decode_image(checkpoint, encode_image(checkpoint, image)[1], beam=8)
    app.selectbox(key="path").set_value(1).run()
    assert not app.exception
    for step, name in enumerate([*trace.names(trace.paths[1].tokens), "END"], start=1):
        assert f"**{step} · {name}**" in texts(app)

    app.slider(key="beam").set_value(2).run()
    assert app.selectbox(key="path").value == 0  # a new search starts at its best path
    assert len(app.selectbox(key="path").options) == 2
    assert "The 2 most probable sequences found" in texts(app)
    app.slider(key="beam").set_value(1).run()
    assert "The only sequence found" in texts(app)


def test_labels_above_the_threshold_that_the_path_lacks_are_named(app: AppTest) -> None:
    metrics = state.CHECKPOINTS / "coco" / "metrics.json"
    recorded = json.loads(metrics.read_text())
    app.run()
    image = image_files.open_sample(next(iter(image_files.samples())))
    trace = state.trace(Checkpoint.load(state.CHECKPOINTS / "coco"), image, 8)
    ranked = np.argsort(-trace.probabilities)
    for path, count in ((trace.paths[0], 1), (trace.paths[1], 2)):
        lacking = [label for label in ranked if label not in path.tokens]
        recorded["val"]["best_threshold"] = threshold = float(trace.probabilities[lacking[count - 1]])
        metrics.write_text(json.dumps(recorded))
        app.selectbox(key="path").set_value(trace.paths.index(path)).run()
        assert not app.exception
        others = [label for label in ranked if trace.probabilities[label] >= threshold and label not in path.tokens]
        assert others
        named = ", ".join(f"{trace.labels[label]} {percent(trace.probabilities[label])}" for label in others)
        assert f"also probable **{named}**" in texts(app).replace("\\", "")
    recorded["val"]["best_threshold"] = 1.0
    metrics.write_text(json.dumps(recorded))
    app.run()
    assert "also probable" not in texts(app)


def test_a_link_reopens_a_path_and_a_step(app: AppTest) -> None:
    app.query_params["path"] = "1"
    app.query_params["step"] = "1"
    app.run()
    assert not app.exception
    assert app.selectbox(key="path").value == 1
    assert app.session_state.step == 1
    assert "step" not in app.query_params  # a page opens with the first step's map
    app.button(key="step_0").click().run()
    assert app.query_params["step"] == "0"
    app.query_params["path"] = "99; drop"
    app.run()
    assert not app.exception


def test_buttons_change_the_step_and_a_map_can_be_subtracted(app: AppTest) -> None:
    app.run()
    last = len([button for button in app.button if (button.key or "").startswith("step_")]) - 1
    assert app.session_state.step == 1
    for expected in [*range(2, last + 1), last]:
        app.button(key="Right_step").click().run()
        assert app.session_state.step == expected
    subtract = app.selectbox(key=f"subtract_{last}")
    assert len(subtract.options) == last  # every other step, or none
    subtract.set_value(1).run()
    assert not app.exception


def test_the_caption_describes_the_chosen_maps(app: AppTest) -> None:
    app.run()
    for method, name in (
        ("occlusion", "occlusion"),
        ("smoothgrad", "SmoothGrad"),
        ("integrated-gradients", "integrated gradients"),
    ):
        app.selectbox(key="method").set_value(method).run()
        assert not app.exception
        assert f"The maps \\({name}\\) show evidence for" in texts(app)
    app.selectbox(key="target").set_value("contrast").run()
    rival = app.selectbox(key="rival").options[2]
    app.selectbox(key="rival").set_value(app.selectbox(key="rival").options[2]).run()
    assert not app.exception
    assert f"and against {rival}" in texts(app)


def test_a_contrast_is_with_the_most_probable_label_that_the_path_lacks(app: AppTest) -> None:
    app.run()
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    image = image_files.open_sample(next(iter(image_files.samples())))
    trace = state.trace(checkpoint, image, 8)
    path = trace.paths[0]
    app.selectbox(key="target").set_value("contrast").run()
    others = [label for label in np.argsort(-trace.probabilities) if label not in path.tokens]
    assert app.session_state.rival == trace.labels[others[0]]
    maps = state.explanation(checkpoint, image, path.tokens, state.MapSettings(target=int(others[0]))).smoothed
    assert (maps.abs().amax(dim=(1, 2)) > 0).all()  # none is blank
    assert "There is none from step" not in texts(app)
    app.selectbox(key="rival").set_value(trace.labels[path.tokens[0]]).run()
    assert "There is none from step 1 on, where it is the choice or was emitted before" in texts(app)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("notes.jpg", lambda encoded: b"not an image", "not an image we can read"),
        ("cut.jpg", lambda encoded: encoded("JPEG")[:300], "damaged or cut off"),
    ],
)
def test_a_bad_upload_is_one_error_message(
    name: str, make: Callable[..., bytes], message: str, app: AppTest, encoded: Callable[..., bytes]
) -> None:
    app.run()
    app.file_uploader(key="upload_0").upload(name, make(encoded))
    app.run()
    assert not app.exception
    assert [error.value for error in app.error] != []
    assert message in app.error[0].value
    assert not app.metric


def test_a_broken_checkpoint_is_one_error_message(app: AppTest) -> None:
    weights = state.CHECKPOINTS / "coco" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    app.run()
    assert not app.exception
    assert "incomplete or was changed" in app.error[0].value


def test_without_a_checkpoint_the_page_says_how_to_train_one(app: AppTest) -> None:
    shutil.rmtree(state.CHECKPOINTS / "coco")
    app.run()
    assert not app.exception
    assert "cnnrnn train" in texts(app)
