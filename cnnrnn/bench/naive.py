"""Beam search as one would write it first: an image after the other, prefixes in a list. The paper's rule to stop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cnnrnn.models.cnnrnn import CNNRNN, State


@dataclass
class _Prefix:
    tokens: tuple[int, ...]
    log_prob: float
    state: State  # after the tokens but the last: (1, hidden) each


@torch.no_grad()
def search(model: CNNRNN, feature: Tensor, beam: int) -> list[tuple[tuple[int, ...], float]]:
    """The best path of every image and its log-probability: I (batch, location, feature)."""
    return [_search_one(model, feature[index : index + 1], beam) for index in range(len(feature))]


def _search_one(model: CNNRNN, feature: Tensor, beam: int) -> tuple[tuple[int, ...], float]:
    image = model.project_image(feature)
    prefixes = [_Prefix((), 0.0, model.initial_state(1))]
    finished: list[tuple[float, tuple[int, ...]]] = []
    while prefixes:
        tokens = [prefix.tokens[-1] if prefix.tokens else model.start for prefix in prefixes]
        last = torch.tensor(tokens, device=image.device)
        state = tuple(torch.cat(parts) for parts in zip(*(prefix.state for prefix in prefixes), strict=True))
        logits, state = model.step(last, image, state)  # (beam, L+1)
        for row, prefix in enumerate(prefixes):
            logits[row, list(prefix.tokens)] = -torch.inf
        log_probs = logits.log_softmax(dim=-1)
        longer = []
        for row, prefix in enumerate(prefixes):
            finished.append((prefix.log_prob + float(log_probs[row, model.end]), prefix.tokens))
            values, labels = log_probs[row, : model.end].topk(min(beam, model.end))
            for value, label in zip(values.tolist(), labels.tolist(), strict=True):
                if value > -torch.inf:
                    row_state = tuple(part[row : row + 1] for part in state)
                    longer.append(_Prefix((*prefix.tokens, label), prefix.log_prob + value, row_state))
        finished = sorted(finished, reverse=True)[:beam]
        prefixes = sorted(longer, key=lambda prefix: -prefix.log_prob)[:beam]
        if len(finished) == beam and prefixes and prefixes[0].log_prob < finished[-1][0]:
            break
    return finished[0][1], finished[0][0]
