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
from views import space

LABELS = ("ant", "<b>bee", "cat", "dog")
COORDINATES = np.array([[0.0, 1.0], [2.0, -1.0], [4.0, 3.0], [-6.0, 0.5]])
COUNTS = (100, 25, 4, 0)


def label_map(edges: tuple[tuple[int, int], ...] = ((0, 2), (1, 3)), dark: bool = False) -> go.Figure:
    return space.figure(COORDINATES, LABELS, COUNTS, edges, dark)


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


def test_dot_area_is_the_training_count() -> None:
    labels = label_map().data[1]
    smallest = labels.marker.size[3]
    extra = np.array(labels.marker.size) - smallest
    assert smallest > 4
    assert (extra / extra[0]).tolist() == pytest.approx([1.0, 0.5, 0.2, 0.0])
    assert 15 <= extra[0] <= 30
    assert list(labels.marker.color) == [LIGHT.kept] * 4
    no_counts = space.figure(COORDINATES, LABELS, (0, 0, 0, 0), (), True).data[0]
    assert list(no_counts.marker.size) == [smallest] * 4
    assert list(no_counts.marker.color) == [DARK.kept] * 4


def test_the_map_shows_the_surroundings_of_a_label_and_joins_it_with_its_neighbors() -> None:
    figure = space.figure(COORDINATES, LABELS, COUNTS, ((0, 1),), False, found=2, neighbors=[1, 0])
    edges, labels, near = figure.data
    assert list(labels.marker.color) == [LIGHT.kept, LIGHT.kept, LIGHT.chosen, LIGHT.kept]
    outlined = [LIGHT.chosen, LIGHT.chosen, LIGHT.background, LIGHT.background]
    assert list(labels.marker.line.color) == outlined
    np.testing.assert_array_equal(near.x, [4, 2, np.nan, 4, 0, np.nan])
    np.testing.assert_array_equal(near.y, [3, -1, np.nan, 3, 1, np.nan])
    assert (near.line.color, near.hoverinfo) == (LIGHT.chosen, "skip")
    assert near.line.width > edges.line.width
    assert edges.opacity < near.opacity
    for axis, values in zip((figure.layout.xaxis, figure.layout.yaxis), COORDINATES.T, strict=True):
        low, high = axis.range
        assert (low + high) / 2 == pytest.approx(values[2])  # the label is in the middle
        assert low < min(values[:3])
        assert max(values[:3]) < high
    assert figure.layout.xaxis.range[0] > -6  # the fourth label is far away


def test_a_label_among_near_ones_is_shown_much_larger() -> None:
    coordinates = np.array([[0.0, 0.0], [10.0, 0.0], [10.01, 0.0], [5.0, 10.0]])
    low, high = space.figure(coordinates, LABELS, COUNTS, (), False, found=1, neighbors=[2]).layout.xaxis.range
    assert high - low < 4
    assert label_map().layout.xaxis.range[0] < -6  # without a search all labels are seen


def test_groups_have_a_color_a_shape_and_a_legend_entry_each() -> None:
    groups = ("<i>wild", "pet", "<i>wild", "food")
    figure = space.figure(COORDINATES, LABELS, COUNTS, [(0, 1)], False, groups, found=2)
    edges, *parts = figure.data[:4]
    assert figure.layout.showlegend
    assert not edges.showlegend
    assert [part.name for part in parts] == ["&lt;i&gt;wild", "pet", "food"]
    assert [list(part.customdata) for part in parts] == [[0, 2], [1], [3]]
    assert [list(part.x) for part in parts] == [[0, 4], [2], [-6]]
    assert parts[0].hovertext[0] == "ant (&lt;i&gt;wild): 100 training images"
    assert parts[0].marker.color[1] == LIGHT.chosen  # the label that was searched for
    parts = space.figure(COORDINATES, LABELS, COUNTS, (), False, groups).data
    styles = {(part.marker.color[0], part.marker.symbol) for part in parts}
    assert len(styles) == 3
    together = space.figure(COORDINATES, LABELS, COUNTS, (), False)
    sizes = dict(zip([i for part in parts for i in part.customdata], [s for part in parts for s in part.marker.size],
                     strict=True))  # fmt: skip
    assert [sizes[index] for index in range(4)] == list(together.data[0].marker.size)
    assert not together.layout.showlegend
    points = COORDINATES[:2]
    space.add_walk(figure, points[0], points, points, ["ant", "END"], dark=False)
    assert not any(trace.showlegend for trace in figure.data[-2:])


