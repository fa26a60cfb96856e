"""A picture as one place or many, and from what every place says of a label to the label's score."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnrnn.backbones import Backbone


def image_feature(backbone: Backbone, feature_map: Tensor, places: bool) -> Tensor:
    """Feature map (batch, channel, height, width) -> I, of every place or pooled: (batch, place or 1, feature)."""
    return feature_map.flatten(2).transpose(1, 2) if places else backbone.pool(feature_map).unsqueeze(1)


class OnePlace(nn.Module):
    """A picture that was pooled before has one place, which says it all."""

    def weights(self, scores: Tensor) -> Tensor:
        """(…, 1, label) -> the same shape, ones."""
        return torch.ones_like(scores)

    def forward(self, scores: Tensor) -> Tensor:
        """(…, 1, label) -> (…, label)."""
        return scores.squeeze(-2)


class OverPlaces(nn.Module):
    """Residual attention (Zhu and Wu, ICCV 2021), with both its weights learned.

    Every place counts for the mean, and those where a label stands out count once more, `peak` times, by the label's
    own softmax over the places: something small is seen, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = nn.Parameter(torch.ones(()))
        self.sharpness = nn.Parameter(torch.ones(()))

    def weights(self, scores: Tensor) -> Tensor:
        """How much a place counts for each label: (…, place, label) -> the same shape."""
        return 1 / scores.shape[-2] + self.peak * (self.sharpness * scores).softmax(dim=-2)

    def forward(self, scores: Tensor) -> Tensor:
        """What every place says of a label (…, place, label) -> the label's score (…, label)."""
        return (self.weights(scores) * scores).sum(dim=-2)


class Share(NamedTuple):
    """The images of a batch that are here, where several processes divide it among themselves."""

    rows: slice
    batch: int  # images of the whole batch


def drop_channels(dropout: nn.Dropout, feature: Tensor, share: Share | None = None) -> Tensor:
    """Dropout of the same channels at every place, since neighbours tell each other's: (batch, place, channel).

    Of a share of a batch the mask is drawn for the whole batch: it is the same whoever has which image.
    """
    if not dropout.training:
        return feature
    rows, batch = share or (slice(None), len(feature))
    return feature * dropout(feature.new_ones(batch, 1, feature.shape[2]))[rows]
