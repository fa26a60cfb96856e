"""The label space drawn: where labels, steps and images stand, what is joined, and who is like whom."""

from __future__ import annotations

import base64
import io

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from views import space
from views.style import DARK, LIGHT

LABELS = ("ant", "<b>bee", "cat", "dog")
COORDINATES = np.array([[0.0, 1.0, 7.0], [2.0, -1.0, 6.0], [4.0, 3.0, 5.0], [-6.0, 0.5, 4.0]])
COUNTS = (100, 25, 4, 0)


def drawn(dims: int = 2, edges: tuple[tuple[int, int], ...] = ((0, 2), (1, 3)), dark: bool = False) -> go.Figure:
    return space.figure(COORDINATES[:, :dims], LABELS, COUNTS, edges, 2, dark)


def test_every_label_stands_at_its_coordinates_and_edges_join_the_pairs_they_are_given() -> None:
    figure = drawn()
    edges, labels = figure.data
    assert list(labels.x) == [0, 2, 4, -6]
    assert list(labels.y) == [1, -1, 3, 0.5]
    assert list(labels.text) == ["ant", "&lt;b&gt;bee", "cat", "dog"]
    assert list(labels.customdata) == [0, 1, 2, 3]
    assert labels.hovertext[1] == "&lt;b&gt;bee: 25 training images"
    assert labels.mode == "markers+text"
    np.testing.assert_array_equal(edges.x, [0, 4, np.nan, 2, -6, np.nan])
    np.testing.assert_array_equal(edges.y, [1, 3, np.nan, -1, 0.5, np.nan])
    assert edges.mode == "lines"
    assert len(drawn(edges=()).data) == 1


def test_in_three_dimensions_nothing_loses_its_depth() -> None:
    figure = drawn(3, dark=True)
    edges, labels = figure.data
    assert isinstance(labels, go.Scatter3d)
    for axis, values in zip("xyz", COORDINATES.T, strict=True):
        assert list(labels[axis]) == values.tolist()
        np.testing.assert_array_equal(edges[axis], [values[0], values[2], np.nan, values[1], values[3], np.nan])
    assert figure.layout.dragmode == "orbit"
    assert drawn(2).layout.dragmode == "pan"
    for axis in (figure.layout.scene.xaxis, figure.layout.scene.yaxis, figure.layout.scene.zaxis):
        assert axis.visible is False
    space.add_way(figure, COORDINATES[:2] + 1, ["ant", "END"], dark=True)
    assert [list(figure.data[-1][axis]) for axis in "xyz"] == [[1, 3], [2, 0], [8, 7]]


def test_the_area_of_a_dot_is_the_number_of_training_images_and_the_label_looked_for_is_coloured() -> None:
    labels = drawn().data[1]
    smallest = labels.marker.size[3]
    extra = np.array(labels.marker.size) - smallest
    assert smallest > 4
    assert (extra / extra[0]).tolist() == pytest.approx([1.0, 0.5, 0.2, 0.0])
    assert 15 <= extra[0] <= 30
    assert list(labels.marker.color) == [LIGHT.kept, LIGHT.kept, LIGHT.chosen, LIGHT.kept]
    nobody = space.figure(COORDINATES[:, :2], LABELS, COUNTS, (), None, True).data[0]
    assert list(nobody.marker.color) == [DARK.kept] * 4
    no_counts = space.figure(COORDINATES[:, :2], LABELS, (0, 0, 0, 0), (), None, True).data[0]
    assert list(no_counts.marker.size) == [smallest] * 4


def test_both_axes_have_one_scale_and_room_for_names() -> None:
    layout = drawn().layout
    assert layout.yaxis.scaleanchor == "x"
    assert layout.xaxis.visible is False
    low, high = layout.xaxis.autorangeoptions.include
    assert (low, high) == pytest.approx((-7.5, 5.5))


@pytest.mark.parametrize(("count", "mode"), [(60, "markers+text"), (61, "markers")])
def test_the_names_of_many_labels_are_told_on_hovering_alone(count: int, mode: str) -> None:
    labels = [f"label {i}" for i in range(count)]
    figure = space.figure(np.random.default_rng(0).random((count, 2)), labels, [1] * count, (), None, False)
    assert figure.data[0].mode == mode
    assert figure.data[0].hovertext[count - 1] == f"label {count - 1}: 1 training images"


