import numpy as np
import pytest
import torch
import torchmetrics
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from cnnrnn.evaluation.metrics import (
    AP_RULES,
    average_precisions,
    calibration,
    choose_threshold,
    enough_positives,
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


def test_precision_recall_and_f1_by_hand() -> None:
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
        rng = np.random.default_rng(seed)
        truth = rng.random((40, 1)) < 0.2
        truth[0] = True
        scores = rng.permutation(40)[:, None] / 40  # distinct, so that no rule depends on the order of ties
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


def pairs_of(truth: np.ndarray, predicted: np.ndarray, ignored: np.ndarray, label: int | None = None) -> list[int]:
    """Hits, predicted and true pairs, one pair at a time; of one label, or of all."""
    hits = guesses = positives = 0
    for image in range(truth.shape[0]):
        for column in range(truth.shape[1]) if label is None else [label]:
            if not ignored[image, column]:
                hits += int(truth[image, column] and predicted[image, column])
                guesses += int(predicted[image, column])
                positives += int(truth[image, column])
    return [hits, guesses, positives]


@pytest.mark.parametrize("seed", range(5))
def test_the_six_figures_are_counted_pair_by_pair_over_the_chosen_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted, ignored = (rng.random((12, 6)) < share for share in (0.4, 0.3, 0.2))
    truth[:, 4] = predicted[:, 5] = False  # a label without positives, and one that is never predicted
    labels = np.array([True, False, True, True, True, True])
    found = precision_recall_f1(truth, predicted, ignored, labels)
    hits, guesses, positives = pairs_of(truth, predicted, ignored)  # all labels
    assert found["OP"] == pytest.approx(100 * hits / guesses)
    assert found["OR"] == pytest.approx(100 * hits / positives)
    assert found["OF1"] == pytest.approx(100 * 2 * hits / (guesses + positives))
    each = [pairs_of(truth, predicted, ignored, label) for label in np.flatnonzero(labels)]
    assert found["CP"] == pytest.approx(np.mean([100 * hits / guesses if guesses else 0 for hits, guesses, _ in each]))
    assert found["CR"] == pytest.approx(np.mean([100 * hits / true if true else 0 for hits, _, true in each]))
    assert found["CF1"] == pytest.approx(2 * found["CP"] * found["CR"] / (found["CP"] + found["CR"]))
    none = precision_recall_f1(truth, predicted, ignored, np.zeros(6, dtype=bool))
    assert (none["CP"], none["CR"], none["CF1"]) == (0, 0, 0)
    assert none["OF1"] == found["OF1"]


@pytest.mark.parametrize("seed", range(5))
def test_exact_match_and_hamming_loss_leave_ignored_pairs_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random((30, 4)) < 0.4
    predicted = truth ^ (rng.random((30, 4)) < 0.15)
    ignored = rng.random((30, 4)) < 0.2
    wrong = [
        [truth[image, label] != predicted[image, label] for label in range(4) if not ignored[image, label]]
        for image in range(30)
    ]
    assert exact_match(truth, predicted, ignored) == pytest.approx(100 * np.mean([not any(row) for row in wrong]))
    share = sum(map(sum, wrong)) / sum(map(len, wrong))
    assert hamming_loss(truth, predicted, ignored) == pytest.approx(100 * share)
    assert hamming_loss(truth, ~truth) == 100
    assert hamming_loss(truth, ~truth, np.ones_like(truth)) == 0  # nothing counts, so nothing is wrong
    assert exact_match(truth, ~truth, np.ones_like(truth)) == 100


@pytest.mark.parametrize("rule", AP_RULES)
@pytest.mark.parametrize("seed", range(3))
def test_average_precision_counts_tied_scores_together(rule: str, seed: int) -> None:
    """Precision and recall exist at distinct scores only; each label has its own ignored images."""
    rng = np.random.default_rng(seed)
    truth, ignored = rng.random((40, 3)) < 0.3, rng.random((40, 3)) < 0.2
    scores = np.round(rng.random((40, 3)), 1)
    truth[:2] = True
    ignored[:2] = False
    found = average_precisions(truth, scores, ignored, rule)
    assert found.shape == (3,)
    for label in range(3):
        kept = ~ignored[:, label]
        t, s = truth[kept, label], scores[kept, label]
        curve = [(t[s >= cut].sum() / (s >= cut).sum(), t[s >= cut].sum() / t.sum()) for cut in sorted(set(s))[::-1]]
        if rule == "eleven_point":
            expected = np.mean([max((p for p, r in curve if r >= n / 10 - 1e-9), default=0) for n in range(11)])
        else:
            best = rule == "area"  # the best precision from here on, not the precision here
            before, expected = 0.0, 0.0
            for place, (precision, recall) in enumerate(curve):
                height = max(p for p, _ in curve[place:]) if best else precision
                expected += (recall - before) * height
                before = recall
        assert found[label] == pytest.approx(100 * expected)


def test_a_label_whose_positives_are_all_ignored_has_no_average_precision() -> None:
    truth = np.array([[True, True], [False, True], [False, False]])
    ignored = np.array([[True, False], [False, False], [False, False]])
    found = average_precisions(truth, np.array([[0.9, 0.1], [0.5, 0.2], [0.1, 0.3]]), ignored)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    default = average_precisions(truth, np.array([[0.9, 0.1], [0.5, 0.2], [0.1, 0.3]]))
    assert default[0] == pytest.approx(100)


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_map_at_k_is_the_mean_over_images_of_precision_at_hits(k: int) -> None:
    rng = np.random.default_rng(k)
    truth = rng.random((25, 12)) < 0.25
    truth[:2] = False  # these images don't count
    scores = rng.permuted(np.tile(np.arange(12.0), (25, 1)), axis=1)
    expected = []
    for row, row_scores in zip(truth, scores, strict=True):
        if row.any():
            found, precisions = 0, []
            for rank, label in enumerate(sorted(range(12), key=lambda label: -row_scores[label])[:k], start=1):
                if row[label]:
                    found += 1
                    precisions.append(found / rank)
            expected.append(sum(precisions) / min(int(row.sum()), k))
    assert map_at_k(truth, scores, k) == pytest.approx(100 * np.mean(expected))
    if k == 10:
        assert map_at_k(truth, scores) == map_at_k(truth, scores, 10)  # the default


def test_of_tied_labels_the_first_ranks_first() -> None:
    tied = np.full((1, 3), 0.5)
    assert top_k(tied, 1).tolist() == [[True, False, False]]
    assert map_at_k(np.array([[True, False, False]]), tied, 1) == 100
    assert map_at_k(np.array([[False, True, False]]), tied, 2) == 50
    many = np.zeros((1, 100))  # numpy sorts few numbers stably, whatever it is asked for
    assert np.flatnonzero(top_k(many, 50)).tolist() == list(range(50))
    assert map_at_k(np.arange(100)[None] < 50, many, 50) == 100
    assert top_k(np.array([[0.2, 0.1]]), 3).tolist() == [[True, True]]  # there are no three


def test_calibration_by_hand() -> None:
    probs = np.array([[0.05, 0.15, 0.95], [1.0, 0.12, 0.5]])
    truth = np.array([[False, True, True], [True, False, True]])
    ignored = np.array([[False, False, False], [False, False, True]])
    found = calibration(truth, probs, ignored)
    assert [entry["from"] for entry in found["bins"]] == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert [entry["pairs"] for entry in found["bins"]] == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]  # 1.0 is in the last one
    assert [entry["predicted"] for entry in found["bins"]] == pytest.approx([5, 13.5, *[0] * 7, 97.5])
    assert [entry["observed"] for entry in found["bins"]] == pytest.approx([0, 50, *[0] * 7, 100])
    assert found["ece"] == pytest.approx((5 + 2 * 36.5 + 2 * 2.5) / 5)
    assert found["ece_likely"] == pytest.approx((2 * 36.5 + 2 * 2.5) / 4)
    one = calibration(truth[:1, 1:2], probs[:1, 1:2])
    assert (one["ece"], one["ece_likely"]) == pytest.approx((85, 85))
    nothing = calibration(truth, probs, np.ones_like(truth))
    assert (nothing["ece"], nothing["ece_likely"]) == (0, 0)
    assert calibration(truth, probs)["bins"][5] == {"from": 50, "pairs": 1, "predicted": 50, "observed": 100}


