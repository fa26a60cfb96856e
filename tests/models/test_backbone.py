from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import InterpolationMode, v2

from cnnrnn.inference.engines import _FeatureMap
from cnnrnn.models.backbone import Backbone, BackboneConfig, BackboneError


def test_map_and_vector_are_timms_own_and_preprocessing_is_the_models() -> None:
    config = BackboneConfig.of("tf_efficientnet_lite0", 64)
    assert (config.mean, config.std, config.interpolation) == ((0.5,) * 3, (0.5,) * 3, "bicubic")
    backbone = Backbone(config).eval()
    images = torch.stack([backbone.preprocess(Image.new("RGB", (90, 30), color)) for color in ("white", "black")])
    assert images.shape == (2, 3, 64, 64)
    assert images[0].min() == images[0].max() == 1
    assert images[1].min() == images[1].max() == -1
    with torch.no_grad():
        torch.testing.assert_close(backbone.pool(backbone(images)), backbone.net(images))


def test_pixels_are_normalized_as_torchvision_does() -> None:
    config = BackboneConfig.of("resnet18", 64)
    assert config.mean == (0.485, 0.456, 0.406)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    backbone = Backbone(config)
    found = backbone.preprocess(image)
    resize = v2.Resize([64, 64], interpolation=InterpolationMode(config.interpolation))
    scale, normalize = v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(config.mean), list(config.std))
    expected = v2.Compose([resize, v2.ToImage(), scale, normalize])(image)
    torch.testing.assert_close(found, torch.Tensor(expected), rtol=0, atol=1e-6)
    assert found.is_contiguous()
    assert torch.equal(backbone.normalized(backbone.pixels(image)), backbone.preprocess(image))
    assert backbone.pixels(image).dtype == torch.uint8
    assert (np.asarray(image) == pixels).all()  # the image is not written to


def test_a_large_batch_is_encoded_in_chunks_with_equal_features() -> None:
    torch.manual_seed(0)
    backbone = Backbone(BackboneConfig.of("tf_efficientnet_lite0", 320)).eval()
    sizes: list[int] = []
    backbone.net.conv_stem.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    images = torch.randn(5, 3, 320, 320)
    whole = backbone(images)  # gradients may be wanted: in one piece
    with torch.no_grad():
        in_pieces = backbone(images)
        assert backbone(images[:0]).shape == (0, *whole.shape[1:])
    assert sizes == [5, 2, 2, 1, 0]
    torch.testing.assert_close(in_pieces, whole.detach())


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "mobilenetv3_small_050", "densenet121", "vgg16"])
def test_folded_batch_norm_is_the_same_function_and_layers_are_a_chain(name: str) -> None:
    torch.manual_seed(0)
    backbone = Backbone(BackboneConfig.of(name, 64)).eval()
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = backbone(images)
        backbone.fold_batch_norm()
        assert backbone.config.folded
        # DenseNet's norms before a convolution have to stay; elsewhere none is left.
        assert any(isinstance(m, nn.BatchNorm2d) for m in backbone.modules()) is (name == "densenet121")
        torch.testing.assert_close(backbone(images), before, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(nn.Sequential(*backbone.layers().values())(images), backbone(images))
        again = Backbone(backbone.config).eval()
        again.load_state_dict(backbone.state_dict())
        torch.testing.assert_close(again(images), backbone(images))


def test_unknown_names_and_networks_without_a_map_are_refused() -> None:
    with pytest.raises(BackboneError, match="timm knows no model 'resnet1818'"):
        BackboneConfig.of("resnet1818")
    with pytest.raises(BackboneError, match="choose a CNN"):
        Backbone(BackboneConfig.of("test_vit", 160)).eval()(torch.zeros(1, 3, 160, 160))
    with pytest.raises(BackboneError, match="choose a CNN"):
        Backbone(BackboneConfig.of("mixer_s32_224", 224)).layers()  # a chain, but of no maps


@pytest.mark.parametrize("name", ["levit_128s", "crossvit_tiny_240"])  # one gives tokens, the other lists of them
def test_networks_without_a_map_are_refused_in_one_line_whatever_they_raise(name: str) -> None:
    with pytest.raises(BackboneError, match=r"no spatial feature map.*choose a CNN") as refused:
        Backbone(BackboneConfig.of(name)).check()
    assert "\n" not in str(refused.value)


def test_a_size_that_a_network_can_not_take_is_refused() -> None:
    backbone = Backbone(BackboneConfig.of("swin_tiny_patch4_window7_224", 96))
    with pytest.raises(BackboneError, match=r"images of 96 px.*without --image-size"):
        backbone.check()
    assert backbone.training


@pytest.mark.parametrize("name", ["mambaout_femto", "swin_tiny_patch4_window7_224", "swinv2_cr_tiny_ns_224"])
def test_networks_with_the_channels_last_give_maps_with_the_channels_first(name: str) -> None:
    """swinv2_cr turns its maps round by itself."""
    torch.manual_seed(0)
    backbone = Backbone(BackboneConfig.of(name, 224)).eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        feature_map, own = backbone(images), backbone.net.forward_features(images)
        torch.testing.assert_close(backbone.pool(feature_map), backbone.net(images))
        torch.testing.assert_close(_FeatureMap(backbone)(images), feature_map)
    assert feature_map.shape == (2, backbone.channels, 7, 7)
    for row, column in ((0, 6), (5, 1)):
        vector = own[:, row, column] if own.shape[-1] == backbone.channels else own[:, :, row, column]
        torch.testing.assert_close(feature_map[:, :, row, column], vector)


def test_another_size_and_a_dilated_stage_are_the_same_network_with_a_finer_map() -> None:
    backbone = Backbone(BackboneConfig.of("tf_efficientnet_lite0", 96)).eval()
    finer, larger = backbone.at(output_stride=16), backbone.at(image_size=192)
    images = torch.randn(1, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert backbone(images[..., :96, :96]).shape[-2:] == (3, 3)
        assert finer(images[..., :96, :96]).shape[-2:] == (6, 6)
        torch.testing.assert_close(larger(images), backbone(images))
    assert larger.pixels(Image.new("RGB", (50, 40))).shape == (3, 192, 192)
    with pytest.raises(BackboneError, match="can't have an output stride of 7"):
        backbone.at(output_stride=7)
