"""What people would use instead: the same backbone with an independent sigmoid per label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cnnrnn.backbones import Backbone
from cnnrnn.decoding import Path, Trace
from cnnrnn.pooling import OnePlace, OverPlaces, Share, drop_channels, image_feature


@dataclass(frozen=True)
class SigmoidConfig:
    num_labels: int
    places: bool = False  # labels are scored at every place of the feature map; otherwise once, pooled
    dropout: float = 0.0  # on I; training only

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class SigmoidClassifier(nn.Module):
    """A CNN and one linear unit per label; no label knows of another."""

    threshold: Tensor  # () a label is predicted from this probability on; chosen on the validation split

    def __init__(self, config: SigmoidConfig, backbone: Backbone) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.classifier = nn.Linear(backbone.channels if config.places else backbone.feature_dim, config.num_labels)
        self.over_places = OverPlaces() if config.places else OnePlace()
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("threshold", torch.tensor(0.5))

    @property
    def device(self) -> torch.device:
        return self.classifier.weight.device

    def image_feature(self, feature_map: Tensor) -> Tensor:
        """Feature map (batch, channel, height, width) -> I (batch, place, feature); a pooled image has one place."""
        return image_feature(self.backbone, feature_map, self.config.places)

    def forward(self, feature: Tensor, share: Share | None = None) -> Tensor:
        """I (batch, place, feature) -> logits (batch, label); of a share of a batch, or of a whole one."""
        return self.over_places(self.classifier(drop_channels(self.dropout, feature, share)))


@torch.no_grad()
def threshold_labels(model: SigmoidClassifier, feature: Tensor, labels: Sequence[str]) -> list[Trace]:
    """The labels of each image: I (batch, place, feature) -> one Trace per image.

    Independent sigmoids are a distribution over label sets, too; its one path here is the set that reaches
    the threshold, most probable label first, and the path's probability is that of exactly this set.
    """
    logits = model(feature)  # (batch, label)
    present, absent = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    chosen = logits.sigmoid() >= model.threshold
    log_probs = torch.where(chosen, present, absent).sum(dim=1)  # (batch,)
    traces = []
    for probs, mask, log_prob in zip(
        logits.sigmoid().cpu().numpy(), chosen.cpu().numpy(), log_probs.tolist(), strict=True
    ):
        tokens = tuple(int(label) for label in np.argsort(-probs, kind="stable") if mask[label])
        path = Path(tokens, log_prob, rows=())
        traces.append(Trace(tuple(labels), 1, (), (path,), probs, coverage=1.0))  # the probabilities are exact
    return traces
