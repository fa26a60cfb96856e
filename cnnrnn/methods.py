"""How the evidence for a step's score is spread over the picture: one signed map per step, by several methods.

Those that stay at the feature map need no backbone pass. Those that go down to the pixels do, one forth and back per
step. Nobody hooks the shared model: two threads explaining at once can't mix.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnnrnn.backbones import Backbone

# maps of features, one copy per step (step, channel, height, width) -> each step's score (step,)
StepScores = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pixels:
    """What methods need that go down to the pixels."""

    image: Tensor  # the preprocessed picture (3, size, size)
    backbone: Backbone
    scores: StepScores  # of the backbone's feature maps


@dataclass(frozen=True)
class Steps:
    """All steps of one path of one picture."""

    scores: StepScores  # of such maps as these
    maps: Tensor  # (step, channel, height, width), the same for every step; detached
    shares: Callable[[], Tensor] | None = None  # what every place adds to the scores, of a model that has it so
    pixels: Pixels | None = None


def cam(steps: Steps) -> Tensor:
    """Class activation maps: what every place adds to the score (step, height, width).

    That is told exactly where the logits are sums over places. Where the picture was pooled before they were computed,
    a gradient has to share them out: HiResCAM, which is Grad-CAM then.
    """
    return steps.shares() if steps.shares is not None else hires_cam(steps)


def grad_cam(steps: Steps) -> Tensor:
    """Grad-CAM (Selvaraju et al., 2017): signed maps (step, height, width)."""
    weights = _gradient(steps.scores, steps.maps).mean(dim=(2, 3), keepdim=True)  # (step, channel, 1, 1)
    return (weights * steps.maps).sum(dim=1)


def hires_cam(steps: Steps) -> Tensor:
    """HiResCAM (Draelos and Carin, 2021): every place's own gradient times its features; same shapes.

    Grad-CAM's mean of the gradient is the same thing for an average-pooled map. Where places count differently for a
    label, it is this that tells what each of them adds.
    """
    return _gradient_times(steps.scores, steps.maps)


def _gradient_times(scores: StepScores, feature_maps: Tensor) -> Tensor:
    return (_gradient(scores, feature_maps) * feature_maps).sum(dim=1)


def _gradient(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """Of every step's score with respect to its copy of the feature map: (step, channel, height, width)."""
    feature_maps = feature_maps.detach().requires_grad_(True)
    return torch.autograd.grad(scores(feature_maps).sum(), feature_maps)[0]


def integrated_gradients(steps: Steps) -> Tensor:
    """Integrated gradients (Sundararajan et al., 2017) from an all-zero feature map, by captum; same shapes."""
    from captum.attr import IntegratedGradients

    attributions = IntegratedGradients(steps.scores).attribute(steps.maps, n_steps=16)
    return attributions.detach().sum(dim=1)


def occlusion(steps: Steps) -> Tensor:
    """What each step's score loses when one place of the feature map is set to zero, by captum; same shapes."""
    from captum.attr import Occlusion

    window = (steps.maps.shape[1], 1, 1)
    with torch.no_grad():
        lost = Occlusion(steps.scores).attribute(steps.maps.contiguous(), sliding_window_shapes=window)
    return lost.mean(dim=1)  # the same in every channel


def smoothgrad(steps: Steps) -> Tensor:
    """SmoothGrad (Smilkov et al., 2017): gradient times feature map, averaged over noise; same shapes.

    Not captum's, whose noise comes from the one generator of the process: two people at once would mix.
    """
    samples, feature_maps = 16, steps.maps
    dice = torch.Generator(feature_maps.device).manual_seed(0)  # the same picture has the same map
    spread = 0.15 * feature_maps.std()
    total = feature_maps.new_zeros(feature_maps[:, 0].shape)  # (step, height, width)
    for _ in range(samples):
        noise = torch.randn(feature_maps.shape[1:], generator=dice, device=feature_maps.device)
        total += _gradient_times(steps.scores, feature_maps + spread * noise)
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
    whole = nn.Sequential(_guidable(copy.deepcopy(pixels.backbone)), _Scores(pixels.scores))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum says that it hooks
        guided = GuidedBackprop(whole).attribute(images)  # (step, 3, size, size)
    coarse = grad_cam(steps).clamp(min=0).unsqueeze(1)
    fine = functional.interpolate(coarse, images.shape[-2:], mode="bilinear", align_corners=False)
    return (fine * guided.detach()).sum(dim=1)


def _pixels(steps: Steps) -> tuple[Pixels, Tensor]:
    """And a copy of the picture for every step: (step, 3, size, size)."""
    assert steps.pixels is not None
    images = steps.pixels.image.expand(len(steps.maps), -1, -1, -1)
    return steps.pixels, images.detach().requires_grad_(True)


class _Scores(nn.Module):
    """A function as a module, without the parameters of what it calls."""

    def __init__(self, scores: StepScores) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, feature_maps: Tensor) -> Tensor:
        return self.scores(feature_maps)


class _ReLU6(nn.ReLU):
    """ReLU6 as a ReLU: the only kind that captum guides."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(x)


def _guidable(network: nn.Module) -> nn.Module:
    """Every ReLU exchanged, in place, for one that a backward hook can be put on: it must not overwrite its input."""
    for name, child in network.named_children():
        if isinstance(child, nn.ReLU | nn.ReLU6):
            setattr(network, name, _ReLU6() if isinstance(child, nn.ReLU6) else nn.ReLU())
        else:
            _guidable(child)
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
