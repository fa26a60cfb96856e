from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

from cnnrnn.baseline import SigmoidClassifier, SigmoidConfig, choose_threshold, threshold_labels

LABELS = ("dog", "cat", "bird")


class Features(nn.Module):
    feature_dim = 4


def classifier() -> SigmoidClassifier:
    torch.manual_seed(0)
    return SigmoidClassifier(SigmoidConfig(num_labels=3), Features()).eval()  # type: ignore[arg-type]


def test_a_set_has_the_probability_of_its_independent_labels() -> None:
    model = classifier()
    model.threshold.fill_(0.4)
    pooled = torch.randn(5, 4)
    probs = model(pooled).sigmoid()
    for trace, p in zip(threshold_labels(model, pooled, LABELS), probs, strict=True):
        torch.testing.assert_close(torch.from_numpy(trace.marginals), p.detach())
        chosen = p >= 0.4
        assert set(trace.paths[0].tokens) == set(chosen.nonzero().flatten().tolist())
        expected = torch.where(chosen, p, 1 - p).prod()
        assert trace.paths[0].prob == pytest.approx(expected.item(), rel=1e-4)
        ranked = [p[token].item() for token in trace.paths[0].tokens]
        assert ranked == sorted(ranked, reverse=True)


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
