"""The page about the label space, on a small checkpoint of rendered scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.label_space.neighbors import nearest
from cnnrnn.label_space.projection import compute, record

PAGE = "app_pages/label_space.py"


@pytest.fixture
def page(app: AppTest) -> AppTest:
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    return app


def test_without_maps_beside_the_weights_pca_is_drawn(page: AppTest) -> None:
    assert page.segmented_control(key="map").options == ["PCA"]
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "voc")
    expected = compute(checkpoint.rnn.label_vectors(), methods=("PCA",))["maps"]["PCA"]["coordinates"]
    table = next(frame.value for frame in page.dataframe if "x" in frame.value)
    assert np.array(table[["x", "y"]]) == pytest.approx(np.array(expected)[:, :2])
    page.segmented_control(key="dims").set_value("3-D").run()
    assert not page.exception
    table = next(frame.value for frame in page.dataframe if "x" in frame.value)
    assert np.array(table[["x", "y", "z"]]) == pytest.approx(np.array(expected))


def test_maps_that_travel_with_the_checkpoint_are_offered(app: AppTest) -> None:
    folder = state.CHECKPOINTS / "voc"
    checkpoint = Checkpoint.load(folder)
    record(folder, checkpoint.rnn.label_vectors(), checkpoint.weights_hash)
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert app.segmented_control(key="map").options == ["UMAP", "PCA"]
    assert "n\\_neighbors" in app.caption[0].value


def test_neighbours_are_those_of_the_space(page: AppTest) -> None:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "voc")
    labels = checkpoint.vocabulary.labels
    table = next(frame.value for frame in page.dataframe if "by angle (cosine)" in frame.value).set_index("label")
    for label, near in nearest(checkpoint.rnn.label_vectors(), labels, 3).items():
        assert table.loc[label, "by angle (cosine)"] == ", ".join(f"{name} {value:.2f}" for name, value in near)


def test_more_images_are_placed_and_bad_ones_named(page: AppTest, scenes_root: Path) -> None:
    scene = load_split("scenes", scenes_root, "test").samples[0].image
    for kind in ("images", "a folder"):
        page.segmented_control(key="others_kind").set_value(kind).run()
        page.file_uploader(key=f"others {kind}").upload("a.png", scene.read_bytes())
        page.file_uploader(key=f"others {kind}").upload("b.png", b"no image")
        page.run()
        assert not page.exception
        assert ["b\\.png" in warning.value for warning in page.warning] == [True]


def test_lines_join_what_is_alike_or_what_is_said_together(page: AppTest) -> None:
    assert "two nearest by angle" in page.caption[0].value
    page.segmented_control(key="lines").set_value("said together").run()
    assert not page.exception
    assert "most often says with it" in page.caption[0].value
    (state.CHECKPOINTS / "voc" / "metrics.json").write_text("{}")  # a checkpoint that doesn't tell
    page.run()
    assert not page.exception
    assert not any(control.key == "lines" for control in page.segmented_control)
