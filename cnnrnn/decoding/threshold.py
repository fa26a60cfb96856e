"""The sigmoid baseline's decoding: the labels that reach a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.utils.calibration import calibrate, calibrated_log_odds


def probability_threshold(model: SigmoidClassifier) -> float:
    """The threshold among the probabilities of a trace, which are calibrated where they can be."""
    threshold, parameters = model.threshold.item(), model.config.calibration
    return threshold if parameters is None else calibrate(np.array([threshold]), parameters).item()


@torch.no_grad()
def threshold_labels(model: SigmoidClassifier, feature: Tensor, labels: Sequence[str]) -> list[Trace]:
    """Predict the labels whose probability reaches the threshold: I (batch, location, feature) -> one Trace per image.

    Independent probabilities, calibrated ones where there are, define a distribution over label sets. The trace has one
    path: the labels that reach the threshold, most probable first, with the probability of this label set. It has no
    steps. The threshold is one of the sigmoids, and stays where it was chosen when the probabilities are calibrated.
    """
    logits, parameters = model(feature), model.config.calibration  # (batch, label)
    sigmoids = logits.sigmoid()
    chosen, probs = sigmoids >= model.threshold, sigmoids.cpu().numpy()
    log_odds = logits if parameters is None else torch.from_numpy(calibrated_log_odds(probs, parameters)).to(logits)
    present, absent = nn.functional.logsigmoid(log_odds), nn.functional.logsigmoid(-log_odds)
    log_probs = torch.where(chosen, present, absent).sum(dim=1)  # (batch,)
    traces = []
    for row, mask, log_prob in zip(probs, chosen.cpu().numpy(), log_probs.tolist(), strict=True):
        tokens = tuple(int(label) for label in np.argsort(-row, kind="stable") if mask[label])
        path = Path(tokens, log_prob, rows=())
        calibrated = None if parameters is None else calibrate(row, parameters)
        # The probability of the label set is exact.
        traces.append(Trace(tuple(labels), 1, (), (path,), row, coverage=1.0, calibrated=calibrated))
    return traces
