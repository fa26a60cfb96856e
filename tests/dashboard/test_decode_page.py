"""The decode page without a browser, with a small checkpoint of rendered scenes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import image_files
import state
from cnnrnn.attribution.overlay import overlay
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Sample, load_split
from cnnrnn.data.images import MAX_SIDE, open_image
from cnnrnn.decoding import tree
from cnnrnn.inference.predictor import decode_image, encode_image
from cnnrnn.utils.style import percent
from views import bars, strip

Images = Callable[[AppTest], list[tuple[str, bytes]]]
Chart = Callable[[AppTest, str], list[dict[str, Any]]]
Data = Callable[[go.Figure], list[dict[str, Any]]]
Pixels = Callable[[bytes], np.ndarray]

COLUMNS = ("path", "is", "step", "this choice", "prefix", "log-probability", "why")  # of the tree's table


@pytest.fixture
def scene(scenes_root: Path) -> Sample:
    return next(s for s in load_split("scenes", scenes_root, "test").samples if len(s.labels) == 2)


def texts(app: AppTest) -> str:
    return "\n".join(str(block.value) for block in [*app.markdown, *app.caption, *app.error, *app.info])


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
    for label in scene.labels:
        assert f"orange-badge[{label}]" in texts(app)

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


def test_one_of_several_uploads_can_be_chosen(app: AppTest, scenes_root: Path) -> None:
    app.run()
    samples = load_split("scenes", scenes_root, "test").samples[:3]
    uploader = app.file_uploader(key="upload_0")
    for number, sample in enumerate(samples):
        uploader.upload(f"{number}.png", sample.image.read_bytes())
    uploader.run()
    assert not app.exception
    assert app.session_state.last_image.name == "2.png"  # the newest
    tray_buttons = [button for button in app.button if (button.key or "").startswith("tray_")]
    assert [button.label.replace("\\", "") for button in tray_buttons] == ["2.png", "1.png", "0.png"]
    tray_buttons[2].click().run()
    assert not app.exception
    assert app.session_state.last_image.name == "0.png"
    app.button(key="previous_image").click().run()
    assert app.session_state.last_image.name == "1.png"
    app.file_uploader(key="upload_1").upload("3.png", b"%PDF-1.7").run()
    assert "3.png" in app.error[0].value.replace("\\", "")  # and no other image's labels stand below
    assert "search coverage" not in texts(app)
    app.button(key=tray_buttons[0].key).click().run()
    assert app.session_state.last_image.name == "2.png"
    app.button(key="remove_image").click().run()
    assert app.session_state.last_image.name == "1.png"
    for _ in range(2):
        app.button(key="remove_image").click().run()
    assert not app.exception
    assert app.session_state.sample == next(iter(image_files.samples()))  # the tray is empty


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


def test_the_strip_follows_the_chosen_path_and_settings(app: AppTest, displayed_images: Images, pixels: Pixels) -> None:
    app.run()
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    image = image_files.open_sample(next(iter(image_files.samples())))
    trace = state.trace(checkpoint, image, 8)

    def check(path: int, maps: state.MapSettings) -> list[bytes]:
        assert not app.exception
        choices = trace.choices(trace.paths[path])
        explained = state.explanation(checkpoint, image, trace.paths[path].tokens, maps)
        scales = [float((explained.smoothed if maps.common_scale else values).max()) for values in explained.smoothed]
        found = [(alt, data) for alt, data in displayed_images(app) if alt.startswith("Evidence")]
        names = [f"Evidence for {name} at step {step}, " for step, name in enumerate(choices, start=1)]
        assert all(alt.startswith(name) for (alt, _), name in zip(found, names, strict=True))
        for (_, data), values, scale, strength in zip(
            found, explained.smoothed, scales, explained.strengths, strict=True
        ):
            drawn = overlay(strip.reduced(image.pixels), values.numpy(), scale, maps.opacity, maps.floor, maps.colormap)
            assert np.abs(pixels(data) - np.asarray(strip.thumbnail(drawn, strength))).mean() < 3
        return [data for _, data in found]

    plain = check(0, state.MapSettings())
    assert len(set(plain)) > 1
    app.slider(key="opacity").set_value(0.3).run()
    faint = check(0, state.MapSettings(opacity=0.3))
    app.slider(key="floor").set_value(0.5).run()
    clear = check(0, state.MapSettings(opacity=0.3, floor=0.5))
    app.toggle(key="common_scale").set_value(True).run()
    check(0, state.MapSettings(opacity=0.3, floor=0.5, common_scale=True))
    app.toggle(key="common_scale").set_value(False).run()
    app.selectbox(key="target").set_value("logit").run()
    logit = check(0, state.MapSettings(opacity=0.3, floor=0.5, target="logit"))
    app.selectbox(key="target").set_value("contrast").run()
    app.selectbox(key="rival").set_value(app.selectbox(key="rival").options[2]).run()
    contrast = check(0, state.MapSettings(opacity=0.3, floor=0.5, target=2))
    app.selectbox(key="method").set_value("occlusion").run()
    other = check(0, state.MapSettings("occlusion", 2, 0.3, 0.5))
    app.selectbox(key="path").set_value(1).run()
    check(1, state.MapSettings("occlusion", 2, 0.3, 0.5))
    assert len({tuple(maps) for maps in (plain, faint, clear, logit, contrast, other)}) == 6


def test_the_map_of_the_chosen_step_lies_over_the_image(app: AppTest, displayed_images: Images, pixels: Pixels) -> None:
    app.run()
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    image = image_files.open_sample(next(iter(image_files.samples())))
    path = state.trace(checkpoint, image, 8).paths[0]
    explained = state.explanation(checkpoint, image, path.tokens, state.MapSettings())
    alt = f"The image {image.name} with the evidence of step 1"
    first = dict(displayed_images(app))[alt]
    assert first == state.render_overlay(image, explained.smoothed[0], explained.peaks[0], state.MapSettings())
    app.button(key="step_0").click().run()
    displayed = dict(displayed_images(app))
    assert np.abs(pixels(displayed[f"The image {image.name}"]) - np.asarray(image.pixels)).mean() < 4
    app.slider(key="opacity").set_value(0.9)
    app.slider(key="floor").set_value(0.1)
    strongest = explained.peaks.index(max(explained.peaks))
    step, other = strongest + 1, 2 if strongest == 0 else 1
    app.button(key=f"step_{step}").click().run()
    maps = state.MapSettings(opacity=0.9, floor=0.1)
    alt = f"The image {image.name} with the evidence of step {step}"
    plain = dict(displayed_images(app))[alt]
    values, scale = explained.smoothed[strongest], explained.peaks[strongest]
    assert plain == state.render_overlay(image, values, scale, maps)
    app.selectbox(key=f"subtract_{step}").set_value(other).run()
    difference = values - explained.smoothed[other - 1]
    subtracted = dict(displayed_images(app))[alt]
    assert subtracted == state.render_overlay(image, difference, scale, maps, signed=True)
    assert subtracted != plain
    choices = state.trace(checkpoint, image, 8).choices(path)
    others = [f"{number} · {name}" for number, name in enumerate(choices, start=1) if number != step]
    assert app.selectbox(key=f"subtract_{step}").options == ["none", *others]
    app.button(key="Left_step").click().run()
    assert app.session_state.step == step - 1


def test_charts_and_tables_are_those_of_the_chosen_path(app: AppTest, chart_data: Chart, figure_data: Data) -> None:
    app.session_state["tree_table"] = app.session_state["steps_table"] = True  # opened
    app.run()
    app.selectbox(key="path").set_value(1).run()
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    image = image_files.open_sample(next(iter(image_files.samples())))
    trace = state.trace(checkpoint, image, 8)
    path = trace.paths[1]
    facts = next(block.value for block in app.markdown if "search coverage" in block.value).replace("\\", "")
    assert facts.startswith(f"this sequence **{percent(path.prob)}** · search coverage **{percent(trace.coverage)}**")
    expected = bars.label_probabilities(trace, path, False, truth=image.truth)
    assert chart_data(app, "probabilities") == figure_data(expected)
    folded, share = tree.fold(tree.build(trace, 0.01), path, 1)
    assert chart_data(app, "tree") == figure_data(tree.figure(trace, 1, False, 0.01, folded))
    assert any(f"Branches below {percent(share)} are folded." in caption.value for caption in app.caption)
    for step in range(len(path.tokens) + 1):
        assert chart_data(app, f"step-{step}") == figure_data(bars.step_distribution(trace, path, step, False))
    assert json.loads(app.dataframe[0].proto.columns)["why"]["width"] > 400  # a sentence
    branches, steps = (frame.value for frame in app.dataframe)
    assert branches["prefix"].tolist() == [row["prefix"] for row in tree.rows(trace, 0.01)]
    choices = trace.choices(path)
    assert list(steps.columns) == ["probability", *(f"{n}: {name}" for n, name in enumerate(choices, start=1))]
    for step, column in enumerate(steps.columns[1:]):
        expected = trace.distribution(path, step)
        assert steps[column].to_dict() == pytest.approx(dict(zip([*trace.labels, "END"], expected, strict=True)))
    marginals = dict(zip([*trace.labels, "END"], [*trace.marginals, trace.coverage], strict=True))
    assert steps["probability"].to_dict() == pytest.approx(marginals)
    assert steps["probability"].is_monotonic_decreasing

    explained = state.explanation(checkpoint, image, path.tokens, state.MapSettings())
    contributions = state.prefix_contribution(checkpoint, image, path.tokens)
    captions = [caption.value for caption in app.caption if caption.value.startswith(("END ", "the whole sequence "))]
    for step, caption in enumerate(captions):
        last = step == len(path.tokens)
        end = percent(float(trace.distribution(path, step)[trace.end]))
        before = [f"prefix contribution {contributions[step]:+.1f} nats"] if step else []
        assert caption == " · ".join([f"the whole sequence {percent(path.prob)}" if last else f"END {end}", *before])
        strength = float(explained.smoothed[step].max() / explained.smoothed.max())
        evidence = f"{percent(strength)} of the strongest step's evidence" if strength > 0 else "no positive evidence"
        assert evidence in app.button(key=f"step_{step + 1}").help
    assert len(captions) == len(choices)
    app.toggle(key="rare").set_value(True).run()
    assert chart_data(app, "tree") == figure_data(tree.figure(trace, 1, False, 0.0005))


def test_the_sigmoid_baseline_has_probabilities_and_exact_maps(
    chart_data: Chart, figure_data: Data, displayed_images: Images
) -> None:
    """With the shipped checkpoint."""
    app = AppTest.from_file(str(state.HERE / "app.py"), default_timeout=60)
    app.query_params["checkpoint"] = "coco-sigmoid"
    app.run()
    assert not app.exception
    assert not app.error
    checkpoint, image = (
        state.load_checkpoint("coco-sigmoid"),
        image_files.open_sample(next(iter(image_files.samples()))),
    )
    trace = state.predict(checkpoint, image, 1)
    path = trace.paths[0]
    assert path.tokens
    expected = bars.label_probabilities(trace, path, False, most=10, truth=image.truth)
    assert chart_data(app, "probabilities") == figure_data(expected)
    for name in trace.names(path.tokens):
        assert f" {name}]" in texts(app)  # a badge
    found = [data for alt, data in displayed_images(app) if alt.startswith("Evidence for")]
    assert found == state.label_overlays(checkpoint, image, path.tokens, state.MapSettings())
    assert len(set(found)) == len(path.tokens)
    assert "sigmoid baseline" in texts(app)


def test_a_location_says_which_labels_it_supports(chart_data: Chart) -> None:
    """With the shipped checkpoint, which scores labels at every location."""
    app = AppTest.from_file(str(state.HERE / "app.py"), default_timeout=60).run()
    checkpoint = state.load_checkpoint("coco")
    app.button(key="step_1").click().run()
    app.toggle(key="ask_location").set_value(True).run()
    assert not app.exception
    image = image_files.open_sample(next(iter(image_files.samples())))
    path = state.trace(checkpoint, image, 8).paths[0]
    support = state.location_support(checkpoint, image, path.tokens, 0).flatten(0, 1)
    values = state.explanation(checkpoint, image, path.tokens, state.MapSettings()).smoothed[0]
    names = [*checkpoint.vocabulary.labels, "END"]

    def expected(location: int) -> str:
        best = support[location].argsort(descending=True)[:4].tolist()
        logits = support.sum(dim=0)  # what each contribution is a part of
        return ", ".join(
            f"**{names[token]}** ({float(support[location, token]):+.2f} of {float(logits[token]):.2f})"
            for token in best
        )

    def answer() -> str:
        return next(block.value for block in app.markdown if "adds most" in block.value).replace("\\", "")

    def place() -> tuple[int, int]:
        row, column = (number.value for number in app.number_input)
        return row, column

    columns = values.shape[1]
    strongest = int(values.argmax())
    assert expected(strongest) in answer()  # at first the strongest location
    assert place() == (strongest // columns + 1, strongest % columns + 1)  # a person counts from 1
    app.number_input[0].set_value(1)
    app.number_input[1].set_value(2).run()
    assert expected(1) in answer()
    assert (app.query_params["row"], app.query_params["column"]) == ("1", "2")
    points = chart_data(app, "locations_0")[0]
    assert len(points["customdata"]) == values.numel() == len(support)
    app.session_state["locations_0"] = {"selection": {"points": [{"customdata": 5}]}}  # a click
    app.run()
    assert expected(5) in answer()
    assert place() == (1, 6)
