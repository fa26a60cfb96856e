"""The map of the label space: positions of labels, steps and images, edges, and the similarity matrix."""

from __future__ import annotations

import base64
import io

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from cnnrnn.utils.style import DARK, LIGHT
from views import space

LABELS = ("ant", "<b>bee", "cat", "dog")
COORDINATES = np.array([[0.0, 1.0, 7.0], [2.0, -1.0, 6.0], [4.0, 3.0, 5.0], [-6.0, 0.5, 4.0]])
COUNTS = (100, 25, 4, 0)


def label_map(dims: int = 2, edges: tuple[tuple[int, int], ...] = ((0, 2), (1, 3)), dark: bool = False) -> go.Figure:
    return space.figure(COORDINATES[:, :dims], LABELS, COUNTS, edges, 2, dark)


def test_labels_are_at_their_coordinates_and_edges_join_the_given_pairs() -> None:
    figure = label_map()
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
    assert (edges.hoverinfo, labels.hoverinfo) == ("skip", "text")
    assert labels.textfont.color == figure.layout.font.color == LIGHT.text
    assert figure.layout.showlegend is False
    assert len(label_map(edges=()).data) == 1


def test_three_dimensional_maps_keep_the_third_coordinate() -> None:
    figure = label_map(3, dark=True)
    edges, labels = figure.data
    assert isinstance(labels, go.Scatter3d)
    for axis, values in zip("xyz", COORDINATES.T, strict=True):
        assert list(labels[axis]) == values.tolist()
        np.testing.assert_array_equal(edges[axis], [values[0], values[2], np.nan, values[1], values[3], np.nan])
    assert figure.layout.dragmode == "orbit"
    assert label_map(2).layout.dragmode == "pan"
    for axis in (figure.layout.scene.xaxis, figure.layout.scene.yaxis, figure.layout.scene.zaxis):
        assert axis.visible is False
    space.add_steps(figure, COORDINATES[:2] + 1, ["ant", "END"], dark=True)
    assert [list(figure.data[-1][axis]) for axis in "xyz"] == [[1, 3], [2, 0], [8, 7]]


def test_dot_area_is_the_training_count_and_the_found_label_is_coloured() -> None:
    labels = label_map().data[1]
    smallest = labels.marker.size[3]
    extra = np.array(labels.marker.size) - smallest
    assert smallest > 4
    assert (extra / extra[0]).tolist() == pytest.approx([1.0, 0.5, 0.2, 0.0])
    assert 15 <= extra[0] <= 30
    assert list(labels.marker.color) == [LIGHT.kept, LIGHT.kept, LIGHT.chosen, LIGHT.kept]
    none_found = space.figure(COORDINATES[:, :2], LABELS, COUNTS, (), None, True).data[0]
    assert list(none_found.marker.color) == [DARK.kept] * 4
    no_counts = space.figure(COORDINATES[:, :2], LABELS, (0, 0, 0, 0), (), None, True).data[0]
    assert list(no_counts.marker.size) == [smallest] * 4


@pytest.mark.parametrize("dims", [2, 3])
def test_groups_have_a_color_a_shape_and_a_legend_entry_each(dims: int) -> None:
    groups = ("<i>wild", "pet", "<i>wild", "food")
    figure = space.figure(COORDINATES[:, :dims], LABELS, COUNTS, [(0, 1)], 2, False, groups)
    edges, *parts = figure.data
    assert figure.layout.showlegend
    assert not edges.showlegend
    assert [part.name for part in parts] == ["&lt;i&gt;wild", "pet", "food"]
    assert [list(part.customdata) for part in parts] == [[0, 2], [1], [3]]
    assert [list(part.x) for part in parts] == [[0, 4], [2], [-6]]
    assert parts[0].hovertext[0] == "ant (&lt;i&gt;wild): 100 training images"
    assert parts[0].marker.color[1] == LIGHT.chosen  # the label that was searched for
    styles = {(part.marker.color[0], part.marker.symbol) for part in parts}
    assert len(styles) == 3
    together = space.figure(COORDINATES[:, :dims], LABELS, COUNTS, (), None, False)
    sizes = dict(zip([i for part in parts for i in part.customdata], [s for part in parts for s in part.marker.size],
                     strict=True))  # fmt: skip
    assert [sizes[index] for index in range(4)] == list(together.data[0].marker.size)
    assert not together.layout.showlegend
    space.add_steps(figure, COORDINATES[:2, :dims], ["ant", "END"], dark=False)
    assert not figure.data[-1].showlegend


def test_twelve_groups_look_different() -> None:
    labels = [f"label {number}" for number in range(12)]
    figure = space.figure(np.random.default_rng(0).random((12, 2)), labels, [1] * 12, (), None, False, labels)
    assert len({(part.marker.color[0], part.marker.symbol) for part in figure.data}) == 12


def test_axes_have_one_scale_and_a_margin_for_names() -> None:
    layout = label_map().layout
    assert layout.yaxis.scaleanchor == "x"
    assert layout.xaxis.visible is False
    low, high = layout.xaxis.autorangeoptions.include
    assert (low, high) == pytest.approx((-7.5, 5.5))


