"""The joint embedding space of labels, images and decoding steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cnnrnn.decoding.prefix_cache import unroll
from cnnrnn.models.cnnrnn import CNNRNN


def similarities(points: Tensor, measure: str) -> Tensor:
    """points (label, embedding) -> (label, label) by "cosine" or "inner" product."""
    if measure == "cosine":
        points = torch.nn.functional.normalize(points, dim=1)
    return points @ points.T


def nearest(
    points: Tensor, labels: Sequence[str], k: int, measure: str = "cosine"
) -> dict[str, list[tuple[str, float]]]:
    """The k nearest other labels of each, nearest first, with their similarity; points (label, embedding)."""
    similar = similarities(points, measure).fill_diagonal_(-torch.inf)
    values, indices = similar.topk(min(k, len(labels) - 1), dim=1)
    return {
        label: [(labels[index], value) for index, value in zip(row, strengths, strict=True)]
        for label, row, strengths in zip(labels, indices.tolist(), values.tolist(), strict=True)
    }


def nearest_to(points: Tensor, label: int, k: int) -> list[tuple[int, float]]:
    """The k other labels nearest to one by angle, nearest first, with their cosines; points (label, embedding)."""
    cosines = torch.nn.functional.cosine_similarity(points, points[label : label + 1])
    cosines[label] = -torch.inf
    values, indices = cosines.topk(min(k, len(points) - 1))
    return list(zip(indices.tolist(), values.tolist(), strict=True))


@torch.no_grad()
def image_embedding(model: CNNRNN, feature: Tensor) -> Tensor:
    """Equation 3 without the recurrent output: h(U_I I) of one image (1, …) -> (embedding,), the mean over its
    locations."""
    projected = model.project_image(feature)  # (1, location, embedding)
    nothing = projected.new_zeros(1, 1, projected.shape[-1])
    return model.joint_embedding(nothing, projected)[0, 0].mean(dim=0)


@torch.no_grad()
def step_embeddings(model: CNNRNN, feature: Tensor, tokens: Sequence[int]) -> Tensor:
    """x_1 … x_T of a path and its END: I of one image (1, …) -> (step, embedding). x_1 is before any label.

    If every location has its own x_t, they are summed with their weights for the step's choice. In both cases the inner
    product with the choice's embedding is its logit, before the division by the temperature.
    """
    inputs = torch.tensor([[model.start, *tokens]], device=model.device)
    choices = torch.tensor([*tokens, model.end], device=model.device)
    points = model.joint_embedding(unroll(model, inputs), model.project_image(feature))[
        0
    ]  # (step, location, embedding)
    scores = points @ model.label_embedding[choices].unsqueeze(2)  # (step, location, 1)
    return (model.spatial_pool.weights(scores) * points).sum(dim=1)
