"""Where in the picture each decoding step found its evidence: one map per step of a path.

The image enters equation 3 as one vector that is pooled from the feature map, and no recurrence sees it. So
one unrolled pass over the labels and one backward pass explain every step of a path, without a second
backbone pass and without hooks on the shared model: two threads explaining at once can't mix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnrnn.errors import UserError
from cnnrnn.model import CNNRNN, emitted_before

# feature maps, one copy per step (step, channel, height, width) -> each step's log-probability (step,)
StepScores = Callable[[Tensor], Tensor]


def step_scores(model: CNNRNN, tokens: Sequence[int]) -> StepScores:
    """The score that is explained: log P(label t | labels before t, image), for the labels and then END."""
    inputs = torch.tensor([[model.start, *tokens]], device=model.device)  # (1, step)
    targets = torch.tensor([*tokens, model.end], device=model.device)  # (step,)
    with torch.no_grad():
        recurrent = model.unroll(inputs)[0]  # (step, embedding), the same for every picture
        emitted = emitted_before(inputs, model.config.num_labels)[0]  # (step, L+1)

    def scores(feature_maps: Tensor) -> Tensor:
        # A caller such as integrated gradients may stack several points, all steps of one after another.
        repeats = len(feature_maps) // len(targets)
        image = model.project_image(model.backbone.pool(feature_maps))
        logits = model.score(recurrent.repeat(repeats, 1), image)  # (step, L+1)
        logits = logits.masked_fill(emitted.repeat(repeats, 1), -torch.inf)
        chosen = targets.repeat(repeats).unsqueeze(1)
        return logits.log_softmax(dim=-1).gather(1, chosen).squeeze(1)

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
    log_probs: Tensor  # (step,) the score explained
    method: str

    @property
    def scale(self) -> float:
        """The largest evidence for any label of the path, one scale for all its maps; END has its own maps
        on the same scale. 0 where no step has positive evidence."""
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
        log_probs = scores(feature_maps)
    with torch.enable_grad():
        maps = METHODS[method](scores, feature_maps)
    return Explanation(tuple(tokens), maps, log_probs, method)
