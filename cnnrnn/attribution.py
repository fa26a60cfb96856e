"""Where in the picture each decoding step found its evidence: one map per step of a path.

The image enters only in equation 3, out of the feature map, and no recurrence sees it. So one unrolled pass
over the labels and one backward pass explain every step of a path, without a second backbone pass and without
hooks on the shared model: two threads explaining at once can't mix.

What is explained, unless another target is asked for, is a step's log-odds, log p - log(1 - p): its choice
against everything else it could have emitted. The gradient is that of log p divided by 1 - p, so its map has
the same shape; but the one of log p fades as p nears 1, and on one scale the surest step of a path would look like
the one without evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnrnn.errors import UserError
from cnnrnn.model import CNNRNN, emitted_before

# feature maps, one copy per step (step, channel, height, width) -> each step's score (step,)
StepScores = Callable[[Tensor], Tensor]
# logits (step, L+1), -inf for labels already emitted, and each step's choice (step, 1) -> what is explained (step,)
Target = Callable[[Tensor, Tensor], Tensor]


def logit(logits: Tensor, chosen: Tensor) -> Tensor:
    """The choice's inner product with x_t (equation 4), whatever its rivals have."""
    return logits.gather(1, chosen).squeeze(1)


def log_odds(logits: Tensor, chosen: Tensor) -> Tensor:
    """The choice against everything else that could be emitted: log p - log(1 - p)."""
    others = logits.scatter(1, chosen, -torch.inf)
    open_ = others.isfinite().any(dim=1)  # after the last label END has no rival, and needs no evidence
    rivals = others.masked_fill(~open_.unsqueeze(1), 0.0).logsumexp(dim=1)
    return torch.where(open_, logit(logits, chosen) - rivals, 0.0)


def log_probability(logits: Tensor, chosen: Tensor) -> Tensor:
    """log p of the choice; flat, so that its map is empty, where the choice is sure."""
    return logit(logits.log_softmax(dim=1), chosen)


def against(rival: int) -> Target:
    """Why the choice and not this label or END: the difference of their logits; 0 where it is no rival."""

    def difference(logits: Tensor, chosen: Tensor) -> Tensor:
        other = logits[:, rival]
        is_rival = other.isfinite() & (chosen.squeeze(1) != rival)
        return torch.where(is_rival, logit(logits, chosen) - other, 0.0)

    return difference


TARGETS: dict[str, Target] = {"log-odds": log_odds, "log-probability": log_probability, "logit": logit}


@torch.no_grad()
def _path_steps(model: CNNRNN, tokens: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Of a path and its END, the same for every picture: U_o o(t) (step, embedding), which labels each step may no
    longer emit (step, L+1), and what it chose (step, 1)."""
    inputs = torch.tensor([[model.start, *tokens]], device=model.device)  # (1, step)
    choices = torch.tensor([*tokens, model.end], device=model.device).unsqueeze(1)
    return model.unroll(inputs)[0], emitted_before(inputs, model.config.num_labels)[0], choices


def step_scores(model: CNNRNN, tokens: Sequence[int], target: Target = log_odds) -> StepScores:
    """The scores that are explained: `target` of every step of the path `tokens`, and of its END."""
    recurrent, emitted, choices = _path_steps(model, tokens)

    def scores(feature_maps: Tensor) -> Tensor:
        # A caller such as integrated gradients may stack several points, all steps of one after another.
        repeats = len(feature_maps) // len(choices)
        image = model.project_image(model.image_feature(feature_maps))
        logits = model.score(recurrent.repeat(repeats, 1).unsqueeze(1), image).squeeze(1)  # (step, L+1)
        return target(logits.masked_fill(emitted.repeat(repeats, 1), -torch.inf), choices.repeat(repeats, 1))

    return scores


@torch.no_grad()
def worth_of_labels_before(model: CNNRNN, feature: Tensor, tokens: Sequence[int]) -> Tensor:
    """What the labels before it add to each step's log-odds, in nats: I of one image (1, …) -> (step,).

    Compared with the recurrence having seen START alone, with the same labels excluded: 0 at the first step. The rest
    is the image's. (The two terms of equation 3 can't be told apart in the scores themselves: h is not linear.)
    """
    recurrent, emitted, choices = _path_steps(model, tokens)
    image = model.project_image(feature)
    known, forgotten = (
        log_odds(model.score(seen.unsqueeze(0), image)[0].masked_fill(emitted, -torch.inf), choices)
        for seen in (recurrent, recurrent[:1].expand_as(recurrent))
    )
    return known - forgotten


def grad_cam(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al., 2017): (step, channel, height, width) -> signed maps (step, height, width)."""
    weights = _gradient(scores, feature_maps).mean(dim=(2, 3), keepdim=True)  # (step, channel, 1, 1)
    return (weights * feature_maps.detach()).sum(dim=1)


