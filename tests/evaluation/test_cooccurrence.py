from __future__ import annotations

import numpy as np
import pytest

from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.evaluation.cooccurrence import cooccurrence_table, count_pairs, expected_pairs, label_rates


def trace(*paths: tuple[tuple[int, ...], float]) -> Trace:
    found = tuple(Path(tokens, float(np.log(prob)), ()) for tokens, prob in paths)
    return Trace(("cat", "dog", "sofa"), 8, (), found, np.zeros(3), 1.0)


def test_pairs_are_counted_in_truths_and_expected_over_paths() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 0]], dtype=bool)
    assert count_pairs(truth).tolist() == [[3, 1, 1], [1, 1, 0], [1, 0, 1]]
    # The kept paths of the first image hold 0.8 of the probability: 3/4 say cat and dog, 1/4 nothing.
    pairs = expected_pairs([trace(((0, 1), 0.6), ((), 0.2)), trace(((2, 0), 0.5), ((0,), 0.5))], 3)
    np.testing.assert_allclose(pairs, [[1.75, 0.75, 0.5], [0.75, 0.75, 0], [0.5, 0, 0.5]])


def test_the_strongest_cooccurrences_are_reported() -> None:
    in_training = np.array([[4.0, 1, 2], [1, 1, 0], [2, 0, 4]])
    by_model = np.array([[2.0, 2, 0], [2, 2, 0], [0, 0, 0]])  # the model never says the third label
    table = cooccurrence_table(("cat", "dog", "sofa"), in_training, by_model, most=1)
    assert table == {"cat": {"dog": (0.25, 1.0)}, "dog": {"cat": (1.0, 1.0)}, "sofa": {"cat": (0.5, 0.0)}}
    everybody = cooccurrence_table(("cat", "dog", "sofa"), in_training, by_model)
    assert next(iter(everybody["sofa"].values())) == pytest.approx((0.5, 0))


def test_rates_are_shares_of_the_images_in_training_and_by_the_model() -> None:
    in_training, by_model = np.array([[4.0, 1], [1, 2]]), np.array([[1.5, 1], [1, 0.0]])
    assert label_rates(("cat", "dog"), in_training, 8, by_model, 3) == {"cat": (0.5, 0.5), "dog": (0.25, 0)}


def test_pairs_are_those_of_a_loop_over_images() -> None:
    truth = np.random.default_rng(0).random((30, 5)) < 0.4
    table = count_pairs(truth)
    for one in range(5):
        for other in range(5):
            assert table[one, other] == sum(row[one] and row[other] for row in truth)


def test_expected_pairs_add_up_over_images_and_their_paths() -> None:
    assert expected_pairs([], 2).tolist() == [[0, 0], [0, 0]]
    one, other = trace(((1,), 0.3), ((1, 2), 0.1)), trace(((0, 2, 1), 0.25))
    np.testing.assert_allclose(expected_pairs([one], 3), [[0, 0, 0], [0, 1, 0.25], [0, 0.25, 0.25]])
    np.testing.assert_allclose(expected_pairs([one, other], 3), expected_pairs([one], 3) + np.ones((3, 3)))


def test_conditional_probabilities_are_given_the_rows_label_strongest_first() -> None:
    labels = ("a", "b", "c", "d")
    in_training = np.array([[8.0, 2, 4, 0], [2, 2, 1, 0], [4, 1, 5, 0], [0, 0, 0, 0]])
    by_model = np.array([[4.0, 3, 1, 1], [3, 6, 0, 0], [1, 0, 2, 0], [1, 0, 0, 1]])
    table = cooccurrence_table(labels, in_training, by_model)
    assert list(table) == list(labels)
    # P(b | a) is 2/8 in training and 3/4 by the model; a label is never its own company
    assert list(table["a"].items()) == [("b", (0.25, 0.75)), ("c", (0.5, 0.25)), ("d", (0, 0.25))]
    assert list(table["b"].items()) == [("a", (1, 0.5)), ("c", (0.5, 0)), ("d", (0, 0))]
    assert list(table["c"].items()) == [("a", (0.8, 0.5)), ("b", (0.2, 0)), ("d", (0, 0))]
    assert list(table["d"].items()) == [("a", (0, 1)), ("b", (0, 0)), ("c", (0, 0))]  # ties stand in order
    assert [len(others) for others in cooccurrence_table(labels, in_training, by_model, most=2).values()] == [
        2,
        2,
        2,
        2,
    ]


def test_at_most_ten_labels_are_reported_per_label() -> None:
    labels = tuple(map(str, range(15)))
    assert {len(others) for others in cooccurrence_table(labels, np.ones((15, 15)), np.ones((15, 15))).values()} == {10}
    assert {len(others) for others in cooccurrence_table(labels[:4], np.ones((4, 4)), np.ones((4, 4))).values()} == {3}
    many = tuple(map(str, range(100)))  # numpy sorts few numbers stably, whatever it is asked for
    assert list(cooccurrence_table(many, np.ones((100, 100)), np.ones((100, 100)))["0"]) == list(many[1:11])
    assert cooccurrence_table(("alone",), np.ones((1, 1)), np.ones((1, 1))) == {"alone": {}}