@pytest.mark.parametrize("bins", [4, 9, 19, 20, 30])
def test_calibration_in_other_bins_starts_the_likely_pairs_at_ten_percent(bins: int) -> None:
    rng = np.random.default_rng(bins)
    probs = rng.random((300, 2))
    truth = rng.random((300, 2)) < probs**2
    found = calibration(truth, probs, bins=bins)
    gaps, gaps_likely, pairs_likely = 0.0, 0.0, 0
    for number in range(bins):
        inside = (probs >= number / bins) & (probs < (number + 1) / bins)
        gap = abs(probs[inside].sum() - truth[inside].sum())
        gaps += gap
        if 10 * (number + 1) > bins:  # the bin ends above 10 %: of 4 or 9 bins the first one counts, too
            gaps_likely, pairs_likely = gaps_likely + gap, pairs_likely + inside.sum()
    assert len(found["bins"]) == bins
    assert found["bins"][-1]["from"] == pytest.approx(100 * (bins - 1) / bins)
    assert found["ece"] == pytest.approx(100 * gaps / probs.size)
    assert found["ece_likely"] == pytest.approx(100 * gaps_likely / pairs_likely)


def test_the_threshold_lies_in_the_middle_between_two_probabilities() -> None:
    nothing_ignored = np.zeros((1, 4), dtype=bool)

    def chosen(truth: list[int], probs: list[float], ignored: np.ndarray = nothing_ignored) -> float:
        return choose_threshold(np.array([truth], dtype=bool), np.array([probs]), ignored)

    assert chosen([1, 1, 0, 0], [0.9, 0.6, 0.4, 0.1]) == pytest.approx(0.5)
    assert chosen([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.9]) == pytest.approx(0.5)  # whatever the order
    assert chosen([1, 0, 0, 0], [0.9, 0.6, 0.4, 0.1]) == pytest.approx(0.75)
    assert chosen([1, 1, 1, 1], [0.9, 0.6, 0.4, 0.2]) == pytest.approx(0.1)  # all: half of the lowest
    # 0.6 is both right and wrong: all of the tie or nothing of it; F1 is 4/5 with it and 2/3 without
    assert chosen([1, 1, 0, 0], [0.9, 0.6, 0.6, 0.2]) == pytest.approx(0.4)
    # The tie holds one hit among three: 2/3 without it, 4/6 with it; of equals the higher threshold.
    assert chosen([1, 1, 0, 0], [0.9, 0.6, 0.6, 0.6]) == pytest.approx(0.75)
    ignored = np.array([[False, True, False, False]])
    assert chosen([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.3], ignored) == pytest.approx(0.5)
    assert chosen([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.3], ~np.zeros((1, 4), dtype=bool)) == 0.5  # nothing to choose by


def test_rare_labels_count_where_there_are_few_others() -> None:
    truth = np.zeros((8, 4), dtype=bool)
    truth[:5, 0] = truth[:1, 1] = truth[1:3, 2] = True  # 5, 1, 2 and 0 positives
    ignored = np.zeros_like(truth)
    assert enough_positives(truth, ignored) == 1  # one of three labels that occur has 5
    truth[:5, 1] = True
    assert enough_positives(truth, ignored) == 5  # two of three
    ignored[0, 1] = True  # 4 that count
    assert enough_positives(truth, ignored) == 1
