"""Similarities in the joint embedding space of labels, images and decoding steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cnnrnn.decoding.prefix_cache import unroll
from cnnrnn.models.cnnrnn import CNNRNN


def similarities(embeddings: Tensor, measure: str) -> Tensor:
    """Embeddings (label, embedding) -> their similarities (label, label), by "cosine" or by "inner" product."""
    if measure == "cosine":
        embeddings = torch.nn.functional.normalize(embeddings, dim=1)
    return embeddings @ embeddings.T


def nearest(
    embeddings: Tensor, labels: Sequence[str], k: int, measure: str = "cosine"
) -> dict[str, list[tuple[str, float]]]:
    """The k nearest other labels of each label, nearest first, with their similarities.

    `embeddings` (label, embedding) are in the order of `labels`; `measure` is "cosine" or "inner". All other labels
    are returned if there are fewer than k.
    """
    similarity = similarities(embeddings, measure).fill_diagonal_(-torch.inf)
    values, indices = similarity.topk(min(k, len(labels) - 1), dim=1)
    return {
        label: [(labels[index], value) for index, value in zip(neighbors, scores, strict=True)]
        for label, neighbors, scores in zip(labels, indices.tolist(), values.tolist(), strict=True)
    }


@torch.no_grad()
def step_embeddings(model: CNNRNN, feature: Tensor, tokens: Sequence[int]) -> Tensor:
    """x_t (equation 3) of every step of the path `tokens` and of its END: I of one image (1, location, feature) ->
    (step, embedding). The first row is the step before any label.

    With spatial scoring, each location has its own x_t; they are summed with the pool's weights for the label that the
    step emits. In both cases the inner product with that label's embedding is the label's logit.
    """
    inputs = torch.tensor([[model.start, *tokens]], device=model.device)
    choices = torch.tensor([*tokens, model.end], device=model.device)
    joint = model.joint_embedding(unroll(model, inputs), model.project_image(feature))[0]  # (step, location, embedding)
    logits = joint @ model.label_embedding[choices].unsqueeze(2)  # (step, location, 1)
    return (model.spatial_pool.weights(logits) * joint).sum(dim=1)
