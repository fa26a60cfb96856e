"""The page's logic, without a browser, on a small checkpoint of rendered scenes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Sample, load_split
from cnnrnn.data.images import open_image
from cnnrnn.inference.predictor import decode_image, encode_image


@pytest.fixture
def scene(scenes_root: Path) -> Sample:
    return next(s for s in load_split("scenes", scenes_root, "test").samples if len(s.labels) == 2)


def texts(app: AppTest) -> str:
    return "\n".join(str(block.value) for block in [*app.markdown, *app.caption, *app.error, *app.info])


def test_a_sample_is_decoded_at_the_first_visit(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert app.pills(key="sample").value == state.sample_names()[0]
    assert [metric.label for metric in app.metric] == ["Probability of this path", "Search coverage"]
    assert not app.dataframe
    app.session_state["tree_table"] = app.session_state["steps_table"] = True  # opened
    app.run()
    tree, steps = (frame.value for frame in app.dataframe)
    assert {"path", "is", "why"} <= set(tree.columns)
    assert steps.columns[0] == "emitted at all"
    assert steps["1: " + tree["path"][0].split(" → ")[0]].max() <= 100


def test_an_upload_is_decoded_and_another_path_changes_everything(app: AppTest, scene: Sample) -> None:
    app.run()
    app.file_uploader(key="upload").upload("scene.png", scene.image.read_bytes())
    app.run()
    assert not app.exception
    assert app.pills(key="sample").value is None
    for label in scene.labels:
        assert f"orange-badge[{label}]" in texts(app)

    checkpoint = Checkpoint.load(state.CHECKPOINTS / "voc")
    image = open_image(scene.image, state.MAX_SIDE)
    trace = decode_image(checkpoint, encode_image(checkpoint, image)[1], beam=8)
    app.selectbox(key="path").set_value(1).run()
    assert not app.exception
    for step, name in enumerate([*trace.names(trace.paths[1].tokens), "END"], start=1):
        assert f"**{step} · {name}**" in texts(app)

    app.slider(key="beam").set_value(2).run()
    assert app.selectbox(key="path").value == 0  # a new search starts at its best path
    assert len(app.selectbox(key="path").options) == 2


def test_a_link_opens_a_path_at_a_step(app: AppTest) -> None:
    app.query_params["path"] = "1"
    app.query_params["step"] = "1"
    app.run()
    assert not app.exception
    assert app.selectbox(key="path").value == 1
    assert app.segmented_control(key="step").value == 1
    app.segmented_control(key="step").set_value(0).run()
    assert "step" not in app.query_params
    app.query_params["path"] = "99; drop"
    app.run()
    assert not app.exception


def test_the_arrows_go_from_step_to_step_and_a_map_can_be_taken_off_another(app: AppTest) -> None:
    app.run()
    last = len(app.segmented_control(key="step").options) - 1
    for expected in [*range(1, last + 1), last]:
        next(button for button in app.button if button.label == "Next step").click().run()
        assert app.segmented_control(key="step").value == expected
    less = app.selectbox(key=f"less_{last}")
    assert len(less.options) == last  # every other step, or none
    less.set_value(1).run()
    assert not app.exception


def test_the_maps_explain_what_is_asked_for(app: AppTest) -> None:
    app.run()
    for method in ("occlusion", "smoothgrad", "integrated-gradients"):
        app.selectbox(key="method").set_value(method).run()
        assert not app.exception
        assert f"Maps ({method}) show what speaks" in texts(app)
    app.selectbox(key="target").set_value("contrast").run()
    rival = app.selectbox(key="rival").options[2]
    app.selectbox(key="rival").set_value(2).run()
    assert not app.exception
    assert f"and not for {rival}" in texts(app)


def test_one_of_several_uploads_is_chosen(app: AppTest, scenes_root: Path) -> None:
    app.run()
    samples = load_split("scenes", scenes_root, "test").samples[:3]
    uploader = app.file_uploader(key="upload")
    for number, sample in enumerate(samples):
        uploader.upload(f"{number}.png", sample.image.read_bytes())
    uploader.run()
    assert not app.exception
    assert app.session_state.last_image.name == "2.png"  # the newest
    app.selectbox(key="which").set_value(0).run()
    assert not app.exception
    assert app.session_state.last_image.name == "0.png"


def test_a_image_of_a_data_set_brings_its_truth(
    app: AppTest, scenes_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    app.run()
    app.selectbox(key="shown_dataset").set_value("scenes")
    app.number_input(key="data_number").set_value(3)
    app.button(key="data_show").click().run()
    assert not app.exception
    labels = load_split("scenes", scenes_root, "val").samples[2].labels
    assert f"Truth: **{', '.join(sorted(labels))}**" in texts(app)
    app.selectbox(key="shown_dataset").set_value("voc2007")  # not there
    app.button(key="data_show").click().run()
    assert not app.exception
    assert len(app.error) == 1


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("notes.jpg", lambda encoded: b"not an image", "not an image we can read"),
        ("cut.jpg", lambda encoded: encoded("JPEG")[:300], "damaged or cut off"),
    ],
)
def test_a_bad_upload_is_one_line_on_the_page(
    name: str, make: Callable[..., bytes], message: str, app: AppTest, encoded: Callable[..., bytes]
) -> None:
    app.run()
    app.file_uploader(key="upload").upload(name, make(encoded))
    app.run()
    assert not app.exception
    assert [error.value for error in app.error] != []
    assert message in app.error[0].value
    assert not app.metric


def test_a_broken_checkpoint_is_one_line_on_the_page(app: AppTest) -> None:
    weights = state.CHECKPOINTS / "voc" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    app.run()
    assert not app.exception
    assert "half\\-written or was changed" in app.error[0].value


def test_no_checkpoint_at_all_says_what_to_do(app: AppTest) -> None:
    shutil.rmtree(state.CHECKPOINTS / "voc")
    app.run()
    assert not app.exception
    assert "cnnrnn train" in texts(app)
