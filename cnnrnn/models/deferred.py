"""A backbone whose network is built when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cnnrnn.models.backbone import Backbone, BackboneConfig


class DeferredBackbone(Backbone):
    """A backbone that is built when anything asks for its network, its parameters or its modules.

    Importing timm and torchvision takes longer than all else until an image is decoded, and where another engine
    computes the feature map, the network is needed only to explain an image down to its pixels.
    """

    def __init__(self, config: BackboneConfig, channels: int, weights: Mapping[str, Tensor]) -> None:
        """`weights` are those of a backbone's `state_dict`, and fit: an earlier process built it of the same ones."""
        nn.Module.__init__(self)
        self.config, self.channels = config, channels
        self._waiting: Mapping[str, Tensor] = weights  # empty when the network is built

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there, or not yet."""
        if name in ("net", "feature_dim") and self._waiting:
            self._build()
            return getattr(self, name)
        return super().__getattr__(name)

    def _build(self) -> None:
        if weights := self._waiting:
            built = Backbone(self.config)
            built.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
            self.net, self.feature_dim = built.net.train(self.training), built.feature_dim
            self._waiting = {}

    @property
    def device(self) -> torch.device:
        return torch.device("cpu") if self._waiting else super().device

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Module]]:
        """With those of the network: `parameters` and `buffers` come from here, the whole model's as well."""
        self._build()
        return super().named_modules(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        self._build()
        return super().state_dict(*args, **kwargs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> DeferredBackbone:
        """What `to` and its like do with every tensor."""
        self._build()
        return super()._apply(fn, recurse)
