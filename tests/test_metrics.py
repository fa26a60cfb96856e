import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from cnnrnn.metrics import average_precisions, exact_match, precision_recall_f1, top_k

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.random((60, 7)) < 0.3
SCORES = np.round(RANDOM.random((60, 7)), 1)  # with ties
PREDICTED = RANDOM.random((60, 7)) < 0.4


def test_precision_recall_f1_agree_with_scikit_learn() -> None:
    ours = precision_recall_f1(TRUTH, PREDICTED)
    for average, keys in (("micro", ("OP", "OR", "OF1")), ("macro", ("CP", "CR"))):
        theirs = precision_recall_fscore_support(TRUTH, PREDICTED, average=average, zero_division=0)
        for key, value in zip(keys, theirs, strict=False):
            assert ours[key] == pytest.approx(100 * value)
    assert ours["CF1"] == pytest.approx(2 * ours["CP"] * ours["CR"] / (ours["CP"] + ours["CR"]))


def test_average_precision_agrees_with_scikit_learn_and_skips_labels_without_positives() -> None:
    truth = TRUTH.copy()
    truth[:, 3] = False
    ours = average_precisions(truth, SCORES)
    assert np.isnan(ours[3])
    assert ours[0] == pytest.approx(100 * average_precision_score(truth[:, 0], SCORES[:, 0]))


def test_ignored_pairs_count_for_nothing() -> None:
    ignored = RANDOM.random(TRUTH.shape) < 0.2
    flipped = np.where(ignored, ~TRUTH, TRUTH), np.where(ignored, ~PREDICTED, PREDICTED)
    assert precision_recall_f1(TRUTH, PREDICTED, ignored) == precision_recall_f1(*flipped, ignored)
    assert exact_match(TRUTH, PREDICTED, ignored) == exact_match(*flipped, ignored)
    np.testing.assert_array_equal(
        average_precisions(TRUTH, SCORES, ignored), average_precisions(flipped[0], SCORES, ignored)
    )


def test_by_hand() -> None:
    truth = np.array([[1, 0], [1, 1]], dtype=bool)
    predicted = np.array([[1, 1], [0, 1]], dtype=bool)
    result = precision_recall_f1(truth, predicted)
    assert result == pytest.approx(
        {"OP": 200 / 3, "OR": 200 / 3, "OF1": 200 / 3, "CP": 75, "CR": 75, "CF1": 75}
    )  # fmt: skip
    assert exact_match(truth, truth) == 100
    assert exact_match(truth, predicted) == 0


def test_nothing_predicted_and_nothing_true_are_zero_not_an_error() -> None:
    nothing = np.zeros((3, 2), dtype=bool)
    assert set(precision_recall_f1(nothing, nothing).values()) == {0.0}


def test_top_k_always_names_k() -> None:
    assert (top_k(SCORES, 3).sum(axis=1) == 3).all()
    assert top_k(np.array([[0.1, 0.9, 0.5]]), 2).tolist() == [[False, True, True]]
