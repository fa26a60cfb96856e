"""Targets of attribution: the score of a step's choice, alone or compared with what it could have emitted instead."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# logits (step, L+1), -inf for labels already emitted, and each step's choice (step, 1) -> what is explained (step,)
Target = Callable[[Tensor, Tensor], Tensor]


def logit(logits: Tensor, chosen: Tensor) -> Tensor:
    """The choice's inner product with x_t (equation 4), independent of the other logits."""
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


def against_rivals(logits: Tensor, chosen: Tensor) -> Tensor:
    """Why the choice and neither END nor the runner-up, the most probable of the other labels: the log-odds against
    these two alone."""
    others = logits.scatter(1, chosen, -torch.inf)
    runner_up = others[:, :-1].amax(dim=1)
    rivals = torch.stack([runner_up, others[:, -1]], dim=1)  # (step, 2); END is the last
    open_ = rivals.isfinite().any(dim=1)
    against = rivals.masked_fill(~open_.unsqueeze(1), 0.0).logsumexp(dim=1)
    return torch.where(open_, logit(logits, chosen) - against, 0.0)


TARGETS: dict[str, Target] = {
    "log-odds": log_odds,
    "log-probability": log_probability,
    "logit": logit,
    "against END and the runner-up": against_rivals,
}
DEFAULT_TARGET = "log-odds"
