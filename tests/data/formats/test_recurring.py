"""Words and scores are found in columns whose cells are partly empty."""

from __future__ import annotations

from cnnrnn.data.formats.one_hot import hold_scores
from cnnrnn.data.formats.recurring import recurring_labels
from cnnrnn.data.formats.yes_no import filled

EMPTY = [None, "", " ", "NaN", "N/A"]


def test_empty_cells_are_left_out() -> None:
    assert filled(["cat", 0, *EMPTY, "dog"]) == ["cat", 0, "dog"]


def test_empty_cells_hide_neither_labels_nor_scores() -> None:
    assert recurring_labels(["cat", "cat", "dog", "dog", *EMPTY])
    assert not recurring_labels(["cat", "cat", 1, 1, *EMPTY])
    assert hold_scores(["0.5", "1", 0, *EMPTY])
    assert not hold_scores(["0.5", "cat", *EMPTY])
    assert not hold_scores(["1", "0", *EMPTY])