def test_the_legend_shows_a_group_as_it_is_not_as_the_label_that_was_searched_for() -> None:
    figure = space.figure(COORDINATES, LABELS, COUNTS, (), False, ("a", "b", "a", "c"), found=0, neighbors=[1])
    plain = space.figure(COORDINATES, LABELS, COUNTS, (), False, ("a", "b", "a", "c"))
    entries = [trace for trace in figure.data if trace.name and trace.showlegend is not False]
    assert [(entry.name, entry.marker.color, entry.marker.symbol) for entry in entries] == [
        (part.name, part.marker.color[0], part.marker.symbol) for part in plain.data
    ]
    assert all(entry.marker.line.color is None for entry in entries)


def test_twelve_groups_look_different() -> None:
    labels = [f"label {number}" for number in range(12)]
    figure = space.figure(np.random.default_rng(0).random((12, 2)), labels, [1] * 12, (), False, labels)
    assert len({(part.marker.color[0], part.marker.symbol) for part in figure.data}) == 12


def test_the_map_fills_its_width_and_height_with_a_margin_for_names() -> None:
    layout = label_map().layout
    for axis, low, high in ((layout.xaxis, -6, 4), (layout.yaxis, -1, 3)):
        assert axis.scaleanchor is None
        assert axis.visible is False
        room = np.array(axis.range) - (low, high)
        assert -0.1 * (high - low) < room[0] < 0 < room[1] < 0.1 * (high - low)


def written(figure: go.Figure) -> list[str]:
    """The names that are written in a map."""
    return [text for trace in figure.data if trace.customdata is not None for text in trace.text if text]


def position_of(name: str, figure: go.Figure) -> str:
    found = [
        dict(zip(trace.text, trace.textposition, strict=True)) for trace in figure.data if trace.customdata is not None
    ]
    return next(positions[name] for positions in found if name in positions)


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
    assert zoomed.data[0].hovertext[999] == "label 999: 999 training images"


def test_names_leave_room_for_the_squares_of_the_steps() -> None:
    low, high = label_map().layout.yaxis.range
    ant = COORDINATES[0] + np.array([0, 20 / 460 * (high - low)])  # where its name is
    before, after = (
        position_of("ant", space.figure(COORDINATES, LABELS, COUNTS, (), False, steps=steps))
        for steps in (None, ant[None])
    )
    assert (before, after) == ("top center", "bottom center")


def test_long_names_are_shortened_on_the_map_and_whole_on_hover() -> None:
    label = "a label that has a very long name, of which the end matters, 17"
    figure = space.figure(COORDINATES, (label, *LABELS[1:]), COUNTS, (), False)
    assert figure.data[0].text[0] == "a label that…matters, 17"
    assert figure.data[0].hovertext[0].startswith(label)


STEPS, TARGETS = np.array([[0.5, -0.5], [1.5, 2.5], [-1.0, 3.0]]), np.array([[2.0, -1.0], [4.0, 3.0], [9.0, 9.0]])


def test_the_decoding_steps_of_an_image_are_joined_in_order() -> None:
    figure = label_map()
    space.add_walk(figure, np.array([7.0, 8.0]), STEPS, TARGETS, ["<b>bee", "cat", "END"], dark=False)
    chosen, steps, walker = figure.data[-3:]
    np.testing.assert_array_equal(chosen.x, [0.5, 2.0, np.nan, 1.5, 4.0, np.nan])  # END is no label of the map
    np.testing.assert_array_equal(chosen.y, [-0.5, -1.0, np.nan, 2.5, 3.0, np.nan])
    assert (chosen.mode, chosen.line.dash, chosen.hoverinfo) == ("lines", "dot", "skip")
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
    dark = label_map()
    space.add_walk(dark, COORDINATES[1], COORDINATES[:1], COORDINATES[:1], ["END"], dark=True)
    assert (dark.data[-2].marker.color, dark.data[-2].textfont.color) == (DARK.chosen, DARK.background)
    assert len(dark.data) == len(label_map().data) + 2  # no label is chosen


