"""Sequences are unrolled alike with and without the cache of their common prefixes."""

from __future__ import annotations

import pytest
import torch

from cnnrnn.decoding.prefix_cache import unroll
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig


@pytest.mark.parametrize("cell", ["lstm", "paper"])
def test_training_unrolls_each_sequence_as_decoding_does_all_together(cell: str) -> None:
    torch.manual_seed(0)
    config = ModelConfig(num_labels=4, embedding_dim=8, hidden_dim=6, cell=cell)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32))).eval()
    inputs = torch.tensor([[model.start, 0, 1], [model.start, 0, 2], [model.start, 3, 1]])  # two share a prefix
    together = unroll(model, inputs)
    assert together.shape == (3, 3, 8)
    torch.testing.assert_close(unroll(model.train(), inputs), together)
    step = model.U_o(model.rnn_step(torch.tensor([model.start]), model.initial_state(1))[0])
    torch.testing.assert_close(together[:, 0], step.expand(3, -1))


def test_in_training_sequences_with_a_common_prefix_have_dropout_of_their_own() -> None:
    torch.manual_seed(0)
    config = ModelConfig(num_labels=4, embedding_dim=8, hidden_dim=6, dropout=0.5)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32))).train()
    inputs = torch.tensor([[model.start, 0]] * 2)
    first, second = unroll(model, inputs)
    assert not torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])
