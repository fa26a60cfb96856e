"""Beta calibration: a map from uncalibrated to calibrated probabilities (Kull, Silva Filho & Flach, AISTATS 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_SMALLEST = 1e-6  # probabilities are clipped to keep their logarithms finite


def checked_parameters(parameters: Sequence[float]) -> tuple[float, float, float]:
    """The parameters a, b and c as floats. Raises ValueError unless they are finite and a and b are not negative."""
    try:
        a, b, c = (float(value) for value in parameters)
    except (TypeError, ValueError):
        raise ValueError(f"the calibration must be three numbers, not {parameters!r}") from None
    if not all(map(math.isfinite, (a, b, c))) or min(a, b) < 0:
        raise ValueError(f"the calibration's numbers must be finite, the first two not negative: {parameters!r}")
    return a, b, c


def features(probs: np.ndarray) -> np.ndarray:
    """ln p and -ln(1 - p), whose weighted sum plus c is the calibrated log-odds: (…,) -> (…, 2)."""
    clipped = np.clip(probs.astype(np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.stack([np.log(clipped), -np.log1p(-clipped)], axis=-1)


def calibrated_log_odds(probs: np.ndarray, parameters: tuple[float, float, float]) -> np.ndarray:
    """a ln p - b ln(1 - p) + c, in the same order."""
    a, b, c = parameters
    return features(probs) @ (a, b) + c


def calibrate(probs: np.ndarray, parameters: tuple[float, float, float]) -> np.ndarray:
    """Calibrated probabilities, float32 in the same order: the sigmoid of the calibrated log-odds."""
    return (1 / (1 + np.exp(-calibrated_log_odds(probs, parameters)))).astype(np.float32)
