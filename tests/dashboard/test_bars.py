"""Bars of probabilities: which labels are drawn, in which order, and how long each bar is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnnrnn.decoding.trace import Path, Trace, TraceStep
from cnnrnn.utils.style import DARK, LIGHT
from views import bars

LABELS = ("ant", "<b>bee", "cat", "dog")
PATH = Path((1, 2), float(np.log(0.2)), (0, 1, 0))


def trace() -> Trace:
    """The path bee, cat, END; the row of its prefix at step 2 is not the first."""
    steps = (
        TraceStep(np.array([-1]), np.array([5]), np.zeros(1), np.array([[0.2, 0.5, 0.04, 0.0004, 0.25]])),
        TraceStep(
            np.array([0, 0]), np.array([0, 1]), np.log([0.2, 0.5]),
            np.array([[0.0, 0.9, 0.1, 0.0, 0.0], [0.3, 0.0, 0.05, 0.25, 0.4]]),
        ),
        TraceStep(np.array([1]), np.array([2]), np.log([0.4]), np.array([[0.125, 0.0, 0.0, 0.375, 0.5]])),
    )  # fmt: skip
    return Trace(LABELS, 2, steps, (PATH,), np.array([0.1, 0.7, 0.05, 0.6]), 0.9)


def test_marginals_are_sorted_and_the_labels_of_the_path_are_marked() -> None:
    figure = bars.label_probabilities(trace(), PATH, dark=False, most=2)
    bar = figure.data[0]
    assert bar.orientation == "h"
    assert list(bar.x) == [0.7, 0.6, 0.05]  # cat is on the path, though it is not among the two most probable
    assert list(bar.y) == [0, 1, 2]
    assert list(bar.text) == ["70%", "60%", "5.0%"]
    assert list(bar.hovertext) == ["&lt;b&gt;bee: 70.00%", "dog: 60.00%", "cat: 5.00%"]
    assert bar.hoverinfo == "text"
    assert bar.cliponaxis is False  # a bar's text may stand beyond the axis
    assert (bar.textposition, bar.textfont.color) == ("outside", LIGHT.text)
    assert list(bar.marker.color) == [LIGHT.chosen, LIGHT.kept, LIGHT.chosen]
    axis = figure.layout.yaxis
    assert list(axis.ticktext) == ["✓ &lt;b&gt;bee", "dog", "✓ cat"]
    assert list(axis.tickvals) == [0, 1, 2]
    assert axis.autorange == "reversed"  # the first row is on top


def test_the_kind_of_probability_is_named() -> None:
    searched = trace()
    for found, name in (
        (searched, "marginal probability"),
        (replace(searched, calibrated=searched.marginals), "probability"),
        (replace(searched, steps=()), "probability"),  # of a sigmoid
    ):
        assert [note.text for note in bars.label_probabilities(found, PATH, dark=False).layout.annotations] == [name]


def test_with_the_ground_truth_each_label_is_right_wrong_or_missed() -> None:
    """bee and cat are predicted, bee and dog are there."""
    figure = bars.label_probabilities(trace(), PATH, dark=False, truth=("<b>bee", "dog"))
    assert list(figure.data[0].text) == ["70%  right", "60%  missed", "10%", "5.0%  wrong"]
    assert list(bars.label_probabilities(trace(), PATH, False, truth=()).data[0].text) == [
        "70%  wrong", "60%", "10%", "5.0%  wrong",
    ]  # fmt: skip


def test_step_distribution_is_conditional_on_the_prefix() -> None:
    figure = bars.step_distribution(trace(), PATH, 1, dark=True, most=3)
    bar = figure.data[0]
    assert list(bar.x) == [0.4, 0.3, 0.25, 0.05]  # cat, the choice, is drawn beyond the three most probable
    assert list(figure.layout.yaxis.ticktext) == ["END", "ant", "dog", "✓ cat"]
    assert list(bar.marker.color) == [DARK.kept, DARK.kept, DARK.kept, DARK.chosen]
    assert bar.textfont.color == DARK.text
    last = bars.step_distribution(trace(), PATH, 2, dark=True, most=2)
    assert list(last.layout.yaxis.ticktext) == ["✓ END", "dog"]
    assert list(last.data[0].x) == [0.5, 0.375]


def test_every_row_has_the_same_height() -> None:
    layouts = [bars.label_probabilities(trace(), Path((), -1.0, (0,)), False, most).layout for most in (1, 2, 3)]
    heights = [layout.height for layout in layouts]
    assert heights[2] - heights[1] == heights[1] - heights[0]
    assert 20 <= heights[1] - heights[0] <= 40
    for rows, layout in enumerate(layouts, 1):
        assert 20 <= (layout.height - layout.margin.t - layout.margin.b) / rows <= 40  # pixels of a row


def test_bars_start_at_zero_and_a_bar_of_one_fits_with_its_text() -> None:
    axis = bars.label_probabilities(trace(), PATH, dark=False).layout.xaxis
    assert axis.range[0] == 0
    assert 1.1 < axis.range[1] < 1.5
    assert not axis.visible


def test_a_hand_that_slips_does_not_zoom() -> None:
    layout = bars.label_probabilities(trace(), PATH, dark=False).layout
    assert layout.dragmode is False
    assert layout.xaxis.fixedrange is True
    assert layout.yaxis.fixedrange is True


@pytest.mark.parametrize(("count", "rows"), [(20, 6), (3, 3)])
def test_at_most_six_labels_and_choices_are_drawn(count: int, rows: int) -> None:
    probs = np.linspace(1, 2, count + 1) / np.linspace(1, 2, count + 1).sum()
    step = TraceStep(np.array([-1]), np.array([count + 1]), np.zeros(1), probs[None])
    empty = Path((), float(np.log(probs[-1])), (0,))
    many = Trace(tuple(f"label {i}" for i in range(count)), 1, (step,), (empty,), np.linspace(0.1, 0.9, count), 1.0)
    marginals = bars.label_probabilities(many, empty, dark=False)
    assert len(marginals.data[0].x) == rows
    assert marginals.layout.yaxis.ticktext[0] == f"label {count - 1}"
    choices = bars.step_distribution(many, empty, 0, dark=False)
    assert len(choices.data[0].x) == min(6, count + 1)