def test_the_walk_is_played_from_the_image_over_every_step_to_its_choice() -> None:
    start, steps, targets = COORDINATES[0], COORDINATES[1:3], COORDINATES[[3, 0]]
    figure = label_map()
    space.add_walk(figure, start, steps, targets, ["<b>bee", "END"], dark=False)
    titles = ["image", "1 · <b>bee", "2 · END"]
    ends = {frame.name: [list(frame.data[0][axis]) for axis in "xy"] for frame in figure.frames}
    assert len(ends) == len(figure.frames)  # every frame has a name of its own
    assert [name for name in ends if name in titles] == titles
    assert ends["image"] == [[value, value] for value in start]
    for title, here, target in zip(titles[1:], steps, targets, strict=True):
        assert ends[title] == [[a, b] for a, b in zip(here, target, strict=True)]
    assert {frame.traces for frame in figure.frames} == {(len(figure.data) - 1,)}
    # In small steps: between two frames the walker moves by a part of the way.
    positions = np.array([[frame.data[0][axis] for axis in "xy"] for frame in figure.frames])
    longest = max(np.linalg.norm(b - a) for a, b in itertools.pairwise([start, *steps]))
    assert np.linalg.norm(np.diff(positions[:, :, 0], axis=0), axis=1).max() <= longest / 5
    play, stop = figure.layout.updatemenus[0].buttons
    assert play.args[0] is None  # all frames
    assert list(stop.args[0]) == [None]
    assert [step.args[0][0] for step in figure.layout.sliders[0].steps] == titles
    assert [step.label for step in figure.layout.sliders[0].steps] == ["image", "1 · &lt;b&gt;bee", "2 · END"]
    for button in (play, stop, *figure.layout.sliders[0].steps):
        assert button.method == "animate"
        assert button.args[1]["frame"]["redraw"] is False


def test_each_image_is_drawn_at_its_own_position() -> None:
    figure = label_map()
    positions = np.array([[1.0, -2.0], [3.0, 2.0]])
    images = [Image.new("RGB", (200, 100), colour) for colour in ("red", "blue")]
    space.add_images(figure, positions, images, ["<b>one", "two"])
    for image, (x, y), colour in zip(figure.layout.images, positions, [(254, 0, 0), (0, 0, 254)], strict=True):
        assert (image.x, image.y, image.xref, image.yref) == (x, y, "x", "y")
        assert (image.xanchor, image.yanchor) == ("center", "middle")
        assert (image.sizex, image.sizey) == pytest.approx((10 * 1.12 / 18, 4 * 1.12 / 10))  # of the map's extent
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
            expected = np.nan if row == column else similarities[LABELS.index(one), LABELS.index(other)]
            np.testing.assert_equal(matrix.z[row][column], np.float32(expected))
            assert matrix.customdata[row][column].replace("&lt;", "<").replace("&gt;", ">") == f"{one} and {other}"
    assert (matrix.zmin, matrix.zmax) == (-0.9, 0.9)  # of different labels
    assert matrix.z.dtype == np.float32  # half of what plotly sends otherwise
    assert figure.layout.dragmode is False  # a hand that slips does not zoom
    assert figure.layout.xaxis.fixedrange is figure.layout.yaxis.fixedrange is True
    assert "%{z:.2f}" in matrix.hovertemplate
    for font in (figure.layout.font, figure.layout.xaxis.tickfont, figure.layout.yaxis.tickfont):
        assert font.color == matrix.colorbar.tickfont.color == DARK.text
