from __future__ import annotations

import numpy as np
import pytest

from cnnrnn.cooccurrence import counted, expected, together
from cnnrnn.decoding import Path, Trace


def trace(*paths: tuple[tuple[int, ...], float]) -> Trace:
    found = tuple(Path(tokens, float(np.log(prob)), ()) for tokens, prob in paths)
    return Trace(("cat", "dog", "sofa"), 8, (), found, np.zeros(3), 1.0)


def test_pairs_are_counted_in_truths_and_expected_over_paths() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 0]], dtype=bool)
    assert counted(truth).tolist() == [[3, 1, 1], [1, 1, 0], [1, 0, 1]]
    # The kept paths of the first picture hold 0.8 of the probability: 3/4 say cat and dog, 1/4 nothing.
    pairs = expected([trace(((0, 1), 0.6), ((), 0.2)), trace(((2, 0), 0.5), ((0,), 0.5))], 3)
    np.testing.assert_allclose(pairs, [[1.75, 0.75, 0.5], [0.75, 0.75, 0], [0.5, 0, 0.5]])


def test_the_strongest_company_is_told_beside_the_other_tables() -> None:
    in_training = np.array([[4.0, 1, 2], [1, 1, 0], [2, 0, 4]])
    by_model = np.array([[2.0, 2, 0], [2, 2, 0], [0, 0, 0]])  # the model never says the third label
    told = together(("cat", "dog", "sofa"), in_training, by_model, most=1)
    assert told == {"cat": {"dog": (0.25, 1.0)}, "dog": {"cat": (1.0, 1.0)}, "sofa": {"cat": (0.5, 0.0)}}
    everybody = together(("cat", "dog", "sofa"), in_training, by_model)
    assert next(iter(everybody["sofa"].values())) == pytest.approx((0.5, 0))
