"""Attribution methods: each one computes a signed map of the score of every step.

Methods on the feature map need no backbone pass. Methods on the pixels need one forward and one backward pass through
the backbone per step. No method puts hooks on the shared model, so several threads can explain at the same time.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnnrnn.models.backbone import Backbone

# feature maps, one copy per step (step, channel, height, width) -> the score of each step (step,)
StepScores = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pixels:
    """The inputs of the methods on the pixels."""

    image: Tensor  # the preprocessed image (3, size, size)
    backbone: Backbone
    scores: StepScores  # as a function of the backbone's feature maps


@dataclass(frozen=True)
class Steps:
    """All steps of one path of one image: the input of a method."""

    scores: StepScores  # as a function of maps of the shape of `maps`
    maps: Tensor  # (step, channel, height, width), the same for every step; detached
    # The contribution of each location (step, height, width); only for a model with spatial scoring.
    contributions: Callable[[], Tensor] | None = None
    pixels: Pixels | None = None


def cam(steps: Steps) -> Tensor:
    """Class activation maps: the contribution of each location to the score (step, height, width).

    With spatial scoring, logits are sums over the locations and the contributions are exact. For a pooled model the
    method is HiResCAM, which equals Grad-CAM in that case.
    """
    return steps.contributions() if steps.contributions is not None else hires_cam(steps)


def grad_cam(steps: Steps) -> Tensor:
    """Grad-CAM (Selvaraju et al., 2017): signed maps (step, height, width)."""
    weights = _gradient(steps.scores, steps.maps).mean(dim=(2, 3), keepdim=True)  # (step, channel, 1, 1)
    return (weights * steps.maps).sum(dim=1)


def hires_cam(steps: Steps) -> Tensor:
    """HiResCAM (Draelos and Carin, 2021): the gradient at each location times its features (step, height, width).

    For an average-pooled map it equals Grad-CAM. Where the locations have different weights for a label, only HiResCAM
    gives the contribution of each location.
    """
    return _gradient_times_features(steps.scores, steps.maps)


def _gradient_times_features(scores: StepScores, feature_maps: Tensor) -> Tensor:
    return (_gradient(scores, feature_maps) * feature_maps).sum(dim=1)


def _gradient(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """The gradient of each step's score with respect to its copy of the feature map (step, channel, height, width)."""
    feature_maps = feature_maps.detach().requires_grad_(True)
    return torch.autograd.grad(scores(feature_maps).sum(), feature_maps)[0]


def integrated_gradients(steps: Steps) -> Tensor:
    """Integrated gradients (Sundararajan et al., 2017) from an all-zero feature map, with 16 points, by
    captum (step, height, width)."""
    from captum.attr import IntegratedGradients

    attributions = IntegratedGradients(steps.scores).attribute(steps.maps, n_steps=16)
    return attributions.detach().sum(dim=1)


def occlusion(steps: Steps) -> Tensor:
    """Occlusion (Zeiler and Fergus, 2014): the drop of each step's score when a location is set to zero, by captum
    (step, height, width)."""
    from captum.attr import Occlusion

    window = (steps.maps.shape[1], 1, 1)
    with torch.no_grad():
        drop = Occlusion(steps.scores).attribute(steps.maps.contiguous(), sliding_window_shapes=window)
    return drop.mean(dim=1)  # the same in every channel


def smoothgrad(steps: Steps) -> Tensor:
    """SmoothGrad (Smilkov et al., 2017): gradient times feature map, averaged over 16 noisy copies
    (step, height, width).

    captum's implementation draws from the global random generator, which several threads would share.
    """
    samples, feature_maps = 16, steps.maps
    rng = torch.Generator(feature_maps.device).manual_seed(0)  # the same image always has the same map
    noise_std = 0.15 * feature_maps.std()
    total = feature_maps.new_zeros(feature_maps[:, 0].shape)  # (step, height, width)
    for _ in range(samples):
        noise = torch.randn(feature_maps.shape[1:], generator=rng, device=feature_maps.device)
        total += _gradient_times_features(steps.scores, feature_maps + noise_std * noise)
    return total / samples


def input_x_gradient(steps: Steps) -> Tensor:
    """Pixels times the gradient of the score with respect to them, by captum (step, size, size)."""
    from captum.attr import InputXGradient

    pixels, images = _pixels(steps)
    attributions = InputXGradient(lambda images: pixels.scores(pixels.backbone(images))).attribute(images)
    return attributions.detach().sum(dim=1)


def guided_grad_cam(steps: Steps) -> Tensor:
    """Guided Grad-CAM (Selvaraju et al., 2017): Grad-CAM's positive evidence times guided backpropagation, by captum:
    (step, size, size).

    captum puts hooks on the network, so it works on a copy.
    """
    from captum.attr import GuidedBackprop

    pixels, images = _pixels(steps)
    model = nn.Sequential(with_hookable_relus(copy.deepcopy(pixels.backbone)), _ScoreModule(pixels.scores))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum warns that it puts hooks on the network
        guided = GuidedBackprop(model).attribute(images)  # (step, 3, size, size)
    coarse = grad_cam(steps).clamp(min=0).unsqueeze(1)
    fine = functional.interpolate(coarse, images.shape[-2:], mode="bilinear", align_corners=False)
    return (fine * guided.detach()).sum(dim=1)


def _pixels(steps: Steps) -> tuple[Pixels, Tensor]:
    """The pixel inputs, and a copy of the image for every step (step, 3, size, size)."""
    assert steps.pixels is not None
    images = steps.pixels.image.expand(len(steps.maps), -1, -1, -1)
    return steps.pixels, images.detach().requires_grad_(True)


class _ScoreModule(nn.Module):
    """Wraps the score function as a module for captum."""

    def __init__(self, scores: StepScores) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, feature_maps: Tensor) -> Tensor:
        return self.scores(feature_maps)


class _ReLU6(nn.ReLU):
    """ReLU6 as a subclass of ReLU, the only class that captum's guided backpropagation hooks."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(x)


def with_hookable_relus(network: nn.Module) -> nn.Module:
    """Replace every ReLU and ReLU6 of the network, in place, by one that does not overwrite its input.

    captum needs this for its backward hooks. Returns the network.
    """
    for name, child in network.named_children():
        if isinstance(child, nn.ReLU | nn.ReLU6):
            setattr(network, name, _ReLU6() if isinstance(child, nn.ReLU6) else nn.ReLU())
        else:
            with_hookable_relus(child)
    return network


METHODS: dict[str, Callable[[Steps], Tensor]] = {
    "cam": cam,
    "hires-cam": hires_cam,
    "grad-cam": grad_cam,
    "integrated-gradients": integrated_gradients,
    "occlusion": occlusion,
    "smoothgrad": smoothgrad,
    "input-x-gradient": input_x_gradient,
    "guided-grad-cam": guided_grad_cam,
}
# The maps of these methods have the resolution of the input image; those of the others have the feature map's.
PIXEL_METHODS = ("input-x-gradient", "guided-grad-cam")
DEFAULT_METHOD = "cam"
