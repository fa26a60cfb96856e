"""Where in the image each decoding step found its evidence: one map per step of a path.

The image enters only in equation 3, from the feature map, and the recurrence does not depend on it. So one unrolled
pass over the labels and one backward pass explain every step of a path. There is no second backbone pass, and there are
no hooks on the shared model, so several threads can explain at once.

What is explained, unless another target is asked for, is a step's log-odds, log p - log(1 - p): its choice
against everything else it could have emitted. The gradient is that of log p divided by 1 - p, so its map has
the same shape; but the one of log p fades as p nears 1, and on one scale the surest step of a path would look like
the one without evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from cnnrnn.attribution.methods import DEFAULT_METHOD, METHODS, PIXEL_METHODS, Pixels, Steps, StepScores
from cnnrnn.attribution.smoothing import smooth, smooth_pixels, smoothed_contributions
from cnnrnn.attribution.targets import Target, log_odds
from cnnrnn.decoding.prefix_cache import unroll
from cnnrnn.models.cnnrnn import CNNRNN, emitted_before
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.utils.errors import UserError


@torch.no_grad()
def _path_steps(model: CNNRNN, tokens: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Of a path and its END, the same for every image: U_o o(t) (step, embedding), which labels each step may no
    longer emit (step, L+1), and what it chose (step, 1)."""
    inputs = torch.tensor([[model.start, *tokens]], device=model.device)  # (1, step)
    choices = torch.tensor([*tokens, model.end], device=model.device).unsqueeze(1)
    return unroll(model, inputs)[0], emitted_before(inputs, model.config.num_labels)[0], choices


def _image_scores(model: CNNRNN, tokens: Sequence[int], target: Target) -> Callable[[Tensor], Tensor]:
    """U_I I, one copy per step (step, location, embedding) -> `target` of each step of the path and its END (step,)."""
    recurrent, emitted, choices = _path_steps(model, tokens)

    def scores(image: Tensor) -> Tensor:
        # A caller such as integrated gradients may stack several points, all steps of one after another.
        repeats = len(image) // len(choices)
        logits = model.logits(recurrent.repeat(repeats, 1).unsqueeze(1), image).squeeze(1)  # (step, L+1)
        return target(logits.masked_fill(emitted.repeat(repeats, 1), -torch.inf), choices.repeat(repeats, 1))

    return scores


def step_scores(model: CNNRNN, tokens: Sequence[int], target: Target = log_odds) -> StepScores:
    """The scores that are explained, of the backbone's feature maps: `target` of every step of the path `tokens`, and
    of its END."""
    scores = _image_scores(model, tokens, target)
    return lambda feature_maps: scores(model.project_image(model.image_feature(feature_maps)))


def _map_to_explain(
    model: CNNRNN, feature_map: Tensor, tokens: Sequence[int], target: Target
) -> tuple[Tensor, StepScores]:
    """The map that methods at the feature map's grid differentiate with respect to (1, channel, height, width), and
    the scores as a function of it.

    That is the feature map or, of a model that scores labels at every location, its projection by U_I at each of
    them: U_I is linear, so a location's contribution is the same by its features and by their projection, which has a
    tenth of the channels.
    """
    feature_map = feature_map.detach().unsqueeze(0)
    if not model.config.spatial:
        return feature_map, step_scores(model, tokens, target)
    scores = _image_scores(model, tokens, target)
    with torch.no_grad():
        projected = model.project_image(model.image_feature(feature_map)).transpose(1, 2)  # (1, embedding, location)
    return projected.unflatten(2, feature_map.shape[-2:]), lambda maps: scores(maps.flatten(2).transpose(1, 2))


def class_activation_map(
    model: CNNRNN, feature_map: Tensor, tokens: Sequence[int], target: Target = log_odds, smoothed: bool = False
) -> Tensor:
    """Each location's contribution to each step's score, of a model that scores labels at every location (`spatial`):
    feature map (channel, height, width) -> (step, height, width), in the unit of the score.

    A logit is the sum of its contributions from the locations. Those to all logits, weighted by the score's gradient
    with respect to the logits, are the contributions to the score, to first order. For a label's own logit they are
    exact: the class activation map (Zhou et al., CVPR 2016), through equations 3 and 4. `smoothed` maps are those of
    smoothed logits, with the same sums.
    """
    recurrent, emitted, choices = _path_steps(model, tokens)
    contributions = _contributions(model, feature_map, recurrent, smoothed)
    return contributions_to_score(contributions, emitted, choices, target).unflatten(1, feature_map.shape[-2:])


def contributions_to_score(contributions: Tensor, emitted: Tensor, choices: Tensor, target: Target) -> Tensor:
    """Contributions of the locations to the logits (step, location, L+1) -> those to each step's score, to first order
    (step, location). `emitted` (step, L+1) are the labels that a step may no longer emit, `choices` (step, 1)."""
    with torch.enable_grad():
        logits = contributions.sum(dim=1).requires_grad_(True)  # (step, L+1)
        step_values = target(logits.masked_fill(emitted, -torch.inf), choices)
        weights = torch.autograd.grad(step_values.sum(), logits)[0]
    return torch.einsum("sl,spl->sp", weights, contributions)


@torch.no_grad()
def location_contributions(model: CNNRNN, feature_map: Tensor, tokens: Sequence[int]) -> Tensor:
    """What each location adds to each logit of each step, of a model that scores labels at every location (`spatial`):
    feature map (channel, height, width) -> (step, location, L+1). Their sum over the locations is the logit."""
    return _contributions(model, feature_map, _path_steps(model, tokens)[0])