@pytest.mark.parametrize(("count", "mode"), [(100, "markers+text"), (101, "markers")])
def test_names_of_more_than_100_labels_appear_only_on_hovering(count: int, mode: str) -> None:
    labels = [f"label {i}" for i in range(count)]
    figure = space.figure(np.random.default_rng(0).random((count, 2)), labels, [1] * count, (), None, False)
    assert figure.data[0].mode == mode
    assert figure.data[0].hovertext[count - 1] == f"label {count - 1}: 1 training images"


def test_the_decoding_steps_of_an_image_are_joined_in_order() -> None:
    figure = label_map()
    space.add_steps(figure, np.array([[0.5, -0.5], [1.5, 2.5], [-1.0, 3.0]]), ["<b>bee", "cat", "END"], dark=False)
    steps = figure.data[-1]
    assert list(steps.x) == [0.5, 1.5, -1.0]
    assert list(steps.y) == [-0.5, 2.5, 3.0]
    assert list(steps.text) == ["1", "2", "3"]
    assert steps.mode == "lines+markers+text"
    assert list(steps.hovertext) == [
        "x_1, from which &lt;b&gt;bee is chosen", "x_2, from which cat is chosen", "x_3, from which END is chosen",
    ]  # fmt: skip
    assert steps.hoverinfo == "text"
    assert (steps.marker.symbol, steps.marker.color, steps.line.color) == ("square", LIGHT.chosen, LIGHT.chosen)
    assert (steps.textposition, steps.textfont.color) == ("middle center", LIGHT.background)  # on the marker
    assert steps.textfont.size < steps.marker.size
    in_3d = label_map(3)
    space.add_steps(in_3d, COORDINATES[:1], ["END"], dark=True)
    assert (in_3d.data[-1].marker.symbol, in_3d.data[-1].marker.color) == ("diamond", DARK.chosen)
    assert in_3d.data[-1].textfont.color == DARK.background


def test_each_image_is_drawn_at_its_own_position() -> None:
    figure = label_map()
    positions = np.array([[1.0, -2.0], [3.0, 2.0]])
    images = [Image.new("RGB", (200, 100), colour) for colour in ("red", "blue")]
    space.add_images(figure, positions, images, ["<b>one", "two"])
    for image, (x, y), colour in zip(figure.layout.images, positions, [(254, 0, 0), (0, 0, 254)], strict=True):
        assert (image.x, image.y, image.xref, image.yref) == (x, y, "x", "y")
        assert (image.xanchor, image.yanchor) == ("center", "middle")
        assert image.sizex == image.sizey == pytest.approx(10 / 14)  # the labels are 10 apart
        opened = Image.open(io.BytesIO(base64.b64decode(image.source.partition("base64,")[2])))
        assert opened.size == (72, 36)
        assert np.abs(np.asarray(opened).astype(int) - colour).max() <= 2
    hover = figure.data[-1]
    assert (list(hover.x), list(hover.y)) == ([1.0, 3.0], [-2.0, 2.0])
    assert list(hover.hovertext) == ["&lt;b&gt;one", "two"]
    assert hover.hoverinfo == "text"
    assert hover.marker.opacity == 0


def test_the_similarity_matrix_is_ordered_so_that_similar_labels_are_adjacent() -> None:
    similarities = np.array(
        [[1.0, 0.1, 0.9, -0.3], [0.1, 1.0, 0.2, 0.8], [0.9, 0.2, 1.0, -0.1], [-0.3, 0.8, -0.1, 1.0]]
    )  # ant is like cat, bee like dog
    figure = space.similarity_matrix(similarities, LABELS, dark=True)
    matrix = figure.data[0]
    names = [name.replace("&lt;", "<").replace("&gt;", ">") for name in figure.layout.xaxis.ticktext]
    assert sorted(names) == sorted(LABELS)
    assert list(figure.layout.yaxis.ticktext) == list(figure.layout.xaxis.ticktext)
    assert list(figure.layout.yaxis.tickvals) == list(figure.layout.xaxis.tickvals) == [0, 1, 2, 3]
    assert figure.layout.yaxis.autorange == "reversed"
    assert {frozenset(names[:2]), frozenset(names[2:])} == {frozenset({"ant", "cat"}), frozenset({"<b>bee", "dog"})}
    for row, one in enumerate(names):
        for column, other in enumerate(names):
            assert matrix.z[row][column] == similarities[LABELS.index(one), LABELS.index(other)]
            assert matrix.customdata[row][column].replace("&lt;", "<").replace("&gt;", ">") == f"{one} and {other}"
    assert (matrix.zmin, matrix.zmax) == (-1, 1)
    assert figure.layout.dragmode is False  # a hand that slips does not zoom
    assert figure.layout.xaxis.fixedrange is figure.layout.yaxis.fixedrange is True
    assert "%{z:.2f}" in matrix.hovertemplate
    for font in (figure.layout.font, figure.layout.xaxis.tickfont, figure.layout.yaxis.tickfont):
        assert font.color == matrix.colorbar.tickfont.color == DARK.text
