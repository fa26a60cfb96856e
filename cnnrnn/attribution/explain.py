"""Attribution maps of a decoded path: which locations of the image support each step, one map per step.

The image enters the model only in equation 3, and the recurrence does not depend on it. Therefore one unrolled pass
over the labels and one backward pass explain every step of a path. They need no second backbone pass and no hooks on
the shared model, so several threads can explain at the same time.

The default target is the log-odds of a step, log p - log(1 - p): the emitted token against every other token that was
possible. Its gradient is that of log p divided by 1 - p, so both have maps of the same shape. But the gradient of
log p vanishes as p approaches 1: on a common scale, the most certain step would look like a step without evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from cnnrnn.attribution.methods import DEFAULT_METHOD, METHODS, PIXEL_METHODS, Pixels, Steps, StepScores
from cnnrnn.attribution.targets import Target, log_odds
from cnnrnn.decoding.prefix_cache import unroll
from cnnrnn.models.cnnrnn import CNNRNN, emitted_before
from cnnrnn.utils.errors import UserError


@torch.no_grad()
def _path_steps(model: CNNRNN, tokens: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """The parts of a path and its END that do not depend on the image.

    Returns U_o o(t) (step, embedding), the labels that each step can't emit (step, L+1), and the tokens that the steps
    emit (step, 1).
    """
    inputs = torch.tensor([[model.start, *tokens]], device=model.device)  # (1, step)
    choices = torch.tensor([*tokens, model.end], device=model.device).unsqueeze(1)
    return unroll(model, inputs)[0], emitted_before(inputs, model.config.num_labels)[0], choices


def _image_scores(model: CNNRNN, tokens: Sequence[int], target: Target) -> Callable[[Tensor], Tensor]:
    """A function from U_I I, one copy per step (step, location, embedding), to `target` of every step (step,)."""
    recurrent, emitted, choices = _path_steps(model, tokens)

    def scores(image: Tensor) -> Tensor:
        # Integrated gradients stacks several points along the first axis, each with all steps.
        repeats = len(image) // len(choices)
        logits = model.logits(recurrent.repeat(repeats, 1).unsqueeze(1), image).squeeze(1)  # (step, L+1)
        return target(logits.masked_fill(emitted.repeat(repeats, 1), -torch.inf), choices.repeat(repeats, 1))

    return scores


def step_scores(model: CNNRNN, tokens: Sequence[int], target: Target = log_odds) -> StepScores:
    """A function from feature maps, one copy per step (step, channel, height, width), to the scores that are explained:
    `target` of every step of the path `tokens` and of its END (step,)."""
    scores = _image_scores(model, tokens, target)
    return lambda feature_maps: scores(model.project_image(model.image_feature(feature_maps)))


def _differentiable_map(
    model: CNNRNN, feature_map: Tensor, tokens: Sequence[int], target: Target
) -> tuple[Tensor, StepScores]:
    """The map (1, channel, height, width) that methods on the feature map's grid differentiate with respect to, and
    the scores as a function of it.

    For a pooled model it is the feature map. For a model with spatial scoring it is the projection of the feature map
    by U_I: U_I is linear, so each location has the same contribution in both, and the projection has a tenth of the
    channels.
    """
    feature_map = feature_map.detach().unsqueeze(0)
    if not model.config.spatial:
        return feature_map, step_scores(model, tokens, target)
    scores = _image_scores(model, tokens, target)
    with torch.no_grad():
        projected = model.project_image(model.image_feature(feature_map)).transpose(1, 2)  # (1, embedding, location)
    return projected.unflatten(2, feature_map.shape[-2:]), lambda maps: scores(maps.flatten(2).transpose(1, 2))


def class_activation_map(
    model: CNNRNN, feature_map: Tensor, tokens: Sequence[int], target: Target = log_odds
) -> Tensor:
    """Class activation maps (Zhou et al., CVPR 2016) of a model with spatial scoring (`ModelConfig.spatial`).

    Feature map (channel, height, width) -> contribution of each location to the score of each step of the path and its
    END (step, height, width), in the unit of the score.

    A logit is the sum of the contributions of the locations. The contributions to the score are those to the logits,
    weighted by the gradient of the score with respect to the logits: a first-order approximation, which is exact if
    the score is a logit.
    """
    recurrent, emitted, choices = _path_steps(model, tokens)
    with torch.no_grad():
        image = model.project_image(model.image_feature(feature_map.unsqueeze(0)))
        location_logits = model.location_logits(recurrent.unsqueeze(0), image)[0]  # (step, location, L+1)
        contributions = model.spatial_pool.weights(location_logits) * location_logits
    with torch.enable_grad():
        logits = contributions.sum(dim=1).requires_grad_(True)  # (step, L+1)
        score = target(logits.masked_fill(emitted, -torch.inf), choices)
        weights = torch.autograd.grad(score.sum(), logits)[0]
    return (weights.unsqueeze(1) * contributions).sum(dim=-1).unflatten(1, feature_map.shape[-2:])


@torch.no_grad()
def prefix_contribution(model: CNNRNN, feature: Tensor, tokens: Sequence[int]) -> Tensor:
    """How much the labels emitted before each step change its log-odds, in nats.

    I of one image (1, location, feature) -> (step,). It is the difference to a recurrence that has seen only START,
    with the same labels excluded, so it is 0 at the first step. The two terms of equation 3 can't be separated in the
    scores themselves, because h is not linear.
    """
    recurrent, emitted, choices = _path_steps(model, tokens)
    image = model.project_image(feature)
    with_prefix, without_prefix = (
        log_odds(model.logits(state.unsqueeze(0), image)[0].masked_fill(emitted, -torch.inf), choices)
        for state in (recurrent, recurrent[:1].expand_as(recurrent))
    )
    return with_prefix - without_prefix


@dataclass(frozen=True)
class Explanation:
    """The attribution maps of one path of one image."""

    tokens: tuple[int, ...]  # the path's labels; the last map is END's
    maps: Tensor  # (step, height, width) on the feature map's grid or of pixels; positive values support the step
    scores: Tensor  # (step,) the value of the target, which the maps explain
    method: str

    @property
    def scale(self) -> float:
        """The maximum over all maps of the path, for a common color scale. 0 if no value is positive."""
        return float(self.maps.clamp(min=0).amax())


def explain(
    model: CNNRNN,
    feature_map: Tensor,
    tokens: Sequence[int],
    method: str = DEFAULT_METHOD,
    target: Target = log_odds,
    image: Tensor | None = None,
) -> Explanation:
    """Explain every step of the path `tokens` and its END, given the feature map (channel, height, width).

    The model must be in eval mode. The methods in PIXEL_METHODS also need the preprocessed image (3, size, size).
    Raises UserError for an unknown method and ValueError for a missing image.
    """
    if method not in METHODS:
        raise UserError(f"no method '{method}'; choose one of {', '.join(METHODS)}")
    if method in PIXEL_METHODS and image is None:
        raise ValueError(f"{method} needs the image, not only its feature map")
    feature, scores = _differentiable_map(model, feature_map, tokens, target)
    maps = feature.expand(len(tokens) + 1, -1, -1, -1)  # (step, channel, height, width)
    with torch.no_grad():
        score_values = scores(maps)
    contributions = None
    if model.config.spatial:
        contributions = partial(class_activation_map, model, feature_map.detach(), tokens, target)
    pixels = None if image is None else Pixels(image, model.backbone, step_scores(model, tokens, target))
    with torch.enable_grad():
        attributions = METHODS[method](Steps(scores, maps, contributions, pixels))
    return Explanation(tuple(tokens), attributions, score_values, method)
