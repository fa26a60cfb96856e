import numpy as np
import pytest
import torch
import torchmetrics
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from cnnrnn.metrics import (
    AP_RULES,
    average_precisions,
    calibration,
    choose_threshold,
    exact_match,
    hamming_loss,
    map_at_k,
    precision_recall_f1,
    top_k,
)

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


def textbook_ap(truth: np.ndarray, scores: np.ndarray, rule: str) -> float:
    """The devkits' definitions for distinct scores, as their loops are written."""
    ranked = truth[np.argsort(-scores)]
    hits = np.cumsum(ranked)
    recall, precision = hits / ranked.sum(), hits / np.arange(1, len(ranked) + 1)
    if rule == "non_interpolated":
        return float(sum(p for p, hit in zip(precision, ranked, strict=True) if hit) / ranked.sum())
    if rule == "eleven_point":
        best = [
            max((p for p, r in zip(precision, recall, strict=True) if r >= t / 10 - 1e-9), default=0) for t in range(11)
        ]
        return float(np.mean(best))
    total, before = 0.0, 0.0
    for rank in range(len(ranked)):
        total += (recall[rank] - before) * precision[rank:].max()
        before = recall[rank]
    return float(total)


@pytest.mark.parametrize("rule", AP_RULES)
def test_the_three_rules_of_average_precision_are_the_textbooks(rule: str) -> None:
    for seed in range(20):
        dice = np.random.default_rng(seed)
        truth = dice.random((40, 1)) < 0.2
        truth[0] = True
        scores = dice.permutation(40)[:, None] / 40  # distinct, so that no rule depends on the order of ties
        expected = textbook_ap(truth[:, 0], scores[:, 0], rule)
        assert average_precisions(truth, scores, rule=rule)[0] == pytest.approx(100 * expected)


@pytest.mark.parametrize("rule", AP_RULES)
def test_when_all_scores_tie_precision_is_the_share_of_positives(rule: str) -> None:
    truth = np.array([[True], [False], [False], [True]])
    assert average_precisions(truth, np.full((4, 1), 0.3), rule=rule)[0] == pytest.approx(50)
    assert average_precisions(truth[:1], np.array([[0.1]]), rule=rule)[0] == pytest.approx(100)  # one image


def test_torchmetrics_agrees() -> None:
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification", reason="needs the extra 'test'")
    truth, predicted, scores = (torch.tensor(array) for array in (TRUTH, PREDICTED, SCORES))
    whole = truth.long()
    ap = torchmetrics.multilabel_average_precision(scores, whole, 7, average="none").numpy()
    assert average_precisions(TRUTH, SCORES) == pytest.approx(100 * ap, abs=1e-3)
    wrong = torchmetrics.multilabel_hamming_distance(predicted.long(), whole, 7)
    assert hamming_loss(TRUTH, PREDICTED) == pytest.approx(100 * float(wrong), abs=1e-4)
    right = torchmetrics.multilabel_exact_match(predicted.long(), whole, 7)
    assert exact_match(TRUTH, PREDICTED) == pytest.approx(100 * float(right), abs=1e-4)
    f1 = torchmetrics.multilabel_f1_score(predicted.long(), whole, 7, average="micro")
    assert precision_recall_f1(TRUTH, PREDICTED)["OF1"] == pytest.approx(100 * float(f1), abs=1e-4)


def test_map_at_k_by_hand() -> None:
    truth = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]], dtype=bool)
    scores = np.array([[0.9, 0.8, 0.7, 0.1], [0.9, 0.8, 0.7, 0.1], [0.9, 0.8, 0.7, 0.1]])
    # first image: hits at ranks 1 and 3 of 2 possible; second: no label, not counted; third: a hit at rank 2
    assert map_at_k(truth, scores, 10) == pytest.approx(100 * ((1 + 2 / 3) / 2 + 1 / 2) / 2)
    # with two ranks the first image has one hit of two possible
    assert map_at_k(truth, scores, 2) == pytest.approx(100 * (1 / 2 + 1 / 2) / 2)
    assert map_at_k(np.zeros((2, 4), dtype=bool), scores[:2], 10) == 0


def test_calibration_agrees_with_torchmetrics_and_leaves_ignored_pairs_out() -> None:
    generator = np.random.default_rng(1)
    probs = generator.random((200, 4))
    truth = generator.random((200, 4)) < probs**2  # overconfident
    ignored = generator.random((200, 4)) < 0.1
    found = calibration(truth, probs, ignored, bins=10)
    expected = torchmetrics.functional.calibration_error(
        torch.from_numpy(probs[~ignored]), torch.from_numpy(truth[~ignored]).long(), task="binary", n_bins=10, norm="l1"
    )
    # torchmetrics judges P(the label is there), as we do, in the same ten bins
    assert found["ece"] == pytest.approx(100 * expected.item(), abs=1e-3)
    assert found["ece_likely"] > 10  # (p - p²) is 0.16 on average
    assert sum(entry["pairs"] for entry in found["bins"]) == (~ignored).sum()
    perfect = calibration(truth, truth.astype(float), ignored)
    assert perfect["ece"] == perfect["ece_likely"] == 0


def test_the_threshold_is_the_best_of_all_thresholds() -> None:
    generator = np.random.default_rng(0)
    truth = generator.random((40, 3)) < 0.3
    probs = np.round(np.clip(0.5 * truth + 0.6 * generator.random((40, 3)), 0, 1), 2)  # with ties
    ignored = generator.random((40, 3)) < 0.1
    kept = ~ignored

    def f1(threshold: float) -> float:
        return f1_score(truth[kept], probs[kept] >= threshold)

    chosen = choose_threshold(truth, probs, ignored)
    assert f1(chosen) == pytest.approx(max(f1(threshold) for threshold in np.linspace(0, 1, 1001)))
    assert chosen not in probs  # between two scores, not on one
