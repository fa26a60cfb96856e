"""The sigmoid baseline's decoding: the labels that reach a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.utils.calibration import calibrate


@torch.no_grad()
def threshold_labels(model: SigmoidClassifier, feature: Tensor, labels: Sequence[str]) -> list[Trace]:
    """Predict the labels whose probability reaches the threshold: I (batch, location, feature) -> one Trace per image.

    The independent sigmoids define a distribution over label sets. The trace has one path: the labels that reach the
    threshold, most probable first, with the probability of this label set. It has no steps. The threshold is one of
    the sigmoids, and stays where it was chosen when the probabilities are calibrated.
    """
    logits = model(feature)  # (batch, label)
    present, absent = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    chosen = logits.sigmoid() >= model.threshold
    log_probs = torch.where(chosen, present, absent).sum(dim=1)  # (batch,)
    parameters, traces = model.config.calibration, []
    for probs, mask, log_prob in zip(
        logits.sigmoid().cpu().numpy(), chosen.cpu().numpy(), log_probs.tolist(), strict=True
    ):
        tokens = tuple(int(label) for label in np.argsort(-probs, kind="stable") if mask[label])
        path = Path(tokens, log_prob, rows=())
        calibrated = None if parameters is None else calibrate(probs, parameters)
        # The probability of the label set is exact.
        traces.append(Trace(tuple(labels), 1, (), (path,), probs, coverage=1.0, calibrated=calibrated))
    return traces
