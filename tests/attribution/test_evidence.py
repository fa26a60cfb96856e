"""The evidence for the labels of a batch of paths is that of one path at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from cnnrnn.attribution import evidence
from cnnrnn.attribution.evidence import path_evidence
from cnnrnn.attribution.explain import explain, prefix_contribution
from cnnrnn.attribution.targets import log_odds
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig

PATHS = [(2, 0, 1), (), (3,), (4, 3, 2, 0), (1,), (0,), (2, 4), (1, 0, 3), (4,), (2,)]


@pytest.fixture
def model(untrained_spatial: Callable[[Sequence[str]], Checkpoint]) -> CNNRNN:
    model = untrained_spatial("abcde").rnn
    with torch.no_grad():
        for parameter in model.recurrence.parameters():
            parameter.mul_(4)  # so that the labels before a step matter
        model.label_embedding[model.end].mul_(3)  # so that END's map is the strongest of some paths
    model.backbone.measure_center_offset()
    return model


def features(model: CNNRNN) -> tuple[torch.Tensor, torch.Tensor]:
    maps = torch.rand(len(PATHS), model.backbone.channels, 4, 4, generator=torch.Generator().manual_seed(1))
    return maps, model.image_feature(maps)


@pytest.mark.parametrize("values", [2**24, 1])  # all images at once, and one at a time
def test_a_batch_has_the_evidence_of_each_path(model: CNNRNN, values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_MAX_VALUES", values)
    maps, feature = features(model)
    found = path_evidence(model, feature, PATHS)
    strongest_ends = 0
    for row, (path, one) in enumerate(zip(PATHS, found, strict=True)):
        prefix = prefix_contribution(model, feature[row : row + 1], path)[:-1]
        np.testing.assert_allclose(one.prefix, prefix, atol=1e-5)
        *strengths, end = explain(model, maps[row], path).strengths
        np.testing.assert_allclose(one.strength, strengths, atol=1e-5)
        strongest_ends += bool(path) and end == 1
        assert len(one.raised_by) == len(path)
    assert 0 < strongest_ends < len(PATHS)  # END's map can be the strongest of its path


def odds_after(model: CNNRNN, feature: torch.Tensor, before: list[int], excluded: list[int], label: int) -> float:
    inputs = torch.tensor([[model.start, *before]])
    logits = teacher_forced_logits(model, feature, inputs)[:, -1].detach()
    logits[0, excluded] = -torch.inf
    return float(log_odds(logits, torch.tensor([[label]])))


def test_a_label_is_raised_by_the_one_whose_presence_alone_does_most(model: CNNRNN) -> None:
    _, feature = features(model)
    path, row = PATHS[3], 3
    found = path_evidence(model, feature, PATHS)[row]
    assert found.raised_by[0] == -1
    for step in range(1, len(path)):
        before = list(path[:step])
        odds = [odds_after(model, feature[row : row + 1], [one], before, path[step]) for one in before]
        assert found.raised_by[step] == before[int(np.argmax(odds))]


def test_without_locations_there_is_no_strength(model: CNNRNN) -> None:
    torch.manual_seed(0)
    pooled = CNNRNN(ModelConfig(num_labels=5, embedding_dim=8, hidden_dim=8), model.backbone).eval()
    feature = torch.rand(1, 1, pooled.backbone.feature_dim)
    (found,) = path_evidence(pooled, feature, [(1, 2)])
    assert np.isnan(found.strength).all()
    np.testing.assert_allclose(found.prefix, prefix_contribution(pooled, feature, (1, 2))[:-1], atol=1e-5)
