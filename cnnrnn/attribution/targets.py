"""Targets of the attribution: the score of a step that a map explains, alone or compared with other tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# logits (step, L+1), -inf for labels already emitted, and each step's emitted token (step, 1) -> score (step,)
Target = Callable[[Tensor, Tensor], Tensor]


def logit(logits: Tensor, chosen: Tensor) -> Tensor:
    """The logit of the emitted token (equation 4), independent of the other tokens."""
    return logits.gather(1, chosen).squeeze(1)


def log_odds(logits: Tensor, chosen: Tensor) -> Tensor:
    """The log-odds of the emitted token, log p - log(1 - p); 0 where no other token was possible."""
    others = logits.scatter(1, chosen, -torch.inf)
    has_rival = others.isfinite().any(dim=1)  # END has no rival once all labels were emitted
    rivals = others.masked_fill(~has_rival.unsqueeze(1), 0.0).logsumexp(dim=1)
    return torch.where(has_rival, logit(logits, chosen) - rivals, 0.0)


def log_probability(logits: Tensor, chosen: Tensor) -> Tensor:
    """log p of the emitted token. Its gradient vanishes, and the map is empty, as p approaches 1."""
    return logit(logits.log_softmax(dim=1), chosen)


def against(rival: int) -> Target:
    """The difference of the logits of the emitted token and of the token `rival`; 0 where `rival` was not possible."""

    def difference(logits: Tensor, chosen: Tensor) -> Tensor:
        other = logits[:, rival]
        is_rival = other.isfinite() & (chosen.squeeze(1) != rival)
        return torch.where(is_rival, logit(logits, chosen) - other, 0.0)

    return difference


def against_rivals(logits: Tensor, chosen: Tensor) -> Tensor:
    """The log-odds of the emitted token against only END and the runner-up, the most probable other label."""
    others = logits.scatter(1, chosen, -torch.inf)
    runner_up = others[:, :-1].amax(dim=1)
    rivals = torch.stack([runner_up, others[:, -1]], dim=1)  # (step, 2); END is the last
    has_rival = rivals.isfinite().any(dim=1)
    rival_score = rivals.masked_fill(~has_rival.unsqueeze(1), 0.0).logsumexp(dim=1)
    return torch.where(has_rival, logit(logits, chosen) - rival_score, 0.0)


TARGETS: dict[str, Target] = {
    "log-odds": log_odds,
    "log-probability": log_probability,
    "logit": logit,
    "against END and the runner-up": against_rivals,
}
DEFAULT_TARGET = "log-odds"
