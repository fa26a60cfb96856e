"""The map of the label space: positions of labels, steps and images, edges, and the similarity matrix."""

from __future__ import annotations

import base64
import io
import itertools

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from cnnrnn.utils.style import DARK, LIGHT
from views import names, space

LABELS = ("ant", "<b>bee", "cat", "dog")
COORDINATES = np.array([[0.0, 1.0, 7.0], [2.0, -1.0, 6.0], [4.0, 3.0, 5.0], [-6.0, 0.5, 4.0]])
COUNTS = (100, 25, 4, 0)


def label_map(dims: int = 2, edges: tuple[tuple[int, int], ...] = ((0, 2), (1, 3)), dark: bool = False) -> go.Figure:
    return space.figure(COORDINATES[:, :dims], LABELS, COUNTS, edges, dark)


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
    space.add_walk(figure, COORDINATES[3], COORDINATES[:2] + 1, COORDINATES[:2], ["ant", "END"], dark=True)
    assert [list(figure.data[-2][axis]) for axis in "xyz"] == [[-6, 1, 3], [0.5, 2, 0], [4, 8, 7]]


def test_dot_area_is_the_training_count() -> None:
    labels = label_map().data[1]
    smallest = labels.marker.size[3]
    extra = np.array(labels.marker.size) - smallest
    assert smallest > 4
    assert (extra / extra[0]).tolist() == pytest.approx([1.0, 0.5, 0.2, 0.0])
    assert 15 <= extra[0] <= 30
    assert list(labels.marker.color) == [LIGHT.kept] * 4
    no_counts = space.figure(COORDINATES[:, :2], LABELS, (0, 0, 0, 0), (), True).data[0]
    assert list(no_counts.marker.size) == [smallest] * 4
    assert list(no_counts.marker.color) == [DARK.kept] * 4


@pytest.mark.parametrize("dims", [2, 3])
def test_the_map_shows_the_surroundings_of_a_label_and_joins_it_with_its_neighbors(dims: int) -> None:
    figure = space.figure(COORDINATES[:, :dims], LABELS, COUNTS, ((0, 1),), False, found=2, neighbors=[1, 0])
    edges, labels, near = figure.data
    assert list(labels.marker.color) == [LIGHT.kept, LIGHT.kept, LIGHT.chosen, LIGHT.kept]
    outlined = [LIGHT.chosen, LIGHT.chosen, LIGHT.background, LIGHT.background]
    assert list(labels.marker.line.color) == outlined
    np.testing.assert_array_equal(near.x, [4, 2, np.nan, 4, 0, np.nan])
    np.testing.assert_array_equal(near.y, [3, -1, np.nan, 3, 1, np.nan])
    assert (near.line.color, near.hoverinfo) == (LIGHT.chosen, "skip")
    assert near.line.width > edges.line.width
    assert edges.opacity < near.opacity
    axes = figure.layout if dims == 2 else figure.layout.scene
    for axis, values in zip((axes.xaxis, axes.yaxis), COORDINATES.T, strict=False):
        low, high = axis.range
        assert (low + high) / 2 == pytest.approx(values[2])  # the label is in the middle
        assert low < min(values[:3])
        assert max(values[:3]) < high
    assert figure.layout.xaxis.range[0] > -6  # the fourth label is far away


def test_a_label_among_near_ones_is_shown_much_larger() -> None:
    coordinates = np.array([[0.0, 0.0], [10.0, 0.0], [10.01, 0.0], [5.0, 10.0]])
    low, high = space.figure(coordinates, LABELS, COUNTS, (), False, found=1, neighbors=[2]).layout.xaxis.range
    assert high - low < 4
    assert label_map().layout.xaxis.range is None  # without a search all labels are seen


@pytest.mark.parametrize("dims", [2, 3])
def test_groups_have_a_color_a_shape_and_a_legend_entry_each(dims: int) -> None:
    groups = ("<i>wild", "pet", "<i>wild", "food")
    figure = space.figure(COORDINATES[:, :dims], LABELS, COUNTS, [(0, 1)], False, groups, found=2)
    edges, *parts = figure.data
    assert figure.layout.showlegend
    assert not edges.showlegend
    assert [part.name for part in parts] == ["&lt;i&gt;wild", "pet", "food"]
    assert [list(part.customdata) for part in parts] == [[0, 2], [1], [3]]
    assert [list(part.x) for part in parts] == [[0, 4], [2], [-6]]
    assert parts[0].hovertext[0] == "ant (&lt;i&gt;wild): 100 training images"
    assert parts[0].marker.color[1] == LIGHT.chosen  # the label that was searched for
    parts = space.figure(COORDINATES[:, :dims], LABELS, COUNTS, (), False, groups).data
    styles = {(part.marker.color[0], part.marker.symbol) for part in parts}
    assert len(styles) == 3
    together = space.figure(COORDINATES[:, :dims], LABELS, COUNTS, (), False)
    sizes = dict(zip([i for part in parts for i in part.customdata], [s for part in parts for s in part.marker.size],
                     strict=True))  # fmt: skip
    assert [sizes[index] for index in range(4)] == list(together.data[0].marker.size)
    assert not together.layout.showlegend
    points = COORDINATES[:2, :dims]
    space.add_walk(figure, points[0], points, points, ["ant", "END"], dark=False)
    assert not any(trace.showlegend for trace in figure.data[-2:])


