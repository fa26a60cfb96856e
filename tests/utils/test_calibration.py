"""Beta calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnnrnn.utils.calibration import calibrate, checked_parameters, features


def test_a_calibrated_probability_is_that_of_the_paper() -> None:
    a, b, c = 0.8, 0.5, 0.3
    for p in (0.001, 0.2, 0.5, 0.97):
        expected = 1 / (1 + 1 / (math.exp(c) * p**a / (1 - p) ** b))  # equation 4 of Kull et al.
        assert calibrate(np.array([p]), (a, b, c))[0] == pytest.approx(expected, rel=1e-6)


def test_the_identity_and_the_ends() -> None:
    probs = np.array([[0, 1e-9, 0.25], [0.5, 1 - 1e-9, 1]])
    np.testing.assert_allclose(calibrate(probs, (1, 1, 0)), probs, atol=2e-6)
    assert features(probs).shape == (2, 3, 2)
    assert np.isfinite(features(probs)).all()


def test_the_order_is_kept() -> None:
    probs = np.linspace(0.01, 0.99, 50, dtype=np.float32)
    assert (np.diff(calibrate(probs, (0.5, 0.1, -1))) > 0).all()


@pytest.mark.parametrize(
    "parameters", [(1, 1), (1, 1, float("nan")), (float("inf"), 1, 0), (-0.1, 1, 0), (1, -0.1, 0), "abc", 5, {"a": 1}]
)
def test_impossible_parameters_are_refused(parameters: object) -> None:
    with pytest.raises(ValueError, match="calibration"):
        checked_parameters(parameters)  # type: ignore[arg-type]
    assert checked_parameters([1, 2, -3]) == (1.0, 2.0, -3.0)
