"""Every metric on cases that can be checked by eye."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cnnrnn.data import Box
from cnnrnn.evaluation.map_metrics import (
    TOLERANCE,
    box_mask,
    energy_inside,
    peak,
    pointing_hit,
    prefers_own_mask,
    rank_correlation,
    top_fraction_masks,
)

MAP = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 3.0, 0.0, 2.0], [-9.0, 0.0, 0.0, 0.0]])  # 4 wide, 3 high
LEFT, RIGHT = (1.0, 0.0, 2.0, 2.0), (3.0, 1.0, 4.0, 2.0)  # the column of 1 and 3, the pixel of 2


def test_the_peak_is_the_centre_of_the_strongest_pixel() -> None:
    assert peak(MAP) == (1.5, 1.5)
    assert peak(np.array([[0.0, 0, 0], [0, 0, 1]])) == (2.5, 1.5)  # x, then y
    assert peak(-np.ones((2, 2))) is None
    assert peak(np.zeros((2, 2))) is None  # no evidence is no peak
    assert peak(np.full((2, 2), 0.01)) == (0.5, 0.5)


def test_the_pointing_game_takes_any_box() -> None:
    assert pointing_hit((1.5, 1.5), [RIGHT, LEFT], 0)
    assert not pointing_hit((1.5, 1.5), [RIGHT], 1)
    assert pointing_hit((1.5, 1.5), [RIGHT], 1.5)  # beside it, by as much as is allowed
    assert not pointing_hit((1.5, 1.5), [], 9)
    assert not pointing_hit(None, [(0, 0, 9, 9)], 9)


@pytest.mark.parametrize("tolerance", [0, 2])
def test_the_tolerance_is_on_all_four_sides_of_a_box(tolerance: float) -> None:
    box: Box = (10, 20, 30, 50)
    for x, y, outside in ((10, 35, (-1, 0)), (30, 35, (1, 0)), (20, 20, (0, -1)), (20, 50, (0, 1))):
        edge = (x + tolerance * outside[0], y + tolerance * outside[1])
        assert pointing_hit(edge, [box], tolerance)
        assert not pointing_hit((edge[0] + 0.1 * outside[0], edge[1] + 0.1 * outside[1]), [box], tolerance)


def test_the_tolerance_is_15_pixels_of_500() -> None:
    assert pytest.approx(15) == TOLERANCE * 500


def test_a_box_covers_the_pixels_between_its_rounded_edges() -> None:
    mask = box_mask([(0.6, 0.4, 2.4, 1.6), (3.0, 2.0, 4.0, 3.0)], (5, 3))
    assert mask.astype(int).tolist() == [[0, 1, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert mask.dtype == bool
    assert box_mask([(0, 0, 2, 1), (1, 0, 3, 1)], (4, 1)).tolist() == [[True, True, True, False]]  # what both cover
    assert not box_mask([], (4, 1)).any()


def test_energy_is_the_fraction_of_the_positive_evidence() -> None:
    assert energy_inside(MAP, box_mask([LEFT], (4, 3))) == pytest.approx(4 / 6)
    assert energy_inside(MAP, box_mask([LEFT, RIGHT], (4, 3))) == 1
    assert energy_inside(MAP, box_mask([(0, 2, 1, 3)], (4, 3))) == 0  # evidence against it counts for nothing
    assert energy_inside(MAP / 100, box_mask([LEFT], (4, 3))) == pytest.approx(4 / 6)
    assert energy_inside(MAP - 5, box_mask([LEFT], (4, 3))) == 0


def test_a_step_prefers_by_evidence_to_the_pixel_of_what_only_one_has() -> None:
    left, right = box_mask([LEFT], (4, 3)), box_mask([RIGHT], (4, 3))
    assert prefers_own_mask(MAP, left, right) is False  # 4 on two pixels, 2 on one: the same
    assert prefers_own_mask(MAP + np.eye(3, 4, 1), left, right) is True
    assert prefers_own_mask((MAP + np.eye(3, 4, 1)) / 100, left, right) is True  # however small
    assert prefers_own_mask(MAP, right, left) is False
    assert prefers_own_mask(MAP, left, box_mask([(0, 0, 4, 3)], (4, 3))) is None  # nothing is left's alone
    assert prefers_own_mask(MAP, box_mask([(0, 0, 4, 3)], (4, 3)), left) is None  # nothing is the other's alone


def test_a_preference_leaves_out_what_both_have_and_evidence_against() -> None:
    own, other = (np.array([row], dtype=bool) for row in ([1, 1, 1, 0], [0, 0, 1, 1]))
    assert prefers_own_mask(np.array([[3.0, 0.0, 90.0, 1.0]]), own, other) is True  # 1.5 to 1
    assert prefers_own_mask(np.array([[3.0, -90.0, 0.0, 1.0]]), own, other) is True
    assert prefers_own_mask(np.array([[1.0, 0.0, 90.0, 1.0]]), own, other) is False  # 0.5 to 1


def test_rank_correlation_is_of_ranks() -> None:
    assert rank_correlation(MAP, np.sign(MAP) * MAP**2) == pytest.approx(1)
    assert rank_correlation(MAP, -MAP) == pytest.approx(-1)
    four = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert rank_correlation(four, np.array([[1.0, 3.0], [2.0, 40.0]])) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert rank_correlation(MAP, np.ones((3, 4))) == 0
    assert rank_correlation(np.ones((3, 4)), MAP) == 0


def test_the_pixels_with_the_most_evidence_come_first() -> None:
    masks = top_fraction_masks(MAP, 6)  # two pixels a part
    assert [int(mask.sum()) for mask in masks] == [2, 4, 6, 8, 10, 12]
    assert set(MAP[masks[0]]) == {3, 2}
    assert masks[0].astype(int).tolist() == [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]
    assert not masks[4][2, 0]  # what speaks against it goes last
    assert all((small <= large).all() for small, large in itertools.pairwise(masks))


def test_parts_that_do_not_divide_the_pixels_end_with_all_of_them() -> None:
    masks = top_fraction_masks(np.array([[1.0, 5, 4, 2, 3]]), 2)
    assert [mask.astype(int).tolist() for mask in masks] == [[[0, 1, 1, 0, 1]], [[1, 1, 1, 1, 1]]]
    ties = top_fraction_masks(np.zeros((1, 4)), 4)  # of pixels with the same evidence the first comes first
    assert [mask.astype(int).tolist() for mask in ties[:2]] == [[[1, 0, 0, 0]], [[1, 1, 0, 0]]]
