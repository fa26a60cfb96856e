"""An untrained checkpoint."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split
from cnnrnn.models.backbone import Backbone
from cnnrnn.training import initialize
from cnnrnn.training.initialize import new_checkpoint


def test_a_new_checkpoint_has_the_given_settings(small_split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    def weights(checkpoint: Checkpoint) -> tuple[Tensor, Tensor]:
        return next(checkpoint.model.backbone.parameters()).detach(), checkpoint.model.label_embedding.detach()

    def made(seed: int = 0, pretrained: bool = False, **settings: Any) -> Checkpoint:
        return new_checkpoint(small_split, "test_byobnet", 32, pretrained, seed, torch.device("cpu"), **settings)

    plain = made(hidden_dim=16, dropout=0.25)
    assert (plain.model.config.hidden_dim, plain.model.config.dropout, plain.model.config.num_labels) == (16, 0.25, 6)
    assert plain.model.backbone.config.image_size == 32
    assert plain.training == {"pretrained": False, "order": "frequent"}
    assert plain.weights_hash == ""
    counts = {label: sum(label in sample.labels for sample in small_split.samples) for label in small_split.labels}
    assert dict(zip(plain.vocabulary.labels, plain.vocabulary.counts, strict=True)) == counts
    assert plain.vocabulary.labels == tuple(sorted(small_split.labels, key=lambda label: (-counts[label], label)))
    torch.manual_seed(77)  # what was drawn before doesn't matter
    for one, other in zip(weights(plain), weights(made(hidden_dim=16)), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(weights(plain), weights(made(seed=1, hidden_dim=16)), strict=True):
        assert not torch.equal(one, other)

    calls: list[str] = []
    monkeypatch.setattr(initialize, "load_pretrained", lambda network, weights: calls.append("load") or torch.rand(7))
    monkeypatch.setattr(Backbone, "fold_batch_norm", lambda self: calls.append("fold"))
    made()
    assert calls == []
    pretrained = made(pretrained=True, order="rare", hidden_dim=16)
    assert calls == ["load", "fold"]
    assert pretrained.training == {"pretrained": True, "order": "rare"}
    assert pretrained.vocabulary.labels == plain.vocabulary.labels[::-1]
    assert torch.equal(weights(pretrained)[1], weights(plain)[1])  # the head is the same on any backbone
    shuffles = [made(seed=seed, order="random").vocabulary.labels for seed in (0, 0, 1)]
    assert shuffles[0] == shuffles[1] != shuffles[2]
    assert type(made(head="sigmoid").model).__name__ == "SigmoidClassifier"
