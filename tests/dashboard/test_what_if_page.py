"""The page that decodes again under conditions, on a small checkpoint of rendered scenes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.attribution.explain import explain
from cnnrnn.attribution.overlay import stretched
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.data.images import open_image
from cnnrnn.decoding.constraints import Constraints
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.predictor import decode_image, encode_image
from views import tree
from views.changes import changes, company, figure, greyed, in_words
from views.style import percent

Shown = Callable[[AppTest], list[tuple[str, bytes]]]
Chart = Callable[[AppTest, str], list[dict[str, Any]]]
Data = Callable[[go.Figure], list[dict[str, Any]]]
Pixels = Callable[[bytes], np.ndarray]

PAGE = "app_pages/what_if.py"


@pytest.fixture
def scene(scenes_root: Path) -> Path:
    return next(s.image for s in load_split("scenes", scenes_root, "test").samples if len(s.labels) == 2)


@pytest.fixture
def page(app: AppTest, scene: Path) -> AppTest:
    """The page with a scene that was uploaded on the page Decode."""
    app.run()
    app.file_uploader(key="upload").upload("scene.png", scene.read_bytes())
    app.run()
    app.session_state["told_table"] = app.session_state["company_table"] = True  # the tables are open
    app.switch_page(PAGE).run()
    assert not app.exception
    return app


def decoded(scene: Path, given: Constraints) -> Trace:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "voc")
    return decode_image(checkpoint, encode_image(checkpoint, open_image(scene, state.MAX_SIDE))[1], 8, given)


def table(page: AppTest, column: str) -> dict[str, float]:
    found = next(frame.value for frame in page.dataframe if column in frame.value)
    return dict(zip(found["label"], found[column], strict=True))


def test_what_is_told_is_decoded(page: AppTest, scene: Path) -> None:
    plain = decoded(scene, Constraints())
    assert table(page, "after") == pytest.approx(dict(zip(plain.labels, plain.marginals, strict=True)))
    absent = int(plain.marginals.argmin())
    present = plain.paths[0].tokens[0]
    page.multiselect(key="starts").set_value([plain.labels[absent]])
    page.multiselect(key="never").set_value([plain.labels[present]]).run()
    assert not page.exception
    told = decoded(scene, Constraints(((0, absent),), (present,)))
    assert table(page, "after") == pytest.approx(dict(zip(told.labels, told.marginals, strict=True)))
    assert any(f"Best path now: {told.labels[absent]} → " in block.value for block in page.markdown)

    page.multiselect(key="never").set_value([plain.labels[absent]]).run()
    assert not page.exception
    assert "given once" in page.warning[0].value


def test_every_order_is_scored(page: AppTest, scene: Path) -> None:
    trace = decoded(scene, Constraints())
    names = trace.names(trace.paths[0].tokens)
    orders = next(frame.value for frame in page.dataframe if "order" in frame.value)
    assert set(orders["order"]) == {" → ".join([*order, "END"]) for order in itertools.permutations(names)}
    best = orders.iloc[0]
    assert best["order"] == " → ".join([*names, "END"])
    assert best["probability"] == pytest.approx(trace.paths[0].prob, rel=1e-3)


def test_hiding_everything_a_label_rests_on_makes_it_go(page: AppTest) -> None:
    before = page.metric[-1]
    assert before.label.startswith("Probability of")
    page.slider(key="hidden_share").set_value(0.6).run()
    assert not page.exception
    assert page.metric[-1].delta.endswith("points")
    assert int(page.metric[-1].delta.split()[0]) < 0


def test_changes_are_ranked_and_said_in_words(scene: Path, app: AppTest) -> None:
    plain = decoded(scene, Constraints())
    absent = int(plain.marginals.argmin())
    told = decoded(scene, Constraints(((0, absent),)))
    found = changes(plain, told)
    assert [abs(c.delta) for c in found] == sorted((abs(c.delta) for c in found), reverse=True)
    risen = next(change for change in found if change.label == plain.labels[absent])
    assert all(label != plain.labels[absent] for label, _ in in_words(found, {plain.labels[absent]}))
    assert in_words([risen], set()) == [(risen.label, f"rises by {100 * risen.delta:.0f} points, to 100%")]


def test_the_strongest_pixels_turn_grey() -> None:
    image = np.zeros((4, 5, 3), dtype=np.uint8)
    strength = np.arange(20).reshape(4, 5)
    hidden = greyed(image, strength, 0.25)
    assert (hidden[strength >= 15] == 128).all()
    assert (hidden[strength < 15] == 0).all()


def test_the_company_a_label_keeps_in_training_and_by_the_model(page: AppTest) -> None:
    metrics = state.CHECKPOINTS / "voc" / "metrics.json"
    together = json.loads(metrics.read_text())["cooccurrence"]
    label = "circle"
    page.selectbox[next(i for i, box in enumerate(page.selectbox) if box.label == "In images with")].set_value(label)
    page.run()
    assert not page.exception
    table = next(frame.value for frame in page.dataframe if "in training" in frame.value)
    assert {row.label: (row[2], row[3]) for row in table.itertuples()} == {
        other: tuple(shares) for other, shares in together[label].items()
    }
    metrics.write_text("{}")  # a checkpoint from before
    page.run()
    assert any("doesn't tell" in info.value for info in page.info)


def test_charts_show_the_search_before_and_the_one_that_was_told(
    page: AppTest, scene: Path, chart_shown: Chart, data_of: Data
) -> None:
    plain = decoded(scene, Constraints())
    assert not [chart for chart in page.get("plotly_chart") if chart.proto.id.endswith("-changes")]  # nothing was told
    absent, other = (int(label) for label in plain.marginals.argsort()[:2])
    page.selectbox(key="says").set_value(plain.labels[absent])
    page.number_input(key="at_step_from_1").set_value(2)
    page.multiselect(key="never").set_value([plain.labels[other]]).run()
    assert not page.exception
    told = decoded(scene, Constraints(((1, absent),), (other,)))
    found = changes(plain, told)
    assert chart_shown(page, "changes") == data_of(figure(found, False))
    assert chart_shown(page, "told_tree") == data_of(tree.figure(told, 0, False, 0.01))
    assert table(page, "before") == pytest.approx(dict(zip(plain.labels, plain.marginals, strict=True)))
    assert table(page, "Δ") == pytest.approx({change.label: change.delta for change in found})
    words = [f"**{label}** {text}" for label, text in in_words(found, {plain.labels[absent], plain.labels[other]})]
    expected = "; ".join(words) + "." if words else "No other label changes by more than 2 points."
    said = [block.value for block in page.markdown]
    assert expected in said
    before, after = (
        f"{' → '.join(trace.choices(trace.paths[0]))} ({percent(trace.paths[0].prob)})" for trace in (plain, told)
    )
    assert f"Best path before: {before}  \nBest path now: {after}" in said


def test_what_a_step_looked_at_is_greyed_and_the_image_decoded_again(
    page: AppTest, scene: Path, chart_shown: Chart, data_of: Data, images_shown: Shown, pixels: Pixels
) -> None:
    page.slider(key="hidden_share").set_value(0.4)
    page.selectbox(key="hidden_step").set_value(1).run()
    assert not page.exception
    plain = decoded(scene, Constraints())
    path = plain.paths[0]
    checkpoint, image = Checkpoint.load(state.CHECKPOINTS / "voc"), open_image(scene, state.MAX_SIDE)
    values = explain(checkpoint.rnn, encode_image(checkpoint, image)[0], path.tokens).maps[1].numpy()
    hidden = greyed(np.asarray(image), stretched(values, image.size), 0.4)
    shown = dict(images_shown(page))
    label = plain.labels[path.tokens[1]]
    grey = pixels(shown[f"The image with the evidence for {label} in grey"])
    assert np.abs(grey - hidden).mean() < 4
    assert np.abs(pixels(shown["The image scene.png"]) - np.asarray(image)).mean() < 4
    after = decode_image(checkpoint, encode_image(checkpoint, Image.fromarray(hidden))[1], 8, Constraints())
    assert chart_shown(page, "hidden_changes") == data_of(figure(changes(plain, after), False))
    old, new = (float(trace.marginals[path.tokens[1]]) for trace in (plain, after))
    told = page.metric[-1]
    assert (told.label, told.value, told.delta) == (
        f"Probability of {label}", percent(new), f"{100 * (new - old):+.0f} points",
    )  # fmt: skip
    goes = any("The label goes" in block.value for block in page.markdown)
    assert goes == (new < 0.5 <= old)


def test_orders_are_ranked_and_their_shares_add_up(page: AppTest) -> None:
    orders = next(frame.value for frame in page.dataframe if "order" in frame.value)
    assert orders["probability"].is_monotonic_decreasing
    assert np.log(orders["probability"]).tolist() == pytest.approx(orders["log-probability"].tolist())
    told = {metric.label: metric.value for metric in page.metric}
    total = float(orders["probability"].sum())
    assert told["Exactly these labels, in any order"] == percent(total)
    assert told["BatchShard of the best order"] == percent(orders["probability"].iloc[0] / total)
    nats = orders["log-probability"].iloc[0] - orders["log-probability"].iloc[-1]
    assert told["Best to worst"] == f"{nats:.1f} nats"
    chosen = next(box for box in page.multiselect if box.label == "Labels whose orders are compared")
    chosen.set_value(chosen.options[:3]).run()
    orders = next(frame.value for frame in page.dataframe if "order" in frame.value)
    expected = {" → ".join([*order, "END"]) for order in itertools.permutations(chosen.options[:3])}
    assert set(orders["order"]) == expected
    chosen.set_value(chosen.options[:1]).run()
    assert any("only one order" in info.value for info in page.info)


def test_the_company_shown_at_first_is_that_of_the_most_probable_label(
    page: AppTest, scene: Path, chart_shown: Chart, data_of: Data
) -> None:
    plain = decoded(scene, Constraints())
    label = plain.labels[int(plain.marginals.argmax())]
    assert next(box for box in page.selectbox if box.label == "In images with").value == label
    together = json.loads((state.CHECKPOINTS / "voc" / "metrics.json").read_text())["cooccurrence"]
    expected = figure(company(together[label]), False, ("in the training images", "as the model says"))
    assert chart_shown(page, "company") == data_of(expected)