def test_twelve_groups_look_different() -> None:
    labels = [f"label {number}" for number in range(12)]
    figure = space.figure(np.random.default_rng(0).random((12, 2)), labels, [1] * 12, (), False, labels)
    assert len({(part.marker.color[0], part.marker.symbol) for part in figure.data}) == 12


def test_axes_have_one_scale_and_a_margin_for_names() -> None:
    layout = label_map().layout
    assert layout.yaxis.scaleanchor == "x"
    assert layout.xaxis.visible is False
    low, high = layout.xaxis.autorangeoptions.include
    assert (low, high) == pytest.approx((-7.5, 5.5))


def written(figure: go.Figure) -> list[str]:
    """The names that are written in a map."""
    return [text for trace in figure.data if trace.customdata is not None for text in trace.text if text]


def test_as_many_names_are_written_as_there_is_room_for() -> None:
    rng = np.random.default_rng(0)
    labels, counts = [f"label {number}" for number in range(1000)], list(range(1000))
    figure = space.figure(rng.random((1000, 2)), labels, counts, (), False)
    assert 50 < len(written(figure)) < 200
    assert "label 999" in written(figure)  # the most frequent
    emphasized = {"found": 0, "neighbors": [1, 2], "path": [3]}
    spread = np.array([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.9], *rng.random((996, 2))])
    zoomed = space.figure(spread, labels, counts, (), False, **emphasized)
    assert {f"label {number}" for number in range(4)} <= set(written(zoomed))
    in_3d = space.figure(rng.random((1000, 3)), labels, counts, (), False, **emphasized)
    assert written(in_3d) == ["label 0", "label 1", "label 2", "label 3"]
    assert in_3d.data[0].hovertext[999] == "label 999: 999 training images"
    assert len(written(space.figure(rng.random((100, 3)), labels[:100], counts[:100], (), False))) == 100


def test_written_names_do_not_overlap() -> None:
    points = np.random.default_rng(1).random((300, 2)) * (640, 460)
    named = sorted(names.that_fit(points, ["four letters"] * 300, range(300)))
    for number, one in enumerate(named):
        for other in named[:number]:
            across, down = np.abs(points[one] - points[other])
            assert across >= 12 * 6 or down >= 15
    assert names.that_fit(np.zeros((2, 2)), ["a", "b"], [1, 0]) == {1}  # the first of the order has its place
    apart = np.array([[0.0, 0.0], [160.0, 0.0]])
    assert names.that_fit(apart, ["x" * 300] * 2, [0, 1]) == {0, 1}  # a long name is written in short


def test_long_names_are_shortened_on_the_map_and_whole_on_hover() -> None:
    label = "a label that has a very long name, of which the end matters, 17"
    figure = space.figure(COORDINATES[:, :2], (label, *LABELS[1:]), COUNTS, (), False)
    assert figure.data[0].text[0] == "a label that…matters, 17"
    assert figure.data[0].hovertext[0].startswith(label)


STEPS, TARGETS = np.array([[0.5, -0.5], [1.5, 2.5], [-1.0, 3.0]]), np.array([[2.0, -1.0], [4.0, 3.0], [9.0, 9.0]])


def test_the_decoding_steps_of_an_image_are_joined_in_order() -> None:
    figure = label_map()
    space.add_walk(figure, np.array([7.0, 8.0]), STEPS, TARGETS, ["<b>bee", "cat", "END"], dark=False)
    steps, walker = figure.data[-2:]
    assert list(steps.x) == [7.0, 0.5, 1.5, -1.0]
    assert list(steps.y) == [8.0, -0.5, 2.5, 3.0]
    assert list(steps.text) == ["", "1", "2", "3"]
    assert steps.mode == "lines+markers+text"
    assert list(steps.hovertext) == [
        "the image before START", "x_1, from which &lt;b&gt;bee is chosen", "x_2, from which cat is chosen",
        "x_3, from which END is chosen",
    ]  # fmt: skip
    assert steps.hoverinfo == "text"
    assert (steps.marker.symbol, steps.marker.color, steps.line.color) == ("square", LIGHT.chosen, LIGHT.chosen)
    assert (steps.textposition, steps.textfont.color) == ("middle center", LIGHT.background)  # on the marker
    assert steps.textfont.size < steps.marker.size
    assert (list(walker.x), list(walker.y)) == ([7.0, 7.0], [8.0, 8.0])
    in_3d = label_map(3)
    space.add_walk(in_3d, COORDINATES[1], COORDINATES[:1], COORDINATES[:1], ["END"], dark=True)
    assert (in_3d.data[-2].marker.symbol, in_3d.data[-2].marker.color) == ("diamond", DARK.chosen)
    assert in_3d.data[-2].textfont.color == DARK.background


