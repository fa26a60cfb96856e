"""The label space page, with a small checkpoint of rendered scenes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.label_space.neighbors import nearest, similarities, step_embeddings
from cnnrnn.label_space.projection import compute, place, record
from views import space

Chart = Callable[[AppTest, str], list[dict[str, Any]]]
Data = Callable[[go.Figure], list[dict[str, Any]]]

PAGE = "app_pages/label_space.py"


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


@pytest.fixture
def page(app: AppTest) -> AppTest:
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    return app


def test_without_a_stored_projection_the_map_is_pca(page: AppTest) -> None:
    assert page.segmented_control(key="map").options == ["PCA"]
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    expected = compute(checkpoint.rnn.label_vectors(), methods=("PCA",))["maps"]["PCA"]["coordinates"]
    table = next(frame.value for frame in page.dataframe if "x" in frame.value)
    assert np.array(table[["x", "y"]]) == pytest.approx(np.array(expected)[:, :2])
    page.segmented_control(key="dims").set_value("3-D").run()
    assert not page.exception
    table = next(frame.value for frame in page.dataframe if "x" in frame.value)
    assert np.array(table[["x", "y", "z"]]) == pytest.approx(np.array(expected))


def test_stored_projections_can_be_chosen(app: AppTest) -> None:
    folder = state.CHECKPOINTS / "coco"
    checkpoint = Checkpoint.load(folder)
    record(folder, checkpoint.rnn.label_vectors(), checkpoint.weights_hash)
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert app.segmented_control(key="map").options == ["UMAP", "PCA"]
    assert "n\\_neighbors" in captions(app)


def test_nearest_neighbors_are_those_of_the_label_embedding(page: AppTest) -> None:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    labels = checkpoint.vocabulary.labels
    table = next(frame.value for frame in page.dataframe if "by angle (cosine)" in frame.value).set_index("label")
    for label, near in nearest(checkpoint.rnn.label_vectors(), labels, 3).items():
        assert table.loc[label, "by angle (cosine)"] == ", ".join(f"{name} {value:.2f}" for name, value in near)


def test_unreadable_images_are_reported_and_the_others_placed(page: AppTest, scenes_root: Path) -> None:
    scene = load_split("scenes", scenes_root, "test").samples[0].image
    for kind in ("images", "a folder"):
        page.segmented_control(key="others_kind").set_value(kind).run()
        page.file_uploader(key=f"others {kind}").upload("a.png", scene.read_bytes())
        page.file_uploader(key=f"others {kind}").upload("b.png", b"no image")
        page.run()
        assert not page.exception
        assert ["b\\.png" in warning.value for warning in page.warning] == [True]


def test_the_caption_describes_the_chosen_lines(page: AppTest) -> None:
    assert "two nearest by angle" in captions(page)
    page.segmented_control(key="lines").set_value("co-occurring").run()
    assert not page.exception
    assert "most often predicts with it" in captions(page)
    (state.CHECKPOINTS / "coco" / "metrics.json").write_text("{}")  # without a co-occurrence table
    page.run()
    assert not page.exception
    assert not any(control.key == "lines" for control in page.segmented_control)


def lines_of(chart: list[dict[str, Any]], coordinates: np.ndarray) -> set[frozenset[int]]:
    """The pairs of labels that a chart's first trace joins."""
    xs, ys = ([None if v is None else float(v) for v in values_of(chart[0][axis])] for axis in "xy")
    points = list(zip(xs, ys, strict=True))

    def label(point: tuple[float, float]) -> int:
        return int(np.abs(coordinates[:, :2] - point).sum(axis=1).argmin())

    return {frozenset({label(points[i]), label(points[i + 1])}) for i in range(0, len(points), 3)}


def values_of(stored: Any) -> list[Any]:
    """Numbers of a chart, which plotly writes as a list or in base64."""
    if isinstance(stored, dict):
        return np.frombuffer(base64.b64decode(stored["bdata"]), dtype=stored["dtype"]).tolist()
    return stored


