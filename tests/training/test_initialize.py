"""An untrained checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split
from cnnrnn.evaluation.record import save_with_card
from cnnrnn.models.backbone import Backbone, BackboneError
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
    assert plain.model.backbone.config.center_offset == -0.25
    assert plain.training == {"pretrained": False, "weights": None, "order": "frequent"}
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
    assert pretrained.training == {"pretrained": True, "weights": None, "order": "rare"}
    assert pretrained.vocabulary.labels == plain.vocabulary.labels[::-1]
    assert torch.equal(weights(pretrained)[1], weights(plain)[1])  # the head is the same on any backbone
    shuffles = [made(seed=seed, order="random").vocabulary.labels for seed in (0, 0, 1)]
    assert shuffles[0] == shuffles[1] != shuffles[2]
    assert type(made(head="sigmoid").model).__name__ == "SigmoidClassifier"


def test_the_backbone_of_a_trained_model_is_a_start(small_split: Split, tmp_path: Path) -> None:
    source = new_checkpoint(small_split, "test_byobnet", 64, False, 3, torch.device("cpu"), hidden_dim=16)
    trained = source.model.backbone
    save_with_card(source, tmp_path / "run" / "best", {})

    def started(name: str, image_size: int | None) -> Backbone:
        made = new_checkpoint(small_split, name, image_size, True, 5, torch.device("cpu"), weights=tmp_path / "run")
        assert made.training["pretrained"]
        return made.model.backbone

    for image_size in (None, 128):
        backbone = started("test_byobnet", image_size)
        assert backbone.config == replace(trained.config, image_size=image_size or 64)
        for name, tensor in trained.state_dict().items():  # stored in half precision
            torch.testing.assert_close(backbone.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)
    with pytest.raises(BackboneError, match="run is test_byobnet: take --backbone test_byobnet"):
        started("resnet18", None)
