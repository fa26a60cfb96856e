"""What speaks for the labels of many images' paths: the labels before them, or the image. No backbone pass is needed.

A label that the recurrence raises, while no location of the image speaks much for it, was emitted because of the
labels before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cnnrnn.attribution.explain import contributions_to_score
from cnnrnn.attribution.smoothing import smoothed_contributions
from cnnrnn.attribution.targets import log_odds
from cnnrnn.decoding.prefix_cache import unroll
from cnnrnn.decoding.trace import StepEvidence
from cnnrnn.models.cnnrnn import CNNRNN, emitted_before

_MAX_VALUES = 2**24  # logits of locations that are computed at a time, 64 MB


@torch.no_grad()
def path_evidence(model: CNNRNN, feature: Tensor, paths: Sequence[Sequence[int]]) -> list[StepEvidence]:
    """I of images (batch, location, feature) and one path of each -> the evidence for the path's labels."""
    longest = max((len(path) for path in paths), default=0) + 1  # with START, or with END
    size = max(1, _MAX_VALUES // (longest * feature.shape[1] * (model.end + 1)))
    found: list[StepEvidence] = []
    for start in range(0, len(paths), size):
        found += _evidence(model, feature[start : start + size], paths[start : start + size])
    return found


def _evidence(model: CNNRNN, feature: Tensor, paths: Sequence[Sequence[int]]) -> list[StepEvidence]:
    longest = max(map(len, paths))
    # Shorter paths are filled with START and END, whose steps are left out at the end.
    inputs = torch.tensor([[model.start, *path, *[model.start] * (longest - len(path))] for path in paths])
    choices = torch.tensor([[*path, *[model.end] * (longest + 1 - len(path))] for path in paths])
    inputs, choices = inputs.to(model.device), choices.to(model.device)  # (batch, step)
    recurrent = unroll(model, inputs)  # (batch, step, embedding)
    emitted = emitted_before(inputs, model.config.num_labels)  # (batch, step, L+1)
    image = model.project_image(feature)
    location_logits = model.location_logits(recurrent, image)  # (batch, step, location, L+1)
    contributions = model.spatial_pool.weights(location_logits) * location_logits / model.config.temperature

    def odds(logits: Tensor) -> Tensor:
        """Log-odds of each step's choice: logits (batch, 1 or step, n, L+1) -> (batch, step, n)."""
        logits = logits.expand(-1, inputs.shape[1], -1, -1).masked_fill(emitted.unsqueeze(2), -torch.inf)
        chosen = choices.unsqueeze(2).expand(logits.shape[:3])
        return log_odds(logits.flatten(0, 2), chosen.reshape(-1, 1)).view(chosen.shape)

    logits = contributions.sum(dim=2)  # (batch, step, L+1)
    without = odds(logits[:, :1].unsqueeze(1))  # (batch, step, 1), after START alone
    prefix = (odds(logits.unsqueeze(2)) - without).squeeze(2)  # (batch, step)
    raised_by = _strongest_label_before(odds(_after_one_label(model, inputs, image).unsqueeze(1)) - without, inputs)
    strength = torch.full_like(prefix, torch.nan)
    if model.config.spatial:
        side = math.isqrt(feature.shape[1])  # images are stretched to a square, and so is the grid
        offset = model.backbone.config.center_offset
        smoothed = smoothed_contributions(model.spatial_pool, location_logits, (side, side), offset)
        smoothed = smoothed / model.config.temperature
        maps = contributions_to_score(smoothed.flatten(0, 1), emitted.flatten(0, 1), choices.reshape(-1, 1), log_odds)
        peaks = maps.clamp(min=0).amax(dim=1).view(inputs.shape)  # (batch, step), as in `Explanation.peaks`
        own = torch.arange(inputs.shape[1], device=inputs.device) <= _lengths(paths, inputs.device)  # END's as well
        highest = peaks.where(own, 0).amax(dim=1, keepdim=True)
        strength = peaks / highest.where(highest > 0, 1)
    arrays = [values.cpu().numpy() for values in (prefix, raised_by, strength)]
    return [StepEvidence(*(values[row, : len(path)] for values in arrays)) for row, path in enumerate(paths)]


def _after_one_label(model: CNNRNN, inputs: Tensor, image: Tensor) -> Tensor:
    """The logits after START and one label of the path alone: (batch, step, L+1), of START in the first column."""
    start = torch.full_like(inputs, model.start)
    alone = unroll(model, torch.stack([start, inputs], dim=2).flatten(0, 1))[:, 1].unflatten(0, inputs.shape)
    return model.logits(alone, image)


def _strongest_label_before(effects: Tensor, inputs: Tensor) -> Tensor:
    """The label whose effect on a step is greatest: (batch, step, label) -> its token (batch, step), -1 at the first.

    The label in column i, of which START is the first, is before the steps i, i + 1, …
    """
    steps = torch.arange(inputs.shape[1], device=inputs.device)
    before = (steps[None, :] <= steps[:, None]) & (steps[None, :] > 0)  # (step, label)
    column = effects.masked_fill(~before, -torch.inf).argmax(dim=2)  # 0 at the first step
    return inputs.gather(1, column).masked_fill(steps == 0, -1)


def _lengths(paths: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """(batch, 1)"""
    return torch.tensor([len(path) for path in paths], device=device).unsqueeze(1)
