"""Where the locations of a feature map look, compared with the gradient of a location with respect to the image."""

from __future__ import annotations

from dataclasses import replace

import pytest
import timm.layers
import torch
from torch import Tensor, nn

from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.receptive_field import center_offset


class Residual(nn.Module):
    """A block of stride 2 with a shortcut, both centered alike."""

    def __init__(self) -> None:
        super().__init__()
        self.long = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, 2, padding=1))
        self.short = nn.Conv2d(3, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.long(x) + self.short(x)


NETWORKS = {
    "torch's padding": (lambda: nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), nn.Conv2d(3, 3, 5, 2, 2)), 32),
    "TensorFlow's": (lambda: nn.Sequential(timm.layers.Conv2dSame(3, 3, 3, 2), timm.layers.Conv2dSame(3, 3, 5, 2)), 32),
    "TensorFlow's, an odd size": (lambda: timm.layers.Conv2dSame(3, 3, 3, 2), 33),
    "pooling": (lambda: nn.Sequential(nn.Conv2d(3, 3, 7, 2, 3), nn.AvgPool2d(3, 2, 1)), 64),
    "patches": (lambda: nn.Conv2d(3, 3, 4, 4), 32),
    "no padding": (lambda: nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3, 2)), 33),
    "a shortcut": (Residual, 32),
    "dilation": (lambda: nn.Conv2d(3, 3, 3, 2, padding=1, dilation=2), 48),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_where_the_gradient_of_the_middle_is(name: str) -> None:
    make, size = NETWORKS[name]
    network = make()
    for parameter in network.parameters():
        parameter.data.fill_(1.0)  # so that the gradient of a location is symmetric around where it looks
    image = torch.zeros(1, 3, size, size, requires_grad=True)
    feature_map = network(image)
    cells = feature_map.shape[-1]
    middle = [cells // 2] if cells % 2 else [cells // 2 - 1, cells // 2]  # one or two locations
    feature_map[..., middle, middle].sum().backward()
    assert image.grad is not None
    weights = image.grad.sum(dim=(0, 1, 2))  # (column,)
    center = float((weights * torch.arange(size)).sum() / weights.sum())
    found = center_offset(network, network, image.detach())
    assert found == pytest.approx((center - (size - 1) / 2) * cells / size, abs=1e-4)
    assert all(not layer._forward_hooks for layer in network.modules())


@pytest.mark.parametrize(("name", "expected"), [("tf_efficientnet_lite0", 0.4844), ("test_byobnet", -0.25)])
def test_a_backbone_notes_it_in_its_config(name: str, expected: float) -> None:
    backbone = Backbone(BackboneConfig.of(name, 64)).train()
    assert backbone.config.center_offset == 0
    backbone.measure_center_offset()
    assert backbone.config.center_offset == pytest.approx(expected, abs=1e-4)
    assert backbone.training
    other = Backbone(BackboneConfig.of(name, 64)).at(96)  # another size may have another one
    assert other.config.center_offset == pytest.approx(expected, abs=1e-4)
    assert other.config.computation() == replace(other.config, center_offset=0.0).computation()


@pytest.mark.parametrize("offset", [1.5, float("nan"), -2])
def test_an_offset_that_no_network_has_is_refused(offset: float) -> None:
    config = BackboneConfig("test_byobnet", 64, (0.5,) * 3, (0.5,) * 3, "bicubic").to_dict()
    with pytest.raises(ValueError, match="center_offset of"):
        BackboneConfig.from_dict({**config, "center_offset": offset})
    del config["center_offset"]  # of an earlier version
    assert BackboneConfig.from_dict(config).center_offset == 0
