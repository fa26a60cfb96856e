"""The page that sets two models or two images side by side, on small checkpoints of rendered scenes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.training.initialize import new_checkpoint
from views.changes import changes

PAGE = "app_pages/compare.py"


def opened(app: AppTest) -> AppTest:
    app.run()
    app.session_state["compared_table"] = True  # opened
    app.switch_page(PAGE).run()
    assert not app.exception
    return app


def table(app: AppTest) -> dict[str, tuple[float, float]]:
    frame = next(frame.value for frame in app.dataframe if "difference" in frame.value)
    return {row.label: (row.left, row.right) for row in frame.itertuples()}


def test_one_model_alone_says_what_to_do(app: AppTest) -> None:
    assert "only one model" in opened(app).info[0].value


def test_two_models_are_matched_by_the_names_of_their_labels(app: AppTest, scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "train")
    rare = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), order="rare", embedding_dim=8)
    rare.model.eval()
    rare.save(state.CHECKPOINTS / "rare", {}, card="")
    page = opened(app)
    image = state.open_sample(state.sample_names()[0])
    both = [Checkpoint.load(state.CHECKPOINTS / name) for name in ("voc", "rare")]
    assert both[0].vocabulary.labels != both[1].vocabulary.labels  # another order
    left, right = (state.outcome(checkpoint, image, 8) for checkpoint in both)
    for label, pair in table(page).items():
        for value, side in zip(pair, (left, right), strict=True):
            assert value == pytest.approx(float(side.marginals[side.labels.index(label)]), abs=1e-6)
    assert page.selectbox(key="other_model").value == "rare"


def test_the_baseline_stands_beside_the_sequence_model(app: AppTest, scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "train")
    baseline = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), head="sigmoid")
    baseline.model.eval()
    baseline.save(state.CHECKPOINTS / "sigmoid", {}, card="")
    page = opened(app)
    assert len(table(page)) == len(split.labels)
    assert any("no sequence to search" in caption.value for caption in page.caption)


def test_two_images_are_compared_on_one_model(app: AppTest) -> None:
    page = opened(app)
    page.segmented_control(key="compare").set_value("two images").run()
    assert not page.exception
    first, last = state.sample_names()[0], state.sample_names()[-1]
    page.pills(key="second_sample").set_value(last).run()
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "voc")
    traces = [state.outcome(checkpoint, state.open_sample(name), 8) for name in (first, last)]
    expected = {change.label: (change.before, change.after) for change in changes(*traces)}
    assert table(page) == {label: pytest.approx(pair) for label, pair in expected.items()}


def test_a_second_model_that_is_broken_is_one_line(app: AppTest) -> None:
    shutil.copytree(state.CHECKPOINTS / "voc", state.CHECKPOINTS / "broken")
    (state.CHECKPOINTS / "broken" / "model.safetensors").write_bytes(b"x")
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert "half\\-written or was changed" in app.error[0].value
