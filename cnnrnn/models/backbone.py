"""A CNN backbone from timm: its feature map, its pooled feature and its preprocessing."""

from __future__ import annotations

import copy
import difflib
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from cnnrnn.models.receptive_field import center_offset
from cnnrnn.utils.errors import UserError, summarize_error

Layers = Callable[[Tensor], Tensor]  # (batch, channel, height, width) in and out

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
MAX_IMAGE_SIZE = 4096  # pixels
_FILTERS = {resampling.name.lower(): resampling for resampling in Image.Resampling}  # by timm's names
_PIXELS_PER_CHUNK = 2 * 320**2  # near the fastest from 224 to 448 px, measured on two cores


class BackboneError(UserError):
    """A backbone or its weights are not available; the message says what to do."""


@dataclass(frozen=True)
class BackboneConfig:
    """Everything needed to rebuild a backbone and to prepare its images, without its weights."""

    name: str  # timm's name
    image_size: int  # pixels; images are stretched to a square, so that every map covers the whole image
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str  # as timm names it
    folded: bool = False  # batch norm is part of the convolutions before it: `Backbone.fold_batch_norm`
    output_stride: int | None = None  # pixels per location of the feature map, by dilation; None for the network's own
    center_offset: float = 0.0  # of the locations' receptive fields, in cells: `receptive_field.center_offset`

    @classmethod
    def of(cls, name: str, image_size: int | None = None) -> BackboneConfig:
        """timm's own preprocessing for the model; ``image_size`` overrides its resolution."""
        import timm  # heavy, here and below: an image can be decoded without it, see `DeferredBackbone`
        from timm.data import resolve_model_data_config

        check_name(name)
        pretrained = timm.get_pretrained_cfg(name)
        data = resolve_model_data_config(None, pretrained_cfg=pretrained.to_dict() if pretrained else {})
        return cls(
            name=name,
            image_size=image_size or data["input_size"][-1],
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
            interpolation=data["interpolation"],
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def computation(self) -> dict[str, Any]:
        """What a feature map depends on beside the weights, for the names of cached files."""
        return {name: value for name, value in asdict(self).items() if name != "center_offset"}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BackboneConfig:
        """Raises ValueError for a size that no image should be stretched to, an unknown filter, and an offset that no
        network has."""
        if not 1 <= values["image_size"] <= MAX_IMAGE_SIZE:
            raise ValueError(f"images of {values['image_size']} px; at most {MAX_IMAGE_SIZE}")
        if values["interpolation"] not in _FILTERS:
            raise ValueError(f"unknown interpolation; allowed are {', '.join(_FILTERS)}")
        if not -1 <= values.get("center_offset", 0.0) <= 1:
            raise ValueError(f"a center_offset of {values['center_offset']}; it is between -1 and 1")
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})


def check_name(name: str) -> None:
    """Raises BackboneError for a name that is not timm's."""
    import timm

    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.8)
        near = ", ".join(close or timm.list_models(f"*{name.split('_')[-1]}*")[:5])
        raise BackboneError(f"timm knows no model '{name}'" + (f"; did you mean {near}?" if near else ""))


def _create_network(config: BackboneConfig) -> nn.Module:
    """The timm network without weights. Raises BackboneError for a stride that it can't have."""
    import timm

    stride = config.output_stride
    if stride is None:
        return timm.create_model(config.name, pretrained=False, num_classes=0)
    if stride in (8, 16, 32):
        with suppress(Exception):  # networks that can't be dilated raise many types
            return timm.create_model(config.name, pretrained=False, num_classes=0, output_stride=stride)
    raise BackboneError(f"'{config.name}' can't have an output stride of {stride}; try 32, 16 or 8, or none")


def _fold(module: nn.Module) -> None:
    """Fold every batch norm that follows a convolution into it, in place; its activation stays."""
    children = list(module.named_children())
    for _, child in children:
        _fold(child)
    for (_, conv), (name, norm) in itertools.pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            setattr(module, name, getattr(norm, "act", nn.Identity()))