def test_the_way_of_a_image_goes_through_its_steps_in_their_order() -> None:
    figure = drawn()
    space.add_way(figure, np.array([[0.5, -0.5], [1.5, 2.5], [-1.0, 3.0]]), ["<b>bee", "cat", "END"], dark=False)
    way = figure.data[-1]
    assert list(way.x) == [0.5, 1.5, -1.0]
    assert list(way.y) == [-0.5, 2.5, 3.0]
    assert list(way.text) == ["1", "2", "3"]
    assert way.mode == "lines+markers+text"
    assert list(way.hovertext) == [
        "x_1: then it says &lt;b&gt;bee", "x_2: then it says cat", "x_3: then it says END",
    ]  # fmt: skip
    assert (way.marker.symbol, way.marker.color, way.line.color) == ("square", LIGHT.chosen, LIGHT.chosen)
    flat = drawn(3)
    space.add_way(flat, COORDINATES[:1], ["END"], dark=True)
    assert (flat.data[-1].marker.symbol, flat.data[-1].marker.color) == ("diamond", DARK.chosen)


def test_each_image_is_drawn_at_its_own_place() -> None:
    figure = drawn()
    places = np.array([[1.0, -2.0], [3.0, 2.0]])
    images = [Image.new("RGB", (200, 100), colour) for colour in ("red", "blue")]
    space.add_images(figure, places, images, ["<b>one", "two"])
    for image, (x, y), colour in zip(figure.layout.images, places, [(254, 0, 0), (0, 0, 254)], strict=True):
        assert (image.x, image.y, image.xref, image.yref) == (x, y, "x", "y")
        assert (image.xanchor, image.yanchor) == ("center", "middle")
        assert image.sizex == image.sizey == pytest.approx(10 / 14)  # the labels are 10 apart
        opened = Image.open(io.BytesIO(base64.b64decode(image.source.partition("base64,")[2])))
        assert opened.size == (72, 36)
        assert np.abs(np.asarray(opened).astype(int) - colour).max() <= 2
    hover = figure.data[-1]
    assert (list(hover.x), list(hover.y)) == ([1.0, 3.0], [-2.0, 2.0])
    assert list(hover.hovertext) == ["&lt;b&gt;one", "two"]
    assert hover.marker.opacity == 0


def test_the_similarity_matrix_is_in_the_order_of_its_names_and_alike_labels_stand_together() -> None:
    similar = np.array(
        [[1.0, 0.1, 0.9, -0.3], [0.1, 1.0, 0.2, 0.8], [0.9, 0.2, 1.0, -0.1], [-0.3, 0.8, -0.1, 1.0]]
    )  # ant is like cat, bee like dog
    figure = space.likeness(similar, LABELS, dark=True)
    matrix = figure.data[0]
    shown = [name.replace("&lt;", "<").replace("&gt;", ">") for name in figure.layout.xaxis.ticktext]
    assert sorted(shown) == sorted(LABELS)
    assert list(figure.layout.yaxis.ticktext) == list(figure.layout.xaxis.ticktext)
    assert list(figure.layout.yaxis.tickvals) == list(figure.layout.xaxis.tickvals) == [0, 1, 2, 3]
    assert figure.layout.yaxis.autorange == "reversed"
    assert {frozenset(shown[:2]), frozenset(shown[2:])} == {frozenset({"ant", "cat"}), frozenset({"<b>bee", "dog"})}
    for row, one in enumerate(shown):
        for column, other in enumerate(shown):
            assert matrix.z[row][column] == similar[LABELS.index(one), LABELS.index(other)]
            assert matrix.customdata[row][column].replace("&lt;", "<").replace("&gt;", ">") == f"{one} and {other}"
    assert (matrix.zmin, matrix.zmax) == (-1, 1)
    assert figure.layout.dragmode is False  # a hand that slips does not zoom
    assert figure.layout.xaxis.fixedrange is figure.layout.yaxis.fixedrange is True
    assert "%{z:.2f}" in matrix.hovertemplate