def test_lines_join_the_nearest_or_the_most_cooccurring_labels(page: AppTest, chart_data: Chart) -> None:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    labels = checkpoint.vocabulary.labels
    points = checkpoint.rnn.label_vectors()
    coordinates = np.array(compute(points, methods=("PCA",))["maps"]["PCA"]["coordinates"])
    near = nearest(points, labels, 2)
    expected = {frozenset({labels.index(a), labels.index(b)}) for a, others in near.items() for b, _ in others}
    assert lines_of(chart_data(page, "space"), coordinates) == expected
    assert len(expected) < len(labels) * (len(labels) - 1) / 2  # not all pairs

    table = {label: {other: [0.9, 0.01] for other in labels if other != label} for label in labels}
    first, second, third, fourth = labels[:4]
    table[first] |= {second: [0.0, 0.3], third: [0.0, 0.2], fourth: [0.0, 0.1]}  # the two strongest of three
    table[second] |= {fourth: [0.0, 0.05]}  # just often enough
    table[third] |= {fourth: [0.0, 0.049]}
    (state.CHECKPOINTS / "coco" / "metrics.json").write_text(json.dumps({"cooccurrence": table}))
    page.segmented_control(key="lines").set_value("co-occurring").run()
    assert not page.exception
    joined = lines_of(chart_data(page, "space"), coordinates)
    assert joined == {frozenset(pair) for pair in ((0, 1), (0, 2), (1, 3))}


def test_labels_and_steps_are_at_their_positions_in_the_map(page: AppTest, chart_data: Chart) -> None:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    labels, points = checkpoint.vocabulary.labels, checkpoint.rnn.label_vectors()
    entry = compute(points, methods=("PCA",))["maps"]["PCA"]
    image = state.open_sample(next(iter(state.samples())))
    path = state.trace(checkpoint, image, 8).paths[0]
    step_positions = place(
        entry, points, step_embeddings(checkpoint.rnn, state.feature(checkpoint, image), path.tokens)
    )
    page.selectbox(key="found").set_value(labels[1]).run()
    for dims, axes in (("2-D", "xy"), ("3-D", "xyz")):
        page.segmented_control(key="dims").set_value(dims).run()
        _, dots, steps = chart_data(page, "space")
        for number, axis in enumerate(axes):
            assert values_of(dots[axis]) == pytest.approx(np.array(entry["coordinates"])[:, number])
            assert values_of(steps[axis]) == pytest.approx(step_positions[:, number], abs=1e-6)
        assert [dots["text"].index(name) for name in labels] == list(range(len(labels)))
        assert [colour != dots["marker"]["color"][0] for colour in dots["marker"]["color"]] == [
            index == 1 for index in range(len(labels))
        ]
        choices = [*(labels[token] for token in path.tokens), "END"]
        assert [re.sub(r"^x_\d+, from which (.*) is chosen$", r"\1", text) for text in steps["hovertext"]] == choices
        listed = "  \n".join(f"**{step}** *{name}*" for step, name in enumerate(choices, start=1))
        assert listed in [block.value for block in page.markdown]
    assert np.abs(step_positions).max() > 0.1


def test_more_images_are_placed_where_their_decoding_starts(
    page: AppTest, scenes_root: Path, chart_data: Chart
) -> None:
    scenes = [sample.image for sample in load_split("scenes", scenes_root, "test").samples[:2]]
    for scene in scenes:
        page.file_uploader(key="others images").upload(scene.name, scene.read_bytes())
    page.run()
    assert not page.exception
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    points = checkpoint.rnn.label_vectors()
    entry = compute(points, methods=("PCA",))["maps"]["PCA"]
    images = chart_data(page, "space")[-1]
    assert images["hovertext"] == [scene.name for scene in scenes]
    for number, scene in enumerate(scenes):
        feature = state.feature(checkpoint, state.read_image(scene.name, scene.read_bytes()))
        start = place(entry, points, step_embeddings(checkpoint.rnn, feature, ()))[0]  # before any label
        assert [values_of(images[axis])[number] for axis in "xy"] == pytest.approx(start[:2], abs=1e-5)


def test_the_similarity_matrix_is_that_of_the_labels(page: AppTest, chart_data: Chart, figure_data: Data) -> None:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    labels = checkpoint.vocabulary.labels
    matrix = similarities(checkpoint.rnn.label_vectors(), "cosine").double().numpy()
    assert chart_data(page, "similarity") == figure_data(space.similarity_matrix(matrix, labels, False))
    page.session_state["similarity_table"] = True  # opened
    page.run()
    table = page.dataframe[-1].value
    assert list(table.index) == list(table.columns) == list(labels)
    np.testing.assert_allclose(table.to_numpy(), matrix, atol=0.0051)
    near = next(frame.value for frame in page.dataframe if "by inner product" in frame.value).set_index("label")
    for label, others in nearest(checkpoint.rnn.label_vectors(), labels, 3, "inner").items():
        assert near.loc[label, "by inner product"] == ", ".join(f"{name} {value:.2f}" for name, value in others)
