"""The sigmoid baseline: the same backbone with an independent sigmoid per label."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnrnn.models.backbone import Backbone
from cnnrnn.models.pooling import GlobalPool, SpatialAttentionPool, image_feature
from cnnrnn.utils.calibration import checked_parameters


@dataclass(frozen=True)
class SigmoidConfig:
    """The settings of the sigmoid baseline, without its backbone."""

    num_labels: int
    spatial: bool = False  # labels are scored at every location of the feature map; otherwise pooled
    dropout: float = 0.0  # on I; training only
    # (a, b, c) of the beta calibration of the labels' probabilities; see `utils.calibration`
    calibration: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.calibration is not None:
            object.__setattr__(self, "calibration", checked_parameters(self.calibration))  # JSON has lists

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class SigmoidClassifier(nn.Module):
    """A CNN and one linear unit per label; the labels are predicted independently."""

    threshold: Tensor  # () labels of at least this probability are predicted; chosen on the validation split

    def __init__(self, config: SigmoidConfig, backbone: Backbone) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.classifier = nn.Linear(backbone.channels if config.spatial else backbone.feature_dim, config.num_labels)
        self.spatial_pool = SpatialAttentionPool() if config.spatial else GlobalPool()
        self.register_buffer("threshold", torch.tensor(0.5))

    @property
    def device(self) -> torch.device:
        return self.classifier.weight.device

    def image_feature(self, feature_map: Tensor) -> Tensor:
        """Feature map (batch, channel, height, width) -> I (batch, location, feature), with one location if pooled."""
        return image_feature(self.backbone, feature_map, self.config.spatial)

    def forward(self, feature: Tensor, channel_mask: Tensor | None = None) -> Tensor:
        """I (batch, location, feature) -> logits (batch, label). `channel_mask` (batch, 1, feature) is training's
        dropout of I."""
        return self.spatial_pool(self.classifier(feature if channel_mask is None else feature * channel_mask))
