"""Pooling: from the feature map to I, and from the logits of every location to the logits of the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnrnn.models.backbone import Backbone


def image_feature(backbone: Backbone, feature_map: Tensor, spatial: bool) -> Tensor:
    """Feature map (batch, channel, height, width) -> I (batch, location, feature), one location if not `spatial`."""
    return feature_map.flatten(2).transpose(1, 2) if spatial else backbone.pool(feature_map).unsqueeze(1)


class GlobalPool(nn.Module):
    """For features that the backbone has pooled: the only location's logits are the image's."""

    def weights(self, logits: Tensor) -> Tensor:
        """(…, 1, label) -> the same shape, ones."""
        return torch.ones_like(logits)

    def forward(self, logits: Tensor) -> Tensor:
        """(…, 1, label) -> (…, label)."""
        return logits.squeeze(-2)


class SpatialAttentionPool(nn.Module):
    """Residual attention (Zhu and Wu, ICCV 2021), with both its weights learned.

    An image's logit is the mean over the locations plus `peak` times a sum weighted by the label's own softmax over
    the locations, so that small objects count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = nn.Parameter(torch.ones(()))
        self.sharpness = nn.Parameter(torch.ones(()))

    def weights(self, logits: Tensor) -> Tensor:
        """The weight of every location for each label: (…, location, label) -> the same shape."""
        return 1 / logits.shape[-2] + self.peak * (self.sharpness * logits).softmax(dim=-2)

    def forward(self, logits: Tensor) -> Tensor:
        """(…, location, label) -> (…, label)."""
        return (self.weights(logits) * logits).sum(dim=-2)

    def over_last(self, logits: Tensor) -> Tensor:
        """The same of (…, label, location), which is twice as fast without gradients and half as fast with them."""
        peaked = ((self.sharpness * logits).softmax(dim=-1) * logits).sum(dim=-1)
        return logits.mean(dim=-1) + self.peak * peaked