@pytest.mark.parametrize("dims", [2, 3])
def test_the_walk_is_played_from_the_image_over_every_step_to_its_choice(dims: int) -> None:
    start, steps, targets = COORDINATES[0, :dims], COORDINATES[1:3, :dims], COORDINATES[[3, 0], :dims]
    figure = label_map(dims)
    space.add_walk(figure, start, steps, targets, ["<b>bee", "END"], dark=False)
    titles = ["image", "1 · <b>bee", "2 · END"]
    ends = {frame.name: [list(frame.data[0][axis]) for axis in "xyz"[:dims]] for frame in figure.frames}
    assert len(ends) == len(figure.frames)  # every frame has a name of its own
    assert [name for name in ends if name in titles] == titles
    assert ends["image"] == [[value, value] for value in start]
    for title, here, target in zip(titles[1:], steps, targets, strict=True):
        assert ends[title] == [[a, b] for a, b in zip(here, target, strict=True)]
    assert {frame.traces for frame in figure.frames} == {(len(figure.data) - 1,)}
    # In small steps: between two frames the walker moves by a part of the way.
    positions = np.array([[frame.data[0][axis] for axis in "xyz"[:dims]] for frame in figure.frames])
    longest = max(np.linalg.norm(b - a) for a, b in itertools.pairwise([start, *steps]))
    assert np.linalg.norm(np.diff(positions[:, :, 0], axis=0), axis=1).max() <= longest / 5
    play, stop = figure.layout.updatemenus[0].buttons
    assert play.args[0] is None  # all frames
    assert list(stop.args[0]) == [None]
    assert [step.args[0][0] for step in figure.layout.sliders[0].steps] == titles
    assert [step.label for step in figure.layout.sliders[0].steps] == ["image", "1 · &lt;b&gt;bee", "2 · END"]
    for button in (play, stop, *figure.layout.sliders[0].steps):
        assert button.method == "animate"
        assert button.args[1]["frame"]["redraw"] is (dims == 3)  # plotly's 3-D draws only so


def test_each_image_is_drawn_at_its_own_position() -> None:
    figure = label_map()
    positions = np.array([[1.0, -2.0], [3.0, 2.0]])
    images = [Image.new("RGB", (200, 100), colour) for colour in ("red", "blue")]
    space.add_images(figure, positions, images, ["<b>one", "two"])
    for image, (x, y), colour in zip(figure.layout.images, positions, [(254, 0, 0), (0, 0, 254)], strict=True):
        assert (image.x, image.y, image.xref, image.yref) == (x, y, "x", "y")
        assert (image.xanchor, image.yanchor) == ("center", "middle")
        assert image.sizex == image.sizey == pytest.approx(13 / 18)  # of the map's width
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
    rows = [name.replace("&lt;", "<").replace("&gt;", ">") for name in figure.layout.xaxis.ticktext]
    assert sorted(rows) == sorted(LABELS)
    assert list(figure.layout.yaxis.ticktext) == list(figure.layout.xaxis.ticktext)
    assert list(figure.layout.yaxis.tickvals) == list(figure.layout.xaxis.tickvals) == [0, 1, 2, 3]
    assert figure.layout.yaxis.autorange == "reversed"
    assert {frozenset(rows[:2]), frozenset(rows[2:])} == {frozenset({"ant", "cat"}), frozenset({"<b>bee", "dog"})}
    for row, one in enumerate(rows):
        for column, other in enumerate(rows):
            assert matrix.z[row][column] == np.float32(similarities[LABELS.index(one), LABELS.index(other)])
            assert matrix.customdata[row][column].replace("&lt;", "<").replace("&gt;", ">") == f"{one} and {other}"
    assert (matrix.zmin, matrix.zmax) == (-1, 1)
    assert matrix.z.dtype == np.float32  # half of what plotly sends otherwise
    assert figure.layout.dragmode is False  # a hand that slips does not zoom
    assert figure.layout.xaxis.fixedrange is figure.layout.yaxis.fixedrange is True
    assert "%{z:.2f}" in matrix.hovertemplate
    for font in (figure.layout.font, figure.layout.xaxis.tickfont, figure.layout.yaxis.tickfont):
        assert font.color == matrix.colorbar.tickfont.color == DARK.text
