"""Do labels of one group, such as one of COCO's super-categories, lie near each other in the label space?

The paper says that the joint space captures semantic redundancy. Here that is a number: the share of each label's
nearest neighbors that belong to its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from cnnrnn.label_space.neighbors import similarities


class GroupReport(TypedDict):
    """Percentages: how many of the k nearest labels by cosine belong to the label's own group."""

    k: int
    groups: int
    labels: float  # in the label space
    chance: float  # for neighbors drawn at random
    pmi: float  # for an SVD of the PMI matrix of the training set's labels, of as many dimensions


def group_report(vectors: Tensor, groups: Sequence[str], truth: np.ndarray, k: int = 3) -> GroupReport:
    """For label vectors (label, embedding), the group of each label, and the training set, bool (image, label)."""
    sizes = np.array([groups.count(group) for group in groups])
    return {
        "k": k,
        "groups": len(set(groups)),
        "labels": share_in_group(vectors, groups, k),
        "chance": float(100 * (sizes - 1).mean() / (len(groups) - 1)),
        "pmi": share_in_group(torch.from_numpy(pmi_embedding(truth, vectors.shape[1])), groups, k),
    }


def share_in_group(vectors: Tensor, groups: Sequence[str], k: int = 3) -> float:
    """Percentage of the k nearest other labels, by cosine, that are of the label's own group; vectors
    (label, embedding)."""
    similar = similarities(vectors, "cosine").fill_diagonal_(-torch.inf)
    near = similar.topk(min(k, len(groups) - 1), dim=1).indices.tolist()
    hits = [groups[other] == group for group, others in zip(groups, near, strict=True) for other in others]
    return 100 * sum(hits) / len(hits)


def pmi_embedding(truth: np.ndarray, dim: int) -> np.ndarray:
    """Label vectors from co-occurrence alone: the positive pointwise mutual information of every two labels,
    max(0, log P(a, b) / (P(a) P(b))), factorized by an SVD (Levy and Goldberg, 2014).

    bool (image, label) -> (label, at most dim) float64. A label's information about itself is left out: it says how
    rare the label is, not what it goes with.
    """
    present = truth.astype(np.float64)
    together, counts = present.T @ present, present.sum(axis=0)
    by_chance = np.outer(counts, counts) / len(truth)  # images with both, were they independent
    ratio = np.divide(together, by_chance, out=np.zeros_like(by_chance), where=by_chance > 0)
    information = np.log(np.maximum(ratio, 1))
    np.fill_diagonal(information, 0)
    left, values, _ = np.linalg.svd(information)
    return (left * np.sqrt(values))[:, :dim]