def hires_cam(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """HiResCAM (Draelos and Carin, 2021): every place's own gradient times its features; same shapes.

    Grad-CAM's mean of the gradient is the same thing for an average-pooled map. Where places count differently for a
    label, it is this that tells what each of them adds.
    """
    return (_gradient(scores, feature_maps) * feature_maps.detach()).sum(dim=1)


def _gradient(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """Of every step's score with respect to its copy of the feature map: (step, channel, height, width)."""
    feature_maps = feature_maps.detach().requires_grad_(True)
    return torch.autograd.grad(scores(feature_maps).sum(), feature_maps)[0]


def integrated_gradients(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """Integrated gradients (Sundararajan et al., 2017) from an all-zero feature map, by captum; same shapes."""
    from captum.attr import IntegratedGradients

    attributions = IntegratedGradients(scores).attribute(feature_maps.detach(), n_steps=16)
    return attributions.detach().sum(dim=1)


def occlusion(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """What each step's score loses when one place of the feature map is set to zero, by captum; same shapes."""
    from captum.attr import Occlusion

    window = (feature_maps.shape[1], 1, 1)
    with torch.no_grad():
        lost = Occlusion(scores).attribute(feature_maps.contiguous(), sliding_window_shapes=window)
    return lost.mean(dim=1)  # the same in every channel


def smoothgrad(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """SmoothGrad (Smilkov et al., 2017): gradient times feature map, averaged over noise; same shapes.

    Not captum's, whose noise comes from the one generator of the process: two people at once would mix.
    """
    samples, feature_maps = 16, feature_maps.detach()
    dice = torch.Generator(feature_maps.device).manual_seed(0)  # the same picture has the same map
    spread = 0.15 * feature_maps.std()
    total = feature_maps.new_zeros(feature_maps[:, 0].shape)  # (step, height, width)
    for _ in range(samples):
        noise = torch.randn(feature_maps.shape[1:], generator=dice, device=feature_maps.device)
        total += hires_cam(scores, feature_maps + spread * noise)
    return total / samples


METHODS: dict[str, Callable[[StepScores, Tensor], Tensor]] = {
    "hires-cam": hires_cam,
    "grad-cam": grad_cam,
    "integrated-gradients": integrated_gradients,
    "occlusion": occlusion,
    "smoothgrad": smoothgrad,
}
DEFAULT_METHOD = "hires-cam"


@dataclass(frozen=True)
class Explanation:
    """Maps of one path of one picture."""

    tokens: tuple[int, ...]  # the path's labels; the last map is END's
    maps: Tensor  # (step, height, width) on the feature map's grid, signed: > 0 speaks for the step's choice
    scores: Tensor  # (step,) what is explained: the target's value
    method: str

    @property
    def scale(self) -> float:
        """The strongest evidence at any step: one scale for all maps of the path. 0 where none is positive."""
        return float(self.maps.clamp(min=0).amax())


def explain(
    model: CNNRNN, feature_map: Tensor, tokens: Sequence[int], method: str = DEFAULT_METHOD, target: Target = log_odds
) -> Explanation:
    """One map per step of the path `tokens` and END, from a kept feature map (channel, height, width).

    The model must be in eval mode. Raises UserError for an unknown method.
    """
    if method not in METHODS:
        raise UserError(f"no method '{method}'; choose one of {', '.join(METHODS)}")
    scores = step_scores(model, tokens, target)
    feature_maps = feature_map.detach().expand(len(tokens) + 1, -1, -1, -1)  # (step, channel, height, width)
    with torch.no_grad():
        explained = scores(feature_maps)
    with torch.enable_grad():
        maps = METHODS[method](scores, feature_maps)
    return Explanation(tuple(tokens), maps, explained, method)
