from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cnnrnn.decoding.threshold import probability_threshold, threshold_labels
from cnnrnn.models.sigmoid import SigmoidClassifier, SigmoidConfig
from cnnrnn.utils.calibration import calibrate

LABELS = ("dog", "cat", "bird")


class Features(nn.Module):
    feature_dim = 4


def classifier() -> SigmoidClassifier:
    torch.manual_seed(0)
    return SigmoidClassifier(SigmoidConfig(num_labels=3), Features()).eval()  # type: ignore[arg-type]


def test_a_set_has_the_probability_of_its_independent_labels() -> None:
    model = classifier()
    model.threshold.fill_(0.4)
    pooled = torch.randn(5, 1, 4)  # one place
    probs = model(pooled).sigmoid()
    for trace, p in zip(threshold_labels(model, pooled, LABELS), probs, strict=True):
        torch.testing.assert_close(torch.from_numpy(trace.marginals), p.detach())
        chosen = p >= 0.4
        assert set(trace.paths[0].tokens) == set(chosen.nonzero().flatten().tolist())
        expected = torch.where(chosen, p, 1 - p).prod()
        assert trace.paths[0].prob == pytest.approx(expected.item(), rel=1e-4)
        ranked = [p[token].item() for token in trace.paths[0].tokens]
        assert ranked == sorted(ranked, reverse=True)


def test_of_a_calibrated_model_it_is_that_of_the_calibrated_probabilities() -> None:
    model = classifier()
    model.threshold.fill_(0.4)
    pooled = torch.randn(5, 1, 4)
    before = threshold_labels(model, pooled, LABELS)
    model.config = replace(model.config, calibration=(2.0, 0.5, -1.0))
    for trace, raw in zip(threshold_labels(model, pooled, LABELS), before, strict=True):
        assert trace.paths[0].tokens == raw.paths[0].tokens  # the threshold is one of the sigmoids
        p = calibrate(raw.marginals, (2.0, 0.5, -1.0))
        assert trace.probabilities == pytest.approx(p)
        lowest = probability_threshold(model)  # in the same order
        assert {label for label, value in enumerate(p) if value >= lowest} == set(trace.paths[0].tokens)
        expected = np.where(np.isin(np.arange(3), trace.paths[0].tokens), p, 1 - p).prod()
        assert trace.paths[0].prob == pytest.approx(expected, rel=1e-4)
