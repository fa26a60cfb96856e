"""Order-free training: the order of an image's labels is the model's own, not one that is fixed for all images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cnnrnn.data.loader import to_device
from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.models.vocabulary import IGNORE_TOKEN


@torch.no_grad()
def own_order(model: CNNRNN, feature: Tensor, present: Tensor) -> Tensor:
    """The labels of every image in the order in which the model would emit them if it could emit no others.

    I (batch, location, feature), labels bool (batch, label) -> tokens (batch, step), END after the last label.

    Dropout is off. The idea is that of order-free training by Yazici et al. (CVPR 2020), who assign the labels to the
    steps of a free run of the decoder. Here the run is among the present labels, so it is an order already.
    """
    counts = present.sum(dim=1).cpu()  # (batch,)
    # Those with the most labels first, so that a step's rows are the first ones; a GPU need not be waited for.
    by_count = counts.argsort(descending=True, stable=True)
    counts, device = counts[by_count], model.device
    image = model.project_image(feature)[to_device(device, by_count)]  # (batch, location, embedding)
    remaining = to_device(device, present[by_count.to(present.device)])
    steps = int(counts.max()) if len(counts) else 0
    sequences = torch.full((len(present), steps), model.end, device=device)  # (batch, step)
    tokens, state = torch.full((len(present),), model.start, device=device), model.initial_state(len(present))
    dropout = model.dropout.training
    model.dropout.eval()
    for step in range(steps - 1):
        rows = int((counts > step + 1).sum())  # images with two labels left or more
        logits, state = model.step(tokens[:rows], image[:rows], tuple(part[:rows] for part in state))  # (row, L+1)
        tokens = logits[:, : model.end].masked_fill(~remaining[:rows], float("-inf")).argmax(dim=1)
        sequences[:rows, step] = tokens
        remaining[:rows].scatter_(1, tokens.unsqueeze(1), False)
    model.dropout.train(dropout)
    labelled = int((counts > 0).sum())
    last = to_device(device, (counts[:labelled] - 1).unsqueeze(1))
    sequences[:labelled].scatter_(1, last, remaining[:labelled].int().argmax(dim=1, keepdim=True))
    return sequences[to_device(device, by_count.argsort())]


def teacher_forcing(sequences: Tensor, start: int, end: int) -> tuple[Tensor, Tensor]:
    """Label sequences (batch, step), END after the last label -> inputs and targets as those of `Vocabulary.encode`,
    each (batch, step + 1)."""
    inputs = functional.pad(sequences, (1, 0), value=start)
    targets = functional.pad(sequences, (0, 1), value=end)
    after_end = (targets == end).cumsum(dim=1) > 1
    return inputs, targets.masked_fill(after_end, IGNORE_TOKEN)
