"""Whether labels of a group are near each other, on vectors and counts whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnrnn.label_space.groups import group_report, pmi_embedding, share_in_group

GROUPS = ["pet", "pet", "food", "food", "food", "wild"]


def test_the_share_counts_the_nearest_by_cosine_whatever_their_length() -> None:
    angles = torch.tensor([0.0, 0.1, 1.0, 1.1, 1.2, 2.0])
    lengths = torch.tensor([1.0, 9.0, 0.1, 3.0, 1.0, 5.0])
    vectors = lengths[:, None] * torch.stack([angles.cos(), angles.sin()], dim=1)
    # The nearest of each: 1, 0, 3, either 2 or 4, 3, 4. All but the last are of the label's group.
    assert share_in_group(vectors, GROUPS, k=1) == pytest.approx(100 * 5 / 6)
    # The two nearest: {1, 2}, {0, 2}, {3, 4}, {2, 4}, {3, 2}, {4, 3}.
    assert share_in_group(vectors, GROUPS, k=2) == pytest.approx(100 * (1 + 1 + 2 + 2 + 2 + 0) / 12)
    assert share_in_group(vectors, GROUPS, k=99) == pytest.approx(100 * (2 * 1 + 3 * 2 + 0) / 30)  # every other label


def test_chance_is_what_all_other_labels_give() -> None:
    truth = np.eye(6, dtype=bool)
    report = group_report(torch.randn(6, 4), GROUPS, truth, k=2)
    assert report["chance"] == pytest.approx(100 * (2 * 1 + 3 * 2 + 0) / 30)
    assert (report["k"], report["groups"]) == (2, 3)


def test_pmi_places_labels_together_that_occur_together() -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros((300, 6), dtype=bool)
    kind = rng.integers(0, 2, 300)  # either the first three labels or the last three, each with probability 0.7
    truth[:, :3] = (kind == 0)[:, None] & (rng.random((300, 3)) < 0.7)
    truth[:, 3:] = (kind == 1)[:, None] & (rng.random((300, 3)) < 0.7)
    assert share_in_group(torch.from_numpy(pmi_embedding(truth, 6)), ["a"] * 3 + ["b"] * 3, k=2) == 100


def test_pmi_is_the_logarithm_of_how_much_more_often_than_by_chance() -> None:
    truth = np.zeros((8, 3), dtype=bool)
    truth[:4, 0] = truth[2:6, 1] = True  # both in 2 of 8 images, as chance has it
    truth[0, 2] = True  # with label 0: 1 image, by chance 0.5
    vectors = pmi_embedding(truth, 3)
    information = np.array([[0, 0, np.log(2)], [0, 0, 0], [np.log(2), 0, 0]])
    values = np.linalg.svd(information)[1]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), np.sqrt(values), atol=1e-9)
    assert np.abs(vectors[1, :2]).max() < 1e-9  # a label that goes with nothing
    assert pmi_embedding(truth, 2).shape == (3, 2)


def test_a_label_that_never_occurs_is_no_division_by_zero() -> None:
    truth = np.zeros((4, 3), dtype=bool)
    truth[:, 0] = True
    assert np.isfinite(pmi_embedding(truth, 3)).all()
