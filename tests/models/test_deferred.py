"""A deferred backbone is built when it is asked for its network, and is then the same one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cnnrnn.models import deferred
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.deferred import DeferredBackbone

Built = list[BackboneConfig]


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone(BackboneConfig.of("tf_efficientnet_lite0", 64)).eval()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Built:
    """The networks that were built."""
    configs: Built = []

    def build(config: BackboneConfig) -> Backbone:
        configs.append(config)
        return Backbone(config)

    monkeypatch.setattr(deferred, "Backbone", build)
    return configs


def defer(backbone: Backbone) -> DeferredBackbone:
    return DeferredBackbone(backbone.config, backbone.channels, backbone.state_dict())


def test_images_are_prepared_without_the_network(backbone: Backbone, built: Built) -> None:
    image = Image.radial_gradient("L").convert("RGB")
    model = nn.ModuleList([defer(backbone)]).eval()
    (waiting,) = model
    assert isinstance(waiting, DeferredBackbone)
    assert torch.equal(waiting.pixels(image), backbone.pixels(image))
    assert torch.equal(waiting.preprocess(image), backbone.preprocess(image))
    assert waiting.device == torch.device("cpu")
    assert waiting.channels == backbone.channels
    assert built == []


USES: list[Callable[[nn.ModuleList], object]] = [
    lambda model: model[0].eval()(torch.zeros(1, 3, 64, 64)),
    lambda model: model[0].feature_dim,
    lambda model: next(model.parameters()),
    lambda model: list(model.buffers()),
    lambda model: list(model.modules()),
    lambda model: model.state_dict(),
    lambda model: model.to("cpu"),
    lambda model: model.double(),
    lambda model: model.requires_grad_(False),
]


@pytest.mark.parametrize("use", USES)
def test_whatever_asks_for_the_network_finds_all_of_it_built_once(
    use: Callable[[nn.ModuleList], object], backbone: Backbone, built: Built
) -> None:
    model = nn.ModuleList([defer(backbone)])
    use(model)
    expected = backbone.state_dict()
    found = model[0].state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name].double(), tensor.double()) for name, tensor in expected.items())
    assert model[0].feature_dim == backbone.feature_dim
    assert built == [backbone.config]


def test_it_computes_the_same_and_keeps_its_mode(backbone: Backbone) -> None:
    images = torch.randn(2, 3, 64, 64)

    def feature_map(model: nn.Module) -> Tensor:
        with torch.no_grad():
            return model(images)

    waiting = nn.ModuleList([defer(backbone)]).eval()[0]
    for same in (copy.deepcopy(waiting), pickle.loads(pickle.dumps(waiting)), waiting):
        torch.testing.assert_close(feature_map(same), feature_map(backbone), rtol=0, atol=0)
        assert not same.net.training
    assert defer(backbone).net.training
