"""The difference of two predictions as pairs of probabilities, sentences and a chart, and the occlusion of pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnnrnn.decoding.trace import Trace, TraceStep
from cnnrnn.utils.style import DARK, LIGHT
from views import marginal_diff
from views.marginal_diff import MarginalChange


def trace(**marginals: float) -> Trace:
    return Trace(tuple(marginals), 1, (), (), np.array(list(marginals.values())), 1.0)


FOUND = [MarginalChange("ant", 0.1, 0.9), MarginalChange("<i>bee", 0.6, 0.2), MarginalChange("cat", 0.3, 0.3)]


def test_marginals_are_matched_by_label_and_sorted_by_change() -> None:
    before = trace(ant=0.1, bee=0.2, cat=0.9, dog=0.5)
    after = trace(dog=0.25, cat=0.1, bee=0.3, elk=1.0)
    found = marginal_diff.compare_marginals(before, after)
    assert found == [MarginalChange("cat", 0.9, 0.1), MarginalChange("dog", 0.5, 0.25), MarginalChange("bee", 0.2, 0.3)]
    assert [change.delta for change in found] == pytest.approx([-0.8, -0.25, 0.1])


def test_labels_whose_names_differ_only_by_blanks_are_matched() -> None:
    found = marginal_diff.matching_labels(("tvmonitor", "diningtable", "cat", "sofa"), ("dining table", "couch", "cat"))
    assert found == {"diningtable": "dining table", "cat": "cat"}
    both = marginal_diff.matching_labels(("a b", "ab"), ("ab",))  # in one vocabulary they are two labels
    assert both == {"ab": "ab"}
    changes = marginal_diff.compare_marginals(trace(diningtable=0.1, sofa=0.5), trace(**{"dining table": 0.4, "tv": 1}))
    assert changes == [MarginalChange("diningtable", 0.1, 0.4)]


def test_probabilities_are_compared_where_both_have_them_and_marginals_otherwise() -> None:
    searched = replace(trace(ant=0.1, bee=0.2), steps=(TraceStep(*[np.zeros(1)] * 4),))
    calibrated = replace(searched, calibrated=np.array([0.4, 0.3]))
    sigmoid = trace(bee=0.9, ant=0.5)
    found = marginal_diff.compare_probabilities(calibrated, sigmoid)
    assert found == [MarginalChange("bee", 0.3, 0.9), MarginalChange("ant", 0.4, 0.5)]
    assert marginal_diff.compare_probabilities(calibrated, calibrated)[0] == MarginalChange("ant", 0.4, 0.4)
    found = marginal_diff.compare_probabilities(calibrated, searched)  # not a probability with a lower bound
    assert found == [MarginalChange("ant", 0.1, 0.1), MarginalChange("bee", 0.2, 0.2)]


def test_the_axis_is_called_by_the_quantity() -> None:
    named = marginal_diff.figure(FOUND, dark=False, quantity="probability")
    assert named.layout.xaxis.title.text == "probability"
    assert named.layout.height > marginal_diff.figure(FOUND, dark=False).layout.height  # the rows keep theirs


def test_cooccurring_labels_are_sorted_by_the_larger_probability() -> None:
    found = marginal_diff.cooccurring_labels({"ant": (0.1, 0.2), "bee": (0.0, 0.9), "cat": (0.5, 0.1)})
    assert found == [MarginalChange("bee", 0.0, 0.9), MarginalChange("cat", 0.5, 0.1), MarginalChange("ant", 0.1, 0.2)]


def test_lifts_compare_with_how_often_a_label_occurs_at_all() -> None:
    found = [MarginalChange("ant", 0.5, 0.25), MarginalChange("<i>bee", 0.1, 0.0)]
    rates = {"ant": (0.25, 0.05), "<i>bee": (0.1, 0.0), "cat": (1.0, 1.0)}
    lifts = marginal_diff.lifts(found, rates)
    assert lifts == [MarginalChange("ant", 2.0, 5.0), MarginalChange("<i>bee", 1.0, 0.0)]
    figure = marginal_diff.cooccurrence_figure(lifts, dark=False, are_lifts=True)
    assert 5 < figure.layout.xaxis.range[1] < 6
    assert [line.x0 for line in figure.layout.shapes] == [1]
    assert figure.data[-1].hovertext == ("ant: 2.0× → 5.0×", "&lt;i&gt;bee: 1.0× → 0.0×")
    plain = marginal_diff.cooccurrence_figure(found, dark=False, are_lifts=False)
    assert 0.5 < plain.layout.xaxis.range[1] < 0.6
    assert not plain.layout.shapes


def test_descriptions_omit_constrained_labels_and_small_changes() -> None:
    found = [
        *FOUND,
        MarginalChange("dog", 0.5, 0.52),
        MarginalChange("elk", 0.5, 0.519),
        MarginalChange("fox", 0.51, 0.0),
    ]
    described = marginal_diff.describe(found, {"<i>bee"}, most=3)
    assert described == [
        ("ant", "rises by 80 points, to 90%"),
        ("dog", "rises by 2 points, to 52%"),
        ("fox", "falls by 51 points, to 0.0%"),
    ]
    assert [label for label, _ in marginal_diff.describe(found, set(), most=1)] == ["ant"]
    assert len(marginal_diff.describe([MarginalChange(str(i), 0.0, 0.5) for i in range(9)], set())) == 3


def test_rings_are_before_and_dots_are_after() -> None:
    figure = marginal_diff.figure(FOUND, dark=False, names=("<b>then", "now"), most=3)
    *lines, ring, dot = figure.data
    assert (ring.name, ring.marker.symbol, list(ring.x)) == ("&lt;b&gt;then", "circle-open", [0.1, 0.6, 0.3])
    assert (dot.name, dot.marker.symbol, list(dot.x)) == ("now", "circle", [0.9, 0.2, 0.3])
    assert list(ring.y) == list(dot.y) == [0, 1, 2]
    assert ring.mode == dot.mode == "markers"
    assert list(dot.hovertext) == ["ant: 10% → 90%", "&lt;i&gt;bee: 60% → 20%", "cat: 30% → 30%"]
    assert list(ring.hovertext) == list(dot.hovertext)
    assert ring.hoverinfo == dot.hoverinfo == "text"
    assert [(list(line.x), list(line.y)) for line in lines] == [
        ([0.1, 0.9], [0, 0]), ([0.6, 0.2], [1, 1]), ([0.3, 0.3], [2, 2]),
    ]  # fmt: skip
    assert all(line.mode == "lines" and line.showlegend is False and line.hoverinfo == "skip" for line in lines)
    # Increases and decreases have different colours.
    assert [line.line.color for line in lines] == [LIGHT.finished, LIGHT.chosen, LIGHT.finished]
    axis = figure.layout.yaxis
    assert list(axis.ticktext) == ["ant", "&lt;i&gt;bee", "cat"]
    assert list(axis.tickvals) == [0, 1, 2]
    assert axis.autorange == "reversed"
    assert figure.layout.dragmode is False  # a hand that slips does not zoom
    assert figure.layout.xaxis.fixedrange is axis.fixedrange is True


def test_the_chart_covers_all_probabilities_and_at_most_eight_labels() -> None:
    figure = marginal_diff.figure([MarginalChange(str(i), 0.0, 1.0) for i in range(20)], dark=True)
    assert list(figure.layout.yaxis.ticktext) == list("01234567")
    assert (figure.data[-2].name, figure.data[-1].name) == ("before", "after")
    assert figure.layout.font.color == DARK.text
    low, high = figure.layout.xaxis.range
    assert -0.1 < low < 0 < 1 < high < 1.1
    fewer = marginal_diff.figure([MarginalChange(str(i), 0.0, 1.0) for i in range(7)], dark=True)
    assert 20 <= figure.layout.height - fewer.layout.height <= 40  # one row more
    margin, legend = figure.layout.margin, figure.layout.legend
    assert 20 <= (figure.layout.height - margin.t - margin.b) / 8 <= 50  # pixels of a row
    assert legend.orientation == "h"
    assert (legend.yref, legend.y, legend.yanchor, legend.xref) == ("container", 1, "top", "container")
    assert 20 <= margin.t < 40  # the legend's line, which covers no row
    long = marginal_diff.figure(FOUND, False, ("a model with a long name", "another model with a long name"))
    assert long.layout.margin.t == 2 * margin.t  # on a phone it takes two lines
    assert long.layout.height - long.layout.margin.t == marginal_diff.figure(FOUND, False).layout.height - margin.t
    assert legend.font.color == figure.layout.xaxis.tickfont.color == DARK.text


def test_only_the_strongest_fraction_of_pixels_turns_grey() -> None:
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    strength = np.array([[9, 1, 8, 2, 7], [3, 6, 4, 5, 0], [19, 11, 18, 12, 17], [13, 16, 14, 15, 10]], dtype=float)
    occluded = marginal_diff.grey_out(image, marginal_diff.strongest(strength, 0.25))
    assert occluded.dtype == np.uint8
    grey = strength >= 15
    assert (occluded[grey] == 128).all()
    np.testing.assert_array_equal(occluded[~grey], image[~grey])
    assert (marginal_diff.grey_out(image, marginal_diff.strongest(strength, 1.0)) == 128).all()


def test_regions_elsewhere_have_the_same_size_and_overlap_the_region_least() -> None:
    region = np.zeros((8, 12), dtype=bool)
    region[1:4, 2:6] = True
    found = marginal_diff.elsewhere(region, count=5)
    assert len({other.tobytes() for other in found}) == 5
    for other in found:
        assert other.sum() == region.sum()
        assert not (other & region).any()
    large = np.ones((8, 12), dtype=bool)
    large[0, :3] = False
    assert all(other.sum() == large.sum() for other in marginal_diff.elsewhere(large))  # they can only overlap


def test_a_control_is_a_line_across_at_its_value() -> None:
    figure = marginal_diff.figure(
        FOUND, dark=False, most=2, control=("<b>other", {"ant": 0.7, "<i>bee": 0.4, "cat": 0.0})
    )
    line = figure.data[-1]
    assert (line.name, line.marker.symbol, list(line.x), list(line.y)) == (
        "&lt;b&gt;other", "line-ns", [0.7, 0.4], [0, 1],
    )  # fmt: skip
    assert list(line.hovertext) == ["ant: 70%", "&lt;i&gt;bee: 40%"]
