"""What an image's steps are, and the means over many steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from map_helpers import BOXES, SIZE, boxes_of, decoded

from cnnrnn.evaluation.map_metrics import box_mask
from cnnrnn.evaluation.map_records import StepRecords

# An image and its steps


def test_steps_are_true_positives_false_positives_or_ignored() -> None:
    image = decoded(("circle", "square", "star", "diamond"), boxes=boxes_of("circle", "star"))
    assert image.true_positives == [0, 2]
    assert image.false_positives == [1, 3]
    image = replace(image, ignored=frozenset({"diamond"}))
    assert image.true_positives == [0, 2]
    assert image.false_positives == [1]


@pytest.mark.parametrize(
    ("names", "labels", "ignored", "exact"),
    [
        (("circle", "star"), ("circle", "star"), (), True),
        (("circle",), ("circle", "star"), (), False),  # one is missing
        (("circle", "star"), ("circle",), (), False),  # one is too many
        (("circle", "star"), ("circle",), ("star",), True),
        (("circle",), ("circle", "star"), ("star",), True),
        (("star",), ("circle",), ("star",), False),
        ((), (), (), True),
    ],
)
def test_a_path_is_exact_with_all_the_labels_and_no_other(
    names: tuple[str, ...], labels: tuple[str, ...], ignored: tuple[str, ...], exact: bool
) -> None:
    assert decoded(names, boxes=boxes_of(*labels), ignored=frozenset(ignored)).is_exact is exact


def test_masks_are_of_the_true_positives_own_boxes() -> None:
    image = decoded(("square", "star", "circle"), boxes=boxes_of("circle", "star"))
    assert set(image.masks) == {1, 2}
    assert image.own_boxes(1) == BOXES["star"]
    assert (image.masks[1] == box_mask(BOXES["star"], SIZE)).all()
    assert image.masks[1].shape == (40, 50)
    assert (image.masks[2] == box_mask(BOXES["circle"], SIZE)).all()


def test_difficult_is_small_and_not_alone() -> None:
    assert decoded(("circle",)).is_difficult(0)
    assert not decoded(("circle",), boxes=boxes_of("circle")).is_difficult(0)
    for height, difficult in ((9.0, True), (10.0, False), (11.0, False)):  # of 40: a quarter is not less than a quarter
        large = {**BOXES, "circle": [(0.0, 0.0, 50.0, height)]}
        assert decoded(("circle",), boxes=large).is_difficult(0) == difficult


def test_hits_are_within_three_percent_of_the_longer_side() -> None:
    for size in ((50, 40), (40, 50)):
        image = decoded(("circle", "star"), size=size)
        assert image.tolerance == pytest.approx(1.5)
        assert image.hits((11.5, 5.0), 0)
        assert not image.hits((11.6, 5.0), 0)
        assert not image.hits((5.0, 5.0), 1)


# Means over steps


def test_means_are_over_the_labels_or_over_the_steps() -> None:
    image, records = decoded(("circle", "star")), StepRecords()
    for step, hit in ((0, True), (0, True), (0, False), (1, True)):
        records.add(image, step, hit=hit, energy=0.5, other=None)
    assert len(records) == 4
    assert records.by_label("hit") == pytest.approx({"circle": 200 / 3, "star": 100})
    assert records.over_labels("hit") == pytest.approx((200 / 3 + 100) / 2)
    assert records.mean("hit") == pytest.approx(0.75)
    assert records.percent("hit") == pytest.approx(75)
    assert records.by_label("other") == {}
    assert records.over_labels("other") is records.mean("other") is records.percent("other") is None


def test_labels_are_sorted_and_those_without_the_metric_left_out() -> None:
    image, records = decoded(("star", "circle", "cross")), StepRecords()
    records.add(image, 0, hit=True)
    records.add(image, 1, hit=False)
    records.add(image, 2, energy=1.0)
    assert list(records.by_label("hit")) == ["circle", "star"]
    assert records.mean("hit") == 0.5


def test_difficult_steps_have_a_mean_of_their_own() -> None:
    large = {**BOXES, "star": [(0.0, 0.0, 50.0, 40.0)]}
    image, records = decoded(("circle", "star", "square"), boxes=large), StepRecords()
    for step, hit in ((0, True), (1, False), (2, False)):  # the last one is a false positive, and never difficult
        records.add(image, step, hit=hit)
    assert len(records.difficult()) == 1
    assert records.all_and_difficult("hit") == (pytest.approx(100 / 3), 100)


def test_pointing_is_a_mean_over_the_labels_and_one_over_the_steps() -> None:
    """Three circles of which two hit, and a star that misses; two circles cover more than a quarter of the image."""
    records = StepRecords()
    for box, hit in (((0.0, 0.0, 50.0, 40.0), True), ((0.0, 0.0, 50.0, 40.0), True), ((0.0, 0.0, 10.0, 10.0), False)):
        records.add(decoded(("circle",), boxes={**BOXES, "circle": [box]}), 0, pointing=hit)
    records.add(decoded(("circle", "star")), 1, pointing=False)
    assert records.pointing() == {
        "pointing": pytest.approx(100 / 3),
        "pointing_difficult": 0,
        "pointing_steps": 50,
        "pointing_steps_difficult": 0,
    }
    records.add(decoded(("circle", "star")), 1, pointing=True)
    records.add(decoded(("circle",)), 0, pointing=True)
    difficult = records.pointing()["pointing_difficult"], records.pointing()["pointing_steps_difficult"]
    assert difficult == (50, 50)
    records.add(decoded(("circle",)), 0, pointing=True)
    difficult = records.pointing()["pointing_difficult"], records.pointing()["pointing_steps_difficult"]
    assert difficult == (pytest.approx((200 / 3 + 50) / 2), 60)
    assert set(StepRecords().pointing().values()) == {None}
