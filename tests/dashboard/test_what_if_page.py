"""The page that decodes again under conditions, on a small checkpoint of rendered scenes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.data.images import open_image
from cnnrnn.decoding.constraints import Constraints
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.predictor import decode_image, encode_image
from views.changes import changes, greyed, in_words

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


def decoded(scene: Path, constraints: Constraints) -> Trace:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "voc")
    return decode_image(checkpoint, encode_image(checkpoint, open_image(scene, state.MAX_SIDE))[1], 8, constraints)


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
    assert "constraints once" in page.warning[0].value


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
