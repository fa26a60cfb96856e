"""Order-free training: the order of an image's labels is the model's own, not one that is fixed for all images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.models.vocabulary import IGNORE_TOKEN


@torch.no_grad()
def own_order(model: CNNRNN, feature: Tensor, present: Tensor) -> Tensor:
    """The labels of every image in the order in which the model would emit them if it could emit no others.

    I (batch, location, feature), labels bool (batch, label) -> tokens (batch, step), END after the last label.

    Dropout is off. The idea is that of order-free training by Yazici et al. (CVPR 2020), who assign the labels to the
    steps of a free run of the decoder. Here the run is among the present labels, so it is an order already.
    """
    image, counts = model.project_image(feature), present.sum(dim=1)  # (batch, location, embedding), (batch,)
    steps = int(counts.max()) if len(counts) else 0
    sequences = torch.full((len(present), steps), model.end, device=image.device)  # (batch, step)
    remaining, rows = present.clone(), torch.arange(len(present), device=image.device)
    tokens, state = torch.full_like(rows, model.start), model.initial_state(len(rows))
    dropout = model.dropout.training
    model.dropout.eval()
    for step in range(steps - 1):
        choice = counts[rows] > step + 1  # images with two labels left or more
        rows, tokens, state = rows[choice], tokens[choice], tuple(part[choice] for part in state)
        logits, state = model.step(tokens, image[rows], state)  # (row, L+1)
        tokens = logits[:, : model.end].masked_fill(~remaining[rows], float("-inf")).argmax(dim=1)
        sequences[rows, step] = tokens
        remaining[rows, tokens] = False
    model.dropout.train(dropout)
    with_labels = counts.nonzero()[:, 0]
    sequences[with_labels, counts[with_labels] - 1] = remaining[with_labels].int().argmax(dim=1)
    return sequences


def teacher_forcing(sequences: Tensor, start: int, end: int) -> tuple[Tensor, Tensor]:
    """Label sequences (batch, step), END after the last label -> inputs and targets as those of `Vocabulary.encode`,
    each (batch, step + 1)."""
    inputs = functional.pad(sequences, (1, 0), value=start)
    targets = functional.pad(sequences, (0, 1), value=end)
    after_end = (targets == end).cumsum(dim=1) > 1
    return inputs, targets.masked_fill(after_end, IGNORE_TOKEN)
