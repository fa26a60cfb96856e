"""Every measure on cases that can be checked by eye."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cnnrnn.map_metrics import (
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


def test_the_pointing_game_takes_the_strongest_place_and_any_box() -> None:
    assert peak(MAP) == (1.5, 1.5)
    assert pointing_hit(peak(MAP), [RIGHT, LEFT], 0)
    assert not pointing_hit(peak(MAP), [RIGHT], 1)
    assert pointing_hit(peak(MAP), [RIGHT], 1.5)  # beside it, by as much as is allowed
    assert peak(-np.ones((2, 2))) is None
    assert not pointing_hit(None, [(0, 0, 9, 9)], 9)


def test_energy_is_the_share_of_what_speaks_for_it() -> None:
    assert energy_inside(MAP, box_mask([LEFT], (4, 3))) == pytest.approx(4 / 6)
    assert energy_inside(MAP, box_mask([LEFT, RIGHT], (4, 3))) == 1
    assert energy_inside(MAP - 5, box_mask([LEFT], (4, 3))) == 0


def test_a_step_prefers_by_evidence_to_the_pixel_of_what_only_one_has() -> None:
    left, right = box_mask([LEFT], (4, 3)), box_mask([RIGHT], (4, 3))
    assert prefers_own_mask(MAP, left, right) is False  # 4 on two pixels, 2 on one: the same
    assert prefers_own_mask(MAP + np.eye(3, 4, 1), left, right) is True
    assert prefers_own_mask(MAP, right, left) is False
    assert prefers_own_mask(MAP, left, box_mask([(0, 0, 4, 3)], (4, 3))) is None  # nothing is left's alone


def test_rank_correlation_is_of_ranks() -> None:
    assert rank_correlation(MAP, np.sign(MAP) * MAP**2) == pytest.approx(1)
    assert rank_correlation(MAP, -MAP) == pytest.approx(-1)
    assert rank_correlation(MAP, np.ones((3, 4))) == 0


def test_the_hottest_pixels_come_first() -> None:
    sets = top_fraction_masks(MAP, 6)  # two pixels a part
    assert [int(one.sum()) for one in sets] == [2, 4, 6, 8, 10, 12]
    assert set(MAP[sets[0]]) == {3, 2}
    assert not sets[4][2, 0]  # what speaks against it goes last
    assert all((small <= large).all() for small, large in itertools.pairwise(sets))
