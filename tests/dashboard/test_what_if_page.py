"""The what-if page, with a small checkpoint of rendered scenes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from dashboard_helpers import Chart, Data, Images, Pixels
from PIL import Image
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.attribution.explain import explain
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.data.images import MAX_SIDE, open_image
from cnnrnn.decoding import tree
from cnnrnn.decoding.constraints import Constraints
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.predictor import decode_image, encode_image
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.utils.style import percent, points
from views.marginal_diff import (
    compare_marginals,
    cooccurrence_figure,
    cooccurring_labels,
    describe,
    elsewhere,
    figure,
    grey_out,
    lifts,
    strongest,
)

PAGE = "app_pages/what_if.py"


@pytest.fixture
def scene(scenes_root: Path) -> Path:
    return next(s.image for s in load_split("scenes", scenes_root, "test").samples if len(s.labels) == 2)


@pytest.fixture
def page(app: AppTest, scene: Path) -> AppTest:
    """The page with a scene that was uploaded on the page Decode."""
    app.run()
    app.file_uploader(key="upload_0").upload("scene.png", scene.read_bytes())
    app.run()
    app.session_state["constrained_table"] = app.session_state["cooccurrence_table"] = True  # the tables are open
    app.switch_page(PAGE).run()
    assert not app.exception
    return app


def decoded(scene: Path, constraints: Constraints) -> Trace:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    return decode_image(checkpoint, encode_image(checkpoint, open_image(scene, MAX_SIDE))[1], 8, constraints)


def table(page: AppTest, column: str) -> dict[str, float]:
    found = next(frame.value for frame in page.dataframe if column in frame.value)
    return dict(zip(found["label"], found[column], strict=True))


def chart_title(page: AppTest, key: str) -> str:
    """What the horizontal axis of a chart is called."""
    spec = next(chart.proto.spec for chart in page.get("plotly_chart") if chart.proto.id.endswith(f"-{key}"))
    return json.loads(spec)["layout"]["xaxis"]["title"]["text"]


def test_constraints_are_decoded(page: AppTest, scene: Path) -> None:
    plain = decoded(scene, Constraints())
    assert table(page, "after") == pytest.approx(dict(zip(plain.labels, plain.marginals, strict=True)))
    absent = int(plain.marginals.argmin())
    present = plain.paths[0].tokens[0]
    page.multiselect(key="first_labels").set_value([plain.labels[absent]])
    page.multiselect(key="excluded").set_value([plain.labels[present]]).run()
    assert not page.exception
    constrained = decoded(scene, Constraints(((0, absent),), (present,)))
    assert table(page, "after") == pytest.approx(dict(zip(constrained.labels, constrained.marginals, strict=True)))
    assert any(f"Best path after: {constrained.labels[absent]} → " in block.value for block in page.markdown)

    page.multiselect(key="excluded").set_value([plain.labels[absent]]).run()
    assert not page.exception
    assert "contradict each other" in page.warning[0].value


def test_every_label_may_be_a_first_one_and_impossible_steps_are_refused(page: AppTest, scene: Path) -> None:
    labels = list(decoded(scene, Constraints()).labels)
    page.multiselect(key="first_labels").set_value(labels).run()
    assert not page.exception
    assert any(f"Best path after: {' → '.join([*labels, 'END'])}" in block.value for block in page.markdown)
    page.multiselect(key="first_labels").set_value([]).run()
    page.multiselect(key="excluded").set_value(labels[:4])
    page.selectbox(key="forced_label").set_value(labels[5]).run()
    page.number_input(key="at_step_from_1").set_value(3).run()
    assert not page.exception
    assert "1 other labels are left for 2 steps" in page.warning[0].value


def test_every_label_order_is_scored(page: AppTest, scene: Path) -> None:
    trace = decoded(scene, Constraints())
    names = trace.names(trace.paths[0].tokens)
    orders = next(frame.value for frame in page.dataframe if "order" in frame.value)
    assert set(orders["order"]) == {" → ".join([*order, "END"]) for order in itertools.permutations(names)}
    best = orders.iloc[0]
    assert best["order"] == " → ".join([*names, "END"])
    assert best["probability"] == pytest.approx(trace.paths[0].prob, rel=1e-3)


def test_occluding_the_evidence_lowers_the_probability_of_the_label(page: AppTest) -> None:
    before = page.metric[-2]
    assert before.label.startswith("Marginal probability of")  # this checkpoint is not calibrated
    page.slider(key="occluded_fraction").set_value(0.6).run()
    assert not page.exception
    assert page.metric[-2].delta.endswith("points")
    assert int(page.metric[-2].delta.split()[0]) < 0


def test_changes_are_sorted_and_described(scene: Path, app: AppTest) -> None:
    plain = decoded(scene, Constraints())
    absent = int(plain.marginals.argmin())
    constrained = decoded(scene, Constraints(((0, absent),)))
    found = compare_marginals(plain, constrained)
    assert [abs(c.delta) for c in found] == sorted((abs(c.delta) for c in found), reverse=True)
    increased = next(change for change in found if change.label == plain.labels[absent])
    assert all(label != plain.labels[absent] for label, _ in describe(found, {plain.labels[absent]}))
    assert describe([increased], set()) == [(increased.label, f"rises by {100 * increased.delta:.0f} points, to 100%")]


def test_the_strongest_pixels_turn_grey() -> None:
    image = np.zeros((4, 5, 3), dtype=np.uint8)
    strength = np.arange(20).reshape(4, 5)
    occluded = grey_out(image, strongest(strength, 0.25))
    assert (occluded[strength >= 15] == 128).all()
    assert (occluded[strength < 15] == 0).all()


def test_occlusion_changes_the_calibrated_probability_that_decode_shows(chart_data: Chart) -> None:
    """With the shipped checkpoint, which is calibrated."""
    app = AppTest.from_file(str(Path(state.HERE) / "app.py"), default_timeout=60).run()
    trace = state.trace(state.load_checkpoint("coco"), app.session_state.last_image, 8)
    token = trace.paths[0].tokens[0]
    app.switch_page(PAGE).run()
    assert not app.exception
    assert app.metric[-2].label == f"Probability of {trace.labels[token]}"
    assert chart_title(app, "occlusion_diff") == "probability"
    *_, ring, _, _ = chart_data(app, "occlusion_diff")
    before = {text.partition(":")[0]: x for text, x in zip(ring["hovertext"], ring["x"], strict=True)}
    assert before[trace.labels[token]] == pytest.approx(float(trace.probabilities[token]))


def test_the_cooccurrence_table_has_training_and_model_probabilities(page: AppTest) -> None:
    metrics = state.CHECKPOINTS / "coco" / "metrics.json"
    cooccurrence = json.loads(metrics.read_text())["cooccurrence"]
    label = "circle"
    page.selectbox[next(i for i, box in enumerate(page.selectbox) if box.label == "In images with")].set_value(label)
    page.run()
    assert not page.exception
    table = next(frame.value for frame in page.dataframe if "in training" in frame.value)
    assert {row.label: (row[2], row[3]) for row in table.itertuples()} == {
        other: tuple(probs) for other, probs in cooccurrence[label].items()
    }
    metrics.write_text("{}")  # without a co-occurrence table
    page.run()
    assert any("no co-occurrence table" in info.value for info in page.info)


def test_charts_compare_the_unconstrained_and_the_constrained_search(
    page: AppTest, scene: Path, chart_data: Chart, figure_data: Data
) -> None:
    plain = decoded(scene, Constraints())
    assert not [
        chart for chart in page.get("plotly_chart") if chart.proto.id.endswith("-marginal_diff")
    ]  # no constraints
    absent, other = (int(label) for label in plain.marginals.argsort()[:2])
    page.selectbox(key="forced_label").set_value(plain.labels[absent])
    page.number_input(key="at_step_from_1").set_value(2)
    page.multiselect(key="excluded").set_value([plain.labels[other]]).run()
    assert not page.exception
    constrained = decoded(scene, Constraints(((1, absent),), (other,)))
    found = compare_marginals(plain, constrained)
    assert chart_data(page, "marginal_diff") == figure_data(figure(found, False))
    assert chart_title(page, "marginal_diff") == "marginal probability"  # of a search with constraints
    root, _ = tree.fold(tree.build(constrained, 0.01), constrained.paths[0], 0)
    assert chart_data(page, "constrained_tree") == figure_data(tree.figure(constrained, 0, False, 0.01, root))
    assert table(page, "before") == pytest.approx(dict(zip(plain.labels, plain.marginals, strict=True)))
    assert table(page, "Δ") == pytest.approx({change.label: change.delta for change in found})
    described = [f"**{label}** {text}" for label, text in describe(found, {plain.labels[absent], plain.labels[other]})]
    texts = [block.value for block in page.markdown]
    assert f"Marginal probability: {'; '.join(described) or 'no other label changes by more than 2 points'}." in texts
    before, after = (
        f"{' → '.join(trace.choices(trace.paths[0]))} ({percent(trace.paths[0].prob)})"
        for trace in (plain, constrained)
    )
    assert f"Best path before: {before}  \nBest path after: {after}" in texts


def test_the_evidence_of_a_step_is_occluded_and_the_image_decoded_again(
    page: AppTest, scene: Path, chart_data: Chart, figure_data: Data, displayed_images: Images, pixels: Pixels
) -> None:
    page.slider(key="occluded_fraction").set_value(0.4)
    page.selectbox(key="occluded_step").set_value(1).run()
    assert not page.exception
    plain = decoded(scene, Constraints())
    path = plain.paths[0]
    checkpoint, image = Checkpoint.load(state.CHECKPOINTS / "coco"), open_image(scene, MAX_SIDE)
    values = explain(checkpoint.rnn, encode_image(checkpoint, image)[0], path.tokens).smoothed[1].numpy()
    evidence = strongest(resize_map(values, image.size), 0.4)
    occluded = grey_out(np.asarray(image), evidence)
    displayed = dict(displayed_images(page))
    label = plain.labels[path.tokens[1]]
    grey = pixels(displayed[f"The image with the evidence for {label} in grey"])
    assert np.abs(grey - occluded).mean() < 4
    assert np.abs(pixels(displayed["The image scene.png"]) - np.asarray(image)).mean() < 4
    after = decode_image(checkpoint, encode_image(checkpoint, Image.fromarray(occluded))[1], 8, Constraints())
    others = [
        decode_image(checkpoint, encode_image(checkpoint, Image.fromarray(pixels))[1], 8, Constraints())
        for pixels in (grey_out(np.asarray(image), region) for region in elsewhere(evidence))
    ]
    *drawn, line = chart_data(page, "occlusion_diff")
    # The page computes with other numbers of threads than this test, so that the last digits may differ.
    expected = figure_data(figure(compare_marginals(plain, after), False))
    for trace, wanted in zip(drawn, expected, strict=True):
        assert trace["x"] == pytest.approx(wanted["x"], abs=1e-4)
        assert trace | {"x": None} == wanted | {"x": None}
    mean = dict(zip(plain.labels, np.mean([trace.marginals for trace in others], axis=0), strict=True))
    assert line["x"] == pytest.approx([mean[change.label] for change in compare_marginals(plain, after)][:8], abs=1e-4)
    old, new = (float(trace.marginals[path.tokens[1]]) for trace in (plain, after))
    metric, control = page.metric[-2:]
    assert (metric.label, metric.value, metric.delta) == (
        f"Marginal probability of {label}", percent(new), points(new - old),
    )  # fmt: skip
    assert (control.label, control.value, control.delta) == (
        "Elsewhere occluded", percent(mean[label]), points(mean[label] - old),
    )  # fmt: skip
    found = next(block.value for block in page.markdown if "in the best path" in block.value)
    is_now = "still" if path.tokens[1] in after.paths[0].tokens else "no longer"
    held = sum(path.tokens[1] in trace.paths[0].tokens for trace in others)
    assert found.startswith(f"**{label}** is {is_now} in the best path")
    assert f"it is in {held} of 5." in found
    further = new < min(float(trace.marginals[path.tokens[1]]) for trace in others) - 0.02
    assert ("it depends on the occluded evidence." in found) == further
    assert ("in particular" in found) != further


def test_label_orders_are_sorted_and_summed(page: AppTest) -> None:
    orders = next(frame.value for frame in page.dataframe if "order" in frame.value)
    assert orders["probability"].is_monotonic_decreasing
    assert np.log(orders["probability"]).tolist() == pytest.approx(orders["log-probability"].tolist())
    metrics = {metric.label: metric.value for metric in page.metric}
    total = float(orders["probability"].sum())
    assert metrics["This label set, in any order"] == percent(total)
    assert metrics["Share of the best order"] == percent(orders["probability"].iloc[0] / total)
    nats = orders["log-probability"].iloc[0] - orders["log-probability"].iloc[-1]
    assert metrics["Best against worst order"] == f"{nats:.1f} nats"
    chosen = next(box for box in page.multiselect if box.label == "Labels to permute")
    chosen.set_value(chosen.options[:3]).run()
    orders = next(frame.value for frame in page.dataframe if "order" in frame.value)
    expected = {" → ".join([*order, "END"]) for order in itertools.permutations(chosen.options[:3])}
    assert set(orders["order"]) == expected
    chosen.set_value(chosen.options[:1]).run()
    assert any("only one order" in info.value for info in page.info)


def test_cooccurrence_starts_with_the_most_probable_label(
    page: AppTest, scene: Path, chart_data: Chart, figure_data: Data
) -> None:
    plain = decoded(scene, Constraints())
    label = plain.labels[int(plain.marginals.argmax())]
    assert next(box for box in page.selectbox if box.label == "In images with").value == label
    metrics = state.CHECKPOINTS / "coco" / "metrics.json"
    recorded = json.loads(metrics.read_text())
    cooccurrence = recorded["cooccurrence"]
    found = cooccurring_labels(cooccurrence[label])
    expected = cooccurrence_figure(lifts(found, recorded["label_rates"]), False, are_lifts=True)
    assert chart_data(page, "cooccurrence") == figure_data(expected)
    assert any("as often" in caption.value for caption in page.caption)
    del recorded["label_rates"]  # as in a checkpoint of before
    metrics.write_text(json.dumps(recorded))
    page.run()
    assert chart_data(page, "cooccurrence") == figure_data(cooccurrence_figure(found, False, are_lifts=False))
    assert any("no sign" in caption.value for caption in page.caption)


@pytest.mark.parametrize("page_file", [PAGE, "app_pages/label_space.py"])
def test_with_the_sigmoid_baseline_the_page_offers_a_sequence_model(
    app: AppTest, scenes_root: Path, page_file: str
) -> None:
    split = load_split("scenes", scenes_root, "train")
    baseline = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), head="sigmoid")
    baseline.save(state.CHECKPOINTS / "a sigmoid", {}, card="")
    app.query_params["checkpoint"] = "a sigmoid"
    app.run()
    app.switch_page(page_file).run()
    assert not app.exception
    assert not app.error
    (info,) = app.info
    assert info.value.startswith("This page needs a CNN-RNN: independent sigmoids ")
    app.button(key="switch_checkpoint").click().run()
    assert not app.exception
    assert not any("needs a CNN-RNN" in info.value for info in app.info)
    assert app.selectbox(key="checkpoint").value == "coco"
    assert app.get("plotly_chart")