def _flattened(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The named children in order, with every nn.Sequential replaced by its own children."""
    for name, child in module.named_children():
        if type(child) is nn.Sequential:
            yield from ((f"{name}.{inner}", layer) for inner, layer in child.named_children())
        else:
            yield name, child


def run_in_chunks(layers: Layers, images: Tensor) -> Tensor:
    """Apply `layers` to a batch (batch, 3, height, width), in chunks if it is on a CPU and needs no gradient.

    The first layers' outputs for a large batch exceed both the CPU's cache and the memory that the C library retains,
    so every layer would have to wait for new pages: a batch of 16 at 448 px takes three times as long in one piece.
    """
    if torch.is_grad_enabled() or images.device.type != "cpu":
        return layers(images)
    chunk_size = max(1, _PIXELS_PER_CHUNK // (images.shape[-2] * images.shape[-1]))
    return torch.cat([layers(chunk) for chunk in images.split(chunk_size)])


def _no_map(name: str) -> BackboneError:
    return BackboneError(f"'{name}' has no spatial feature map; choose a CNN")


def _check_spatial(feature_map: Tensor, name: str) -> Tensor:
    """The feature map itself. Raises BackboneError if it is not (batch, channel, height, width)."""
    if not isinstance(feature_map, Tensor) or feature_map.ndim != 4:
        raise _no_map(name)
    return feature_map


def compiled(layers: Layers) -> Layers:
    """`layers` compiled by torch.compile. A call raises BackboneError if that fails, as without a C++ compiler."""
    from torch._dynamo.exc import TorchDynamoException  # heavy

    compiled_layers = torch.compile(layers)

    def run(images: Tensor) -> Tensor:
        try:
            return compiled_layers(images)
        except TorchDynamoException as error:
            raise BackboneError(f"torch.compile doesn't work here: {summarize_error(error)}") from error

    return run


class Backbone(nn.Module):
    """A timm CNN in two parts: from the image to the last feature map, and from there to one vector per image."""

    net: Any  # timm's classes have no common type
    precision: torch.dtype = torch.float32  # of the computation; weights and results are always float32
    channels: int  # of the feature map
    feature_dim: int  # of the pooled vector

    def __init__(self, config: BackboneConfig) -> None:
        """Build the network without weights. Raises BackboneError for an unknown name or an impossible stride."""
        super().__init__()
        check_name(config.name)  # one such as "hf-hub:…" in an untrusted checkpoint would make timm open a connection
        self.config = config
        self.net = _create_network(config)
        try:
            self.channels, self.feature_dim = self.net.num_features, self.net.head_hidden_size
        except AttributeError:
            raise _no_map(config.name) from None
        if config.folded:
            _fold(self.net)
        self.net.to(memory_format=torch.channels_last)  # the faster layout for convolutions, on CPUs by half

    def check(self) -> None:
        """Run an example through the network. Raises BackboneError if it has no feature map or not for this size."""
        was_training = self.training
        try:
            with torch.no_grad():
                self.eval().pool(self(self._example()))
        except BackboneError:
            raise
        except Exception as error:  # networks without a map raise many types
            size = self.config.image_size
            raise BackboneError(
                f"'{self.config.name}' gives no spatial feature map for images of {size} px: {summarize_error(error)}; "
                "try its own size, without --image-size, or choose a CNN"
            ) from error
        finally:
            self.train(was_training)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def compute_in(self, precision: str) -> None:
        """Compute in `precision`, a key of PRECISIONS. Raises BackboneError if the GPU does not support bfloat16."""
        if precision == "bfloat16" and self.device.type == "cuda" and not torch.cuda.is_bf16_supported(False):
            raise BackboneError("this GPU has no bfloat16; take --precision float32")
        self.precision = PRECISIONS[precision]

    def compile_layers(self) -> None:
        """Compile the layers up to the feature map, in place; see `compiled`."""
        self.net.forward_features = compiled(self.net.forward_features)

    def fold_batch_norm(self) -> None:
        """Fold batch norm with its fixed statistics into the convolutions, which is up to twice as fast.

        The outputs are compared, and the network stays as it is if they differ.
        """
        folded = copy.deepcopy(self.net).eval()
        _fold(folded)
        images = self._example()
        with torch.no_grad():
            before, after = self.net.eval()(images), folded(images)
        if torch.allclose(before, after, rtol=1e-2, atol=1e-3 * float(before.abs().max())):
            self.net, self.config = folded, replace(self.config, folded=True)

    def measure_center_offset(self) -> None:
        """Find where the locations of the feature map look, and note it in the config."""
        was_training = self.training
        offset = center_offset(self.eval().net, self, self._example())
        self.config = replace(self.config, center_offset=round(offset, 4))
        self.train(was_training)

    def at(self, image_size: int | None = None, output_stride: int | None = None) -> Backbone:
        """A copy for images of another size, or with another output stride: dilation gives a finer feature map.

        None keeps the present value. Raises BackboneError for a stride that the network can't have.
        """
        config = replace(
            self.config,
            image_size=image_size or self.config.image_size,
            output_stride=output_stride or self.config.output_stride,
        )
        other = Backbone(config)
        other.load_state_dict(self.state_dict())
        other.to(self.device).train(self.training).measure_center_offset()
        return other

    def layers(self) -> dict[str, nn.Module]:
        """The layers up to the last feature map in order, by timm's names.

        Raises BackboneError for a network that is not a sequence of its modules.
        """
        images, was_training = self._example(), self.net.training
        layers: dict[str, nn.Module] = {}
        depth = 0  # layers up to the feature map; a last layer may change nothing, as in an untrained ResNet
        with torch.no_grad():
            self.net.eval()
            target, x = _check_spatial(self.net.forward_features(images), self.config.name), images
            for name, layer in _flattened(self.net):
                try:
                    x = layer(x)
                except (RuntimeError, TypeError, NotImplementedError):
                    break
                layers[name] = layer
                if x.shape == target.shape and torch.allclose(x, target):
                    depth = len(layers)
        self.net.train(was_training)
        if not depth:
            raise BackboneError(f"'{self.config.name}' is no sequence of layers; train all of it or none")
        return dict(itertools.islice(layers.items(), depth))

    def _example(self) -> Tensor:
        """Noise as an example input (1, 3, size, size)."""
        size = self.config.image_size
        return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(self.device)

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, 3, size, size), uint8 or preprocessed -> feature map (batch, channel, height, width)."""
        return self.channels_first(self.compute(self.net.forward_features, self.normalized(images)))

    def normalized(self, images: Tensor) -> Tensor:
        """uint8 pixels (batch, 3, size, size) -> float32, as `preprocess` has them; which it leaves as they are."""
        if images.dtype != torch.uint8:
            return images
        return _normalized(images, self.config)

    def channels_first(self, feature_map: Tensor) -> Tensor:
        """What the layers give, as (batch, channel, height, width): Swin and others have the channels last.

        Raises BackboneError if it is no feature map.
        """
        _check_spatial(feature_map, self.config.name)
        if self._channels_last():
            feature_map = feature_map.permute(0, 3, 1, 2)
        if feature_map.shape[1] != self.channels:
            raise _no_map(self.config.name)
        return feature_map

    def _channels_last(self) -> bool:
        return getattr(self.net, "output_fmt", None) == "NHWC"

    def compute(self, layers: Layers, images: Tensor) -> Tensor:
        """Apply some of the network's layers in its precision: (batch, channel, height, width) in and out."""
        if self.precision == torch.float32:
            return run_in_chunks(layers, images)
        with torch.autocast(images.device.type, self.precision):
            return run_in_chunks(layers, images).float()

    def pool(self, feature_map: Tensor) -> Tensor:
        """Feature map (batch, channel, height, width) -> I of equation 3 (batch, feature).

        This is the network's own head without its classifier: average pooling for most CNNs, fc6 and fc7 for VGG.
        """
        if self._channels_last():
            feature_map = feature_map.permute(0, 2, 3, 1)
        return self.net.forward_head(feature_map, pre_logits=True)

    @property
    def pixels(self) -> Callable[[Image.Image], Tensor]:
        """RGB image -> uint8 (3, size, size): a fourth of the bytes of `preprocess`, to be normalized in a batch."""
        return partial(_square_pixels, config=self.config)

    @property
    def preprocess(self) -> Callable[[Image.Image], Tensor]:
        """RGB image -> float32 (3, size, size), normalized with the network's mean and std."""
        return partial(_preprocessed, config=self.config)


def uint8_pixels(image: Image.Image) -> Tensor:
    """PIL image -> uint8 (3, height, width)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _square_pixels(image: Image.Image, config: BackboneConfig) -> Tensor:
    """The image stretched to the square input; PIL's filters do not alias."""
    size = config.image_size, config.image_size
    return uint8_pixels(image.resize(size, _FILTERS[config.interpolation]))


def _preprocessed(image: Image.Image, config: BackboneConfig) -> Tensor:
    return _normalized(_square_pixels(image, config), config)


def _normalized(pixels: Tensor, config: BackboneConfig) -> Tensor:
    """uint8 (…, 3, height, width) -> float32. torchvision's ToDtype and Normalize take three times as long."""
    shift = 255 * torch.tensor(config.mean, device=pixels.device).view(3, 1, 1)
    scale = 1 / (255 * torch.tensor(config.std, device=pixels.device).view(3, 1, 1))
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).sub_(shift).mul_(scale)
