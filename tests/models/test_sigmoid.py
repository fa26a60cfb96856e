from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnrnn.decoding.threshold import threshold_labels
from cnnrnn.models.sigmoid import SigmoidClassifier, SigmoidConfig

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
