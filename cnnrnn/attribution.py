"""Where in the picture each decoding step found its evidence: one map per step of a path.

The image enters only in equation 3, pooled from the feature map, and no recurrence sees it. So one unrolled pass
over the labels and one backward pass explain every step of a path, without a second backbone pass and without
hooks on the shared model: two threads explaining at once can't mix.

What is explained is a step's log-odds, log p - log(1 - p): its choice against everything else it could have
emitted. The gradient is that of log p divided by 1 - p, so the Grad-CAM map has the same shape; but the one of
log p fades as p nears 1, and on one scale the surest step of a path would look like the one without evidence.
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


def step_scores(model: CNNRNN, tokens: Sequence[int]) -> StepScores:
    """The scores that are explained: log-odds of P(label t | labels before t, image), for the labels and END."""
    inputs = torch.tensor([[model.start, *tokens]], device=model.device)  # (1, step)
    targets = torch.tensor([*tokens, model.end], device=model.device)  # (step,)
    with torch.no_grad():
        recurrent = model.unroll(inputs)[0]  # (step, embedding), the same for every picture
        emitted = emitted_before(inputs, model.config.num_labels)[0]  # (step, L+1)

    def scores(feature_maps: Tensor) -> Tensor:
        # A caller such as integrated gradients may stack several points, all steps of one after another.
        repeats = len(feature_maps) // len(targets)
        image = model.project_image(model.image_feature(feature_maps))
        logits = model.score(recurrent.repeat(repeats, 1).unsqueeze(1), image).squeeze(1)  # (step, L+1)
        chosen = targets.repeat(repeats).unsqueeze(1)  # (step, 1)
        excluded = emitted.repeat(repeats, 1).scatter(1, chosen, True)
        open_ = ~excluded.all(dim=1)  # after the last label END has no rival, and needs no evidence
        rivals = logits.masked_fill(excluded & open_.unsqueeze(1), -torch.inf).logsumexp(dim=1)
        return torch.where(open_, logits.gather(1, chosen).squeeze(1) - rivals, 0.0)

    return scores


def grad_cam(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al., 2017): (step, channel, height, width) -> signed maps (step, height, width)."""
    feature_maps = feature_maps.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(scores(feature_maps).sum(), feature_maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # (step, channel, 1, 1)
    return (weights * feature_maps.detach()).sum(dim=1)


def integrated_gradients(scores: StepScores, feature_maps: Tensor) -> Tensor:
    """Integrated gradients (Sundararajan et al., 2017) from an all-zero feature map, by captum; same shapes."""
    from captum.attr import IntegratedGradients

    attributions = IntegratedGradients(scores).attribute(feature_maps.detach(), n_steps=16)
    return attributions.detach().sum(dim=1)


METHODS: dict[str, Callable[[StepScores, Tensor], Tensor]] = {
    "grad-cam": grad_cam,
    "integrated-gradients": integrated_gradients,
}


@dataclass(frozen=True)
class Explanation:
    """Maps of one path of one picture."""

    tokens: tuple[int, ...]  # the path's labels; the last map is END's
    maps: Tensor  # (step, height, width) on the feature map's grid, signed: > 0 speaks for the step's choice
    scores: Tensor  # (step,) the log-odds explained
    method: str

    @property
    def scale(self) -> float:
        """The strongest evidence at any step: one scale for all maps of the path. 0 where none is positive."""
        return float(self.maps.clamp(min=0).amax())


def explain(model: CNNRNN, feature_map: Tensor, tokens: Sequence[int], method: str = "grad-cam") -> Explanation:
    """One map per step of the path `tokens` and END, from a kept feature map (channel, height, width).

    The model must be in eval mode. Raises UserError for an unknown method.
    """
    if method not in METHODS:
        raise UserError(f"no method '{method}'; choose one of {', '.join(METHODS)}")
    scores = step_scores(model, tokens)
    feature_maps = feature_map.detach().expand(len(tokens) + 1, -1, -1, -1)  # (step, channel, height, width)
    with torch.no_grad():
        explained = scores(feature_maps)
    with torch.enable_grad():
        maps = METHODS[method](scores, feature_maps)
    return Explanation(tuple(tokens), maps, explained, method)
