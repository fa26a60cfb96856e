"""How the evidence for a step's score is spread over the image: one signed map per step, by several methods.

Those that stay at the feature map need no backbone pass. Those that go down to the pixels do, one forward and backward
pass per step. No method hooks the shared model, so several threads can explain at once.
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

# maps of features, one copy per step (step, channel, height, width) -> each step's score (step,)
StepScores = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pixels:
    """What methods that go down to the pixels need."""

    image: Tensor  # the preprocessed image (3, size, size)
    backbone: Backbone
    scores: StepScores  # of the backbone's feature maps


@dataclass(frozen=True)
class Steps:
    """All steps of one path of one image."""

    scores: StepScores  # as a function of such maps as these
    maps: Tensor  # (step, channel, height, width), the same for every step; detached
    # -> each location's exact contribution (step, height, width), of a model that scores labels at every location
    contributions: Callable[[], Tensor] | None = None
    pixels: Pixels | None = None


def cam(steps: Steps) -> Tensor:
    """Class activation maps: each location's contribution to the score (step, height, width).

    They are exact where the logits are sums over locations. Where the image was pooled before they were computed, the
    gradient distributes the score: HiResCAM, which is Grad-CAM then.
    """
    return steps.contributions() if steps.contributions is not None else hires_cam(steps)


def grad_cam(steps: Steps) -> Tensor:
    """Grad-CAM (Selvaraju et al., 2017): signed maps (step, height, width)."""
    weights = _gradient(steps.scores, steps.maps).mean(dim=(2, 3), keepdim=True)  # (step, channel, 1, 1)
    return (weights * steps.maps).sum(dim=1)


def hires_cam(steps: Steps) -> Tensor:
    """HiResCAM (Draelos and Carin, 2021): each location's own gradient times its features; same shapes.

    Grad-CAM's mean of the gradient is the same thing for an average-pooled map. Where locations have different weights
    for a label, only this gives each one's contribution.
    """
    return _gradient_times_features(steps.scores, steps.maps)


def _gradient_times_features(scores: StepScores, feature_maps: Tensor) -> Tensor:
    return (_gradient(scores, feature_maps) * feature_maps).sum(dim=1)


def _gradient(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """Of every step's score with respect to its copy of the feature map: (step, channel, height, width)."""
    feature_maps = feature_maps.detach().requires_grad_(True)
    return torch.autograd.grad(scores(feature_maps).sum(), feature_maps)[0]


def integrated_gradients(steps: Steps) -> Tensor:
    """Integrated gradients (Sundararajan et al., 2017) from an all-zero feature map, at 16 points of the
    straight line to it, by captum; same shapes."""
    from captum.attr import IntegratedGradients

    attributions = IntegratedGradients(steps.scores).attribute(steps.maps, n_steps=16)
    return attributions.detach().sum(dim=1)


def occlusion(steps: Steps) -> Tensor:
    """What each step's score loses when one location of the feature map is set to zero, by captum; same shapes."""
    from captum.attr import Occlusion

    window = (steps.maps.shape[1], 1, 1)
    with torch.no_grad():
        drop = Occlusion(steps.scores).attribute(steps.maps.contiguous(), sliding_window_shapes=window)
    return drop.mean(dim=1)  # the same in every channel


def smoothgrad(steps: Steps) -> Tensor:
    """SmoothGrad (Smilkov et al., 2017): gradient times feature map, averaged over noise; same shapes.

    Not captum's, whose noise comes from the global generator, which concurrent requests would share.
    """
    samples, feature_maps = 16, steps.maps
    rng = torch.Generator(feature_maps.device).manual_seed(0)  # the same image has the same map
    noise_std = 0.15 * feature_maps.std()
    total = feature_maps.new_zeros(feature_maps[:, 0].shape)  # (step, height, width)
    for _ in range(samples):
        noise = torch.randn(feature_maps.shape[1:], generator=rng, device=feature_maps.device)
        total += _gradient_times_features(steps.scores, feature_maps + noise_std * noise)
    return total / samples


def input_x_gradient(steps: Steps) -> Tensor:
    """Pixels times the score's gradient with respect to them, by captum: (step, size, size)."""
    from captum.attr import InputXGradient

    pixels, images = _pixels(steps)
    attributions = InputXGradient(lambda images: pixels.scores(pixels.backbone(images))).attribute(images)
    return attributions.detach().sum(dim=1)


def guided_grad_cam(steps: Steps) -> Tensor:
    """Guided Grad-CAM (Selvaraju et al., 2017): Grad-CAM's positive evidence times guided backpropagation, by captum:
    (step, size, size).

    Captum hooks the network for it, so it gets a copy.
    """
    from captum.attr import GuidedBackprop

    pixels, images = _pixels(steps)
    model = nn.Sequential(with_hookable_relus(copy.deepcopy(pixels.backbone)), _ScoreModule(pixels.scores))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum says that it hooks
        guided = GuidedBackprop(model).attribute(images)  # (step, 3, size, size)
    coarse = grad_cam(steps).clamp(min=0).unsqueeze(1)
    fine = functional.interpolate(coarse, images.shape[-2:], mode="bilinear", align_corners=False)
    return (fine * guided.detach()).sum(dim=1)


def _pixels(steps: Steps) -> tuple[Pixels, Tensor]:
    """And a copy of the image for every step: (step, 3, size, size)."""
    assert steps.pixels is not None
    images = steps.pixels.image.expand(len(steps.maps), -1, -1, -1)
    return steps.pixels, images.detach().requires_grad_(True)


class _ScoreModule(nn.Module):
    """A function as a module, without the parameters of what it calls."""

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
    """The same network, changed in place: every ReLU and ReLU6 below it is exchanged for one that does not overwrite
    its input, so that captum can put a backward hook on it."""
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
PIXEL_METHODS = (
    "input-x-gradient",
    "guided-grad-cam",
)  # their maps have the backbone's resolution; the others the grid's
DEFAULT_METHOD = "cam"
