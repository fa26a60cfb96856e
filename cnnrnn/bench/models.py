"""Models to time: small heads that were taught something, so that their searches end as those of real ones do."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from cnnrnn.backbones import Backbone, BackboneConfig
from cnnrnn.model import CNNRNN, ModelConfig
from cnnrnn.training import sequence_loss

_LABELS_A_PICTURE = 3
_STEPS, _BATCH = 200, 256


@cache
def taught(num_labels: int, embedding_dim: int = 64, hidden_dim: int = 512) -> CNNRNN:
    """A CNN-RNN of the paper's size that tells from I which three of its labels a random direction prefers."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        backbone = Backbone(BackboneConfig.of("tf_efficientnet_lite0"))  # for the size of its features; it never runs
        model = CNNRNN(ModelConfig(num_labels, embedding_dim, hidden_dim), backbone)
        optimizer = torch.optim.AdamW(head(model), lr=3e-3)
        directions = torch.randn(backbone.feature_dim, num_labels)
        for _ in range(_STEPS):
            features = pictures(model, _BATCH)
            labels = (features[:, 0] @ directions).topk(_LABELS_A_PICTURE, dim=1).indices.sort(dim=1).values
            start, end = torch.full((_BATCH, 1), model.start), torch.full((_BATCH, 1), model.end)
            loss = sequence_loss(model(features, torch.cat([start, labels], 1)), torch.cat([labels, end], 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval().requires_grad_(False)


def pictures(model: CNNRNN, batch: int) -> Tensor:
    """I of so many random pictures: (batch, 1, feature)."""
    return torch.randn(batch, 1, model.backbone.feature_dim)


def head(model: CNNRNN) -> list[nn.Parameter]:
    """What is trained on features that were computed before: all but the backbone."""
    return [parameter for name, parameter in model.named_parameters() if not name.startswith("backbone.")]
