"""What two searches differ in: as pairs of probabilities, in words, as dots, and as grey pixels."""

from __future__ import annotations

import numpy as np
import pytest

from cnnrnn.decoding.trace import Trace
from views import changes
from views.changes import Change
from views.style import DARK, LIGHT


def trace(**marginals: float) -> Trace:
    return Trace(tuple(marginals), 1, (), (), np.array(list(marginals.values())), 1.0)


FOUND = [Change("ant", 0.1, 0.9), Change("<i>bee", 0.6, 0.2), Change("cat", 0.3, 0.3)]


def test_labels_are_matched_by_name_and_the_largest_change_comes_first() -> None:
    before = trace(ant=0.1, bee=0.2, cat=0.9, dog=0.5)
    after = trace(dog=0.25, cat=0.1, bee=0.3, elk=1.0)
    found = changes.changes(before, after)
    assert found == [Change("cat", 0.9, 0.1), Change("dog", 0.5, 0.25), Change("bee", 0.2, 0.3)]
    assert [change.delta for change in found] == pytest.approx([-0.8, -0.25, 0.1])


def test_the_closest_company_comes_first_whoever_saw_it() -> None:
    found = changes.company({"ant": (0.1, 0.2), "bee": (0.0, 0.9), "cat": (0.5, 0.1)})
    assert found == [Change("bee", 0.0, 0.9), Change("cat", 0.5, 0.1), Change("ant", 0.1, 0.2)]


def test_changes_in_words_leave_out_what_was_given_and_what_hardly_moved() -> None:
    found = [*FOUND, Change("dog", 0.5, 0.52), Change("elk", 0.5, 0.519), Change("fox", 0.51, 0.0)]
    told = changes.in_words(found, {"<i>bee"}, most=3)
    assert told == [
        ("ant", "rises by 80 points, to 90%"),
        ("dog", "rises by 2 points, to 52%"),
        ("fox", "falls by 51 points, to 0.0%"),
    ]
    assert [label for label, _ in changes.in_words(found, set(), most=1)] == ["ant"]
    assert len(changes.in_words([Change(str(i), 0.0, 0.5) for i in range(9)], set())) == 3


def test_rings_stand_at_before_and_dots_at_after() -> None:
    figure = changes.figure(FOUND, dark=False, names=("<b>then", "now"), most=3)
    *lines, ring, dot = figure.data
    assert (ring.name, ring.marker.symbol, list(ring.x)) == ("&lt;b&gt;then", "circle-open", [0.1, 0.6, 0.3])
    assert (dot.name, dot.marker.symbol, list(dot.x)) == ("now", "circle", [0.9, 0.2, 0.3])
    assert list(ring.y) == list(dot.y) == [0, 1, 2]
    assert ring.mode == dot.mode == "markers"
    assert list(dot.hovertext) == ["ant: 0.100 → 0.900", "&lt;i&gt;bee: 0.600 → 0.200", "cat: 0.300 → 0.300"]
    assert list(ring.hovertext) == list(dot.hovertext)
    assert [(list(line.x), list(line.y)) for line in lines] == [
        ([0.1, 0.9], [0, 0]), ([0.6, 0.2], [1, 1]), ([0.3, 0.3], [2, 2]),
    ]  # fmt: skip
    assert all(line.mode == "lines" and line.showlegend is False and line.hoverinfo == "skip" for line in lines)
    # What rises and what falls differ in colour.
    assert [line.line.color for line in lines] == [LIGHT.finished, LIGHT.chosen, LIGHT.finished]
    axis = figure.layout.yaxis
    assert list(axis.ticktext) == ["ant", "&lt;i&gt;bee", "cat"]
    assert list(axis.tickvals) == [0, 1, 2]
    assert axis.autorange == "reversed"
    assert figure.layout.dragmode is False  # a hand that slips does not zoom
    assert figure.layout.xaxis.fixedrange is axis.fixedrange is True


def test_the_dots_cover_all_probabilities_and_at_most_eight_labels() -> None:
    figure = changes.figure([Change(str(i), 0.0, 1.0) for i in range(20)], dark=True)
    assert list(figure.layout.yaxis.ticktext) == list("01234567")
    assert (figure.data[-2].name, figure.data[-1].name) == ("before", "after")
    assert figure.layout.font.color == DARK.text
    low, high = figure.layout.xaxis.range
    assert -0.1 < low < 0 < 1 < high < 1.1
    fewer = changes.figure([Change(str(i), 0.0, 1.0) for i in range(7)], dark=True)
    assert 20 <= figure.layout.height - fewer.layout.height <= 40  # a row more


def test_the_strongest_share_of_the_pixels_turns_grey_and_the_rest_stays() -> None:
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    strength = np.array([[9, 1, 8, 2, 7], [3, 6, 4, 5, 0], [19, 11, 18, 12, 17], [13, 16, 14, 15, 10]], dtype=float)
    hidden = changes.greyed(image, strength, 0.25)
    assert hidden.dtype == np.uint8
    grey = strength >= 15
    assert (hidden[grey] == 128).all()
    np.testing.assert_array_equal(hidden[~grey], image[~grey])
    assert (changes.greyed(image, strength, 1.0) == 128).all()
