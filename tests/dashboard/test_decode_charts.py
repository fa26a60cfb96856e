"""The decode page without a browser: its maps, charts and tables."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dashboard_helpers import Chart, Data, Images, Pixels, texts
from scipy.ndimage import map_coordinates
from streamlit.testing.v1 import AppTest

import image_files
import state
from cnnrnn.attribution.overlay import overlay
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding import tree
from cnnrnn.decoding.threshold import probability_threshold
from cnnrnn.utils.style import percent
from views import bars, strip


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
    threshold = probability_threshold(checkpoint.model)  # of the calibrated probabilities that are drawn
    assert f"a probability of at least **{percent(threshold)}**" in texts(app)
    assert all((trace.probabilities[token] >= threshold) == (token in path.tokens) for token in range(80))


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
    cells = np.mgrid[: values.shape[0], :columns] + checkpoint.model.backbone.config.center_offset
    assert (cells[0, 0, 0], cells[1, 0, 0]) == (0.4844, 0.4844)  # where the first location looks
    strongest = int(map_coordinates(values.numpy(), cells, order=1, mode="nearest").argmax())
    assert expected(strongest) in answer()  # at first the strongest location
    assert place() == (strongest // columns + 1, strongest % columns + 1)  # a person counts from 1
    app.number_input[0].set_value(1)
    app.number_input[1].set_value(2).run()
    assert expected(1) in answer()
    assert (app.query_params["row"], app.query_params["column"]) == ("1", "2")
    points = chart_data(app, "locations_0")[0]
    assert len(points["customdata"]) == values.numel() == len(support)
    assert points["x"][0] == points["y"][0] == pytest.approx((0.5 + 0.4844) / columns)
