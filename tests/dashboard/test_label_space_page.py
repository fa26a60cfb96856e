"""The label space page, with a small checkpoint of rendered scenes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dashboard_helpers import Chart, Data
from streamlit.testing.v1 import AppTest

import image_files
import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.label_space.neighbors import image_embedding, nearest, similarities, step_embeddings
from cnnrnn.label_space.projection import compute, place, record
from cnnrnn.models.vocabulary import Vocabulary
from views import space

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
    assert np.array(table[["x", "y"]]) == pytest.approx(np.array(expected))


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

    page.selectbox(key="found").set_value(first).run()  # what is highlighted and listed follows the lines
    assert not page.exception
    listed = next(block.value for block in page.markdown if block.value.startswith("Predicted with"))
    assert listed.replace("\\", "").split("  \n") == [
        f"Predicted with **{first}**, P(label | {first}):", f"{second} 30%", f"{third} 20%", f"{fourth} 10%"
    ]  # fmt: skip
    thick = next(trace for trace in chart_data(page, "space") if trace.get("line", {}).get("width") == 2)
    assert values_of(thick["x"])[1::3] == pytest.approx(coordinates[[1, 2, 3], 0])
    page.selectbox(key="found").set_value(fourth).run()
    assert f"No label is predicted with **{fourth}** in at least 5% of the cases." in [
        block.value.replace("\\", "") for block in page.markdown
    ]


def test_labels_and_steps_are_at_their_positions_in_the_map(page: AppTest, chart_data: Chart) -> None:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    labels, points = checkpoint.vocabulary.labels, checkpoint.rnn.label_vectors()
    entry = compute(points, methods=("PCA",))["maps"]["PCA"]
    image = image_files.open_sample(next(iter(image_files.samples())))
    path = state.trace(checkpoint, image, 8).paths[0]
    feature = state.feature(checkpoint, image)
    alone = checkpoint.rnn.h(checkpoint.rnn.project_image(feature)[0].detach().mean(dim=0, keepdim=True))
    steps = step_embeddings(checkpoint.rnn, feature, path.tokens)
    step_positions = place(entry, points, torch.cat([alone, steps]))  # the model has no spatial scoring
    page.selectbox(key="found").set_value(labels[1]).run()
    near = [labels.index(other) for other, _ in nearest(points, labels, 5)[labels[1]]]
    _, dots, lines, chosen, walk, walker, *_ = chart_data(page, "space")
    for number, axis in enumerate("xy"):
        coordinates = np.array(entry["coordinates"])[:, number]
        assert values_of(dots[axis]) == pytest.approx(coordinates)
        assert values_of(lines[axis])[1::3] == pytest.approx(coordinates[near])
        assert values_of(walk[axis]) == pytest.approx(step_positions[:, number], abs=1e-6)
        assert values_of(chosen[axis])[::3] == pytest.approx(step_positions[1:-1, number], abs=1e-6)
        assert values_of(chosen[axis])[1::3] == pytest.approx(coordinates[list(path.tokens)], abs=1e-6)
        assert values_of(walker[axis]) == pytest.approx([step_positions[0, number]] * 2, abs=1e-6)
    assert {labels[1], *(labels[index] for index in near)} <= set(dots["text"])
    assert [colour != dots["marker"]["color"][0] for colour in dots["marker"]["color"]] == [
        index == 1 for index in range(len(labels))
    ]
    choices = [*(labels[token] for token in path.tokens), "END"]
    found = [re.sub(r"^x_\d+, from which (.*) is chosen$", r"\1", text) for text in walk["hovertext"]]
    assert found[1:] == choices
    listed = "  \n".join(f"**{step}** *{name}*" for step, name in enumerate(choices, start=1))
    assert listed in [block.value for block in page.markdown]
    assert np.abs(step_positions).max() > 0.1
    listed = next(block.value for block in page.markdown if block.value.startswith("Nearest to"))
    assert [line.rsplit(" ", 1)[0] for line in listed.split("  \n")[1:]] == [labels[index] for index in near]


def test_each_step_of_the_walk_points_at_the_label_that_it_chooses(page: AppTest) -> None:
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    points = checkpoint.rnn.label_vectors()
    entry = compute(points, methods=("PCA",))["maps"]["PCA"]
    image = image_files.open_sample(next(iter(image_files.samples())))
    path = state.trace(checkpoint, image, 8).paths[0]
    chart = next(chart.proto for chart in page.get("plotly_chart") if chart.proto.id.endswith("-space"))
    frames = {frame["name"]: frame["data"][0] for frame in json.loads(chart.spec)["frames"]}
    for step, token in enumerate(path.tokens, start=1):
        frame = frames[f"{step} · {checkpoint.vocabulary.labels[token]}"]
        assert [values_of(frame[axis])[1] for axis in "xy"] == pytest.approx(entry["coordinates"][token][:2], abs=1e-4)
    end = place(entry, points, checkpoint.rnn.label_embedding[None, checkpoint.rnn.end])[0]
    last = frames[f"{len(path.tokens) + 1} · END"]
    assert [values_of(last[axis])[1] for axis in "xy"] == pytest.approx(end[:2], abs=1e-4)


def test_the_images_of_the_session_or_the_samples_are_placed_on_the_map(
    page: AppTest, scenes_root: Path, chart_data: Chart
) -> None:
    sample = next(iter(image_files.samples()))
    assert chart_data(page, "space")[-1]["hovertext"] == [sample]  # the chosen image alone
    scenes = [sample.image for sample in load_split("scenes", scenes_root, "test").samples[:2]]
    page.session_state["tray"] = {
        image.digest: image for image in (image_files.read_image(scene.name, scene.read_bytes()) for scene in scenes)
    }
    page.segmented_control(key="placed").set_value("your images").run()
    assert not page.exception
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    points = checkpoint.rnn.label_vectors()
    entry = compute(points, methods=("PCA",))["maps"]["PCA"]
    images = chart_data(page, "space")[-1]
    assert images["hovertext"] == [sample, *(scene.name for scene in reversed(scenes))]  # the newest first
    for number, scene in enumerate(reversed(scenes), start=1):
        feature = state.feature(checkpoint, image_files.read_image(scene.name, scene.read_bytes()))
        start = place(entry, points, image_embedding(checkpoint.rnn, feature)[None])[0]
        assert [values_of(images[axis])[number] for axis in "xy"] == pytest.approx(start[:2], abs=1e-5)
    page.segmented_control(key="placed").set_value("samples").run()
    assert chart_data(page, "space")[-1]["hovertext"] == list(image_files.samples())
    layout = json.loads(
        next(chart.proto.spec for chart in page.get("plotly_chart") if chart.proto.id.endswith("-space"))
    )["layout"]
    assert len(layout["images"]) == len(image_files.samples())
    assert max(len(image["source"]) for image in layout["images"]) < 8000  # characters


def test_the_matrix_of_many_labels_is_that_of_a_group_or_of_the_nearest_labels(
    app: AppTest, chart_data: Chart, untrained_spatial: Callable[..., Checkpoint]
) -> None:
    names = [f"label {number}" for number in range(120)]
    checkpoint = untrained_spatial(names)
    groups = tuple("even" if number % 2 == 0 else "odd" for number in range(120))
    checkpoint.vocabulary = Vocabulary(tuple(names), (9,) * 120, groups)
    checkpoint.save(state.CHECKPOINTS / "coco", {}, card="")
    app.run()
    page = app.switch_page(PAGE).run()
    assert not page.exception
    vectors = Checkpoint.load(state.CHECKPOINTS / "coco").rnn.label_vectors()
    matrix = similarities(vectors, "cosine").double().numpy()

    def compared() -> dict[str, dict[str, float]]:
        chart = chart_data(page, "similarity")[0]
        pairs = [cell.split(" and ") for row in chart["customdata"] for cell in row]
        z = np.frombuffer(base64.b64decode(chart["z"]["bdata"]), dtype=chart["z"]["dtype"])
        for (row, column), value in zip(pairs, z, strict=True):
            if row != column:
                assert value == pytest.approx(matrix[names.index(row), names.index(column)], abs=0.0051)
        return {row for row, _ in pairs}

    order = np.argsort(-matrix[0])[:40]
    assert compared() == {names[index] for index in order}  # the first label and the 39 nearest to it
    page.selectbox(key="compared_labels").select_index(1).run()  # the second group
    assert compared() == set(names[1::2])
    page.selectbox(key="compared_labels").select_index(2 + 77).run()
    assert compared() == {names[index] for index in np.argsort(-matrix[77])[:40]}


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
