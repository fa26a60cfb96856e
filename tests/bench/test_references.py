"""The references find the same paths, or the comparison would be worth nothing."""

from __future__ import annotations

import pytest
import torch

from cnnrnn.bench import naive
from cnnrnn.decoding.beam_search import decode
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig

LABELS = 12


@pytest.fixture(scope="module")
def model() -> CNNRNN:
    torch.manual_seed(2)
    model = CNNRNN(ModelConfig(LABELS, 16, 12), Backbone(BackboneConfig.of("test_byobnet", 64))).eval()
    with torch.no_grad():
        model.label_embedding *= 3  # surer of itself
    return model.requires_grad_(False)


def test_one_image_after_the_other_finds_what_the_batch_does(model: CNNRNN) -> None:
    feature = torch.randn(9, 1, model.backbone.feature_dim, generator=torch.Generator().manual_seed(1))
    traces = decode(model, feature, [str(label) for label in range(LABELS)], 4)
    for trace, (tokens, log_prob) in zip(traces, naive.search(model, feature, 4), strict=True):
        assert trace.paths[0].tokens == tokens
        assert trace.paths[0].log_prob == pytest.approx(log_prob, abs=1e-4)


def test_generate_finds_what_the_batch_does(model: CNNRNN) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install 'cnnrnn[bench]'")
    from cnnrnn.bench.generate import Generate

    feature = torch.randn(9, 1, model.backbone.feature_dim, generator=torch.Generator().manual_seed(1))
    # It counts an END only among as many continuations as there are beams; with this many that is no matter.
    traces = decode(model, feature, [str(label) for label in range(LABELS)], 100)
    found = Generate(model).search(feature, 100)
    assert [trace.paths[0].tokens for trace in traces] == found