@torch.no_grad()
def _contributions(model: CNNRNN, feature_map: Tensor, recurrent: Tensor, smoothed: bool = False) -> Tensor:
    """As `location_contributions`, for U_o o(t) of the steps (step, embedding)."""
    image = model.project_image(model.image_feature(feature_map.unsqueeze(0)))
    location_logits = model.location_logits(recurrent.unsqueeze(0), image)[0]  # (step, location, L+1)
    pool = model.spatial_pool
    if smoothed:
        offset = model.backbone.config.center_offset
        contributions = smoothed_contributions(pool, location_logits, feature_map.shape[-2:], offset)
        return contributions / model.config.temperature
    return pool.weights(location_logits) * location_logits / model.config.temperature


@torch.no_grad()
def label_maps(model: SigmoidClassifier, feature_map: Tensor, tokens: Sequence[int]) -> Explanation | None:
    """The sigmoid baseline's class activation maps: what each location adds to the logits of the labels `tokens`.

    Feature map (channel, height, width) -> one map per label, exact; None for a model that scores no locations.
    """
    if not model.config.spatial:
        return None
    location_logits = model.classifier(model.image_feature(feature_map.unsqueeze(0)))[0][:, list(tokens)]
    pool, grid = model.spatial_pool, feature_map.shape[-2:]
    contributions = pool.weights(location_logits) * location_logits  # (location, label)
    smooth_ones = smoothed_contributions(pool, location_logits, grid, model.backbone.config.center_offset)
    maps, smoothed = (values.T.unflatten(1, grid) for values in (contributions, smooth_ones))
    return Explanation(tuple(tokens), maps, smoothed, contributions.sum(dim=0), DEFAULT_METHOD)


@torch.no_grad()
def prefix_contribution(model: CNNRNN, feature: Tensor, tokens: Sequence[int]) -> Tensor:
    """What the prefix, the labels emitted before it, adds to each step's log-odds, in nats: I of one image (1, …) ->
    (step,).

    Compared with the recurrence having seen START alone, with the same labels excluded: 0 at the first step. The rest
    is the image's. (The two terms of equation 3 can't be told apart in the scores themselves: h is not linear.)
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
    """Maps of one path of one image."""

    tokens: tuple[int, ...]  # the path's labels; the last map is END's
    maps: Tensor  # (step, height, width) on the feature map's grid or of pixels, signed: > 0 speaks for the choice;
    # what each location itself adds
    smoothed: Tensor  # the maps as they are drawn and evaluated, of the same shape; those of "cam" have the same sums
    scores: Tensor  # (step,) what is explained: the target's value
    method: str

    def __repr__(self) -> str:
        steps, height, width = self.maps.shape
        return f"<Explanation of {steps} steps by {self.method}, maps of {height} × {width}>"

    @cached_property
    def peaks(self) -> list[float]:
        """The strongest positive evidence of every step in its smoothed map, in the unit of the score; 0 where there
        is none."""
        return self.smoothed.clamp(min=0).amax(dim=(1, 2)).tolist()

    @property
    def strengths(self) -> list[float]:
        """The peak of every step as a fraction of the path's highest: 0 to 1."""
        peaks = self.peaks
        highest = max(peaks)
        return [peak / highest if highest > 0 else 0.0 for peak in peaks]

    def scales(self, common: bool = False) -> list[float]:
        """The value at which each step's map is drawn at full strength: its own peak, so that each map can be seen, or
        the path's highest for all steps if they have a `common` scale. 0 where no evidence is positive."""
        peaks = self.peaks
        return [max(peaks)] * len(peaks) if common else peaks


def explain(
    model: CNNRNN,
    feature_map: Tensor,
    tokens: Sequence[int],
    method: str = DEFAULT_METHOD,
    target: Target = log_odds,
    image: Tensor | None = None,
) -> Explanation:
    """One map per step of the path `tokens` and END, from a kept feature map (channel, height, width).

    The model must be in eval mode. Methods that go down to the pixels also need the preprocessed image
    (3, size, size). Raises UserError for an unknown method, ValueError for a missing image.
    """
    if method not in METHODS:
        raise UserError(f"no method '{method}'; choose one of {', '.join(METHODS)}")
    if method in PIXEL_METHODS and image is None:
        raise ValueError(f"{method} needs the image, not only its feature map")
    feature, scores = _map_to_explain(model, feature_map, tokens, target)
    maps = feature.expand(len(tokens) + 1, -1, -1, -1)  # (step, channel, height, width)
    with torch.no_grad():
        step_values = scores(maps)
    contributions = None
    if model.config.spatial:
        contributions = partial(class_activation_map, model, feature_map.detach(), tokens, target)
    pixels = None if image is None else Pixels(image, model.backbone, step_scores(model, tokens, target))
    with torch.enable_grad():
        attributions = METHODS[method](Steps(scores, maps, contributions, pixels))
    if method in PIXEL_METHODS:
        smoothed = smooth_pixels(attributions)
    elif method == "cam" and contributions is not None:
        smoothed = contributions(smoothed=True)
    else:
        smoothed = smooth(attributions, model.backbone.config.center_offset)
    return Explanation(tuple(tokens), attributions, smoothed, step_values, method)
