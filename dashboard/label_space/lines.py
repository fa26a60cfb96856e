"""Which labels the lines of the map join: those near each other, or those that are predicted together."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
import torch

import address
import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.label_space.neighbors import nearest, nearest_to

Probabilities = dict[str, dict[str, float]]  # label -> other label -> P(other | label)

MIN_COOCCURRENCE = 0.05  # labels that are predicted together less often than this are not joined
_NEIGHBORS = 5  # of a label that is searched for, which lines lead to


def cooccurring(name: str) -> Probabilities | None:
    """The model's P(other | label), if lines shall join the labels that are predicted together."""
    table = state.results(name)["cooccurrence"]
    kinds = ["nearest by angle", "co-occurring"]
    if not table:
        return None
    key = address.keep("lines", kinds, kinds[0])
    if st.segmented_control("Lines join", kinds, required=True, key=key) != kinds[1]:
        return None
    return {label: {other: prob for other, (_, prob) in others.items()} for label, others in table.items()}


def edges(checkpoint: Checkpoint, together: Probabilities | None) -> tuple[list[tuple[int, int]], str]:
    """Pairs of indices that a line joins, and a description of what each label is joined with."""
    labels = checkpoint.vocabulary.labels
    if together is not None:
        joined = {label: _most_frequent(others, 2) for label, others in together.items()}
        description = (
            f"the two that the model most often predicts with it, if it does so in at least {MIN_COOCCURRENCE:.0%} of "
            "the cases"
        )
    else:
        joined = nearest(checkpoint.rnn.label_vectors(), labels, k=2)
        description = "its two nearest by angle"
    rank = {label: index for index, label in enumerate(labels)}
    pairs = {(rank[a], rank[b]) for a, others in joined.items() for b, _ in others}
    return sorted({(min(pair), max(pair)) for pair in pairs}), description


def highlighted(
    vectors: torch.Tensor, labels: Sequence[str], label: int, together: Probabilities | None
) -> list[tuple[int, float]]:
    """What is highlighted with a label that is searched for, as the lines of the map: the nearest labels, with their
    cosines, or those that the model most often predicts with it, with their conditional probabilities."""
    if together is None:
        return nearest_to(vectors, label, _NEIGHBORS)
    others = _most_frequent(together.get(labels[label], {}), _NEIGHBORS)
    return [(labels.index(other), prob) for other, prob in others]


def _most_frequent(conditional: dict[str, float], most: int) -> list[tuple[str, float]]:
    """The labels that are predicted most often with one label, with their probabilities, without the rare ones."""
    frequent = [one for one in conditional.items() if one[1] >= MIN_COOCCURRENCE]
    return sorted(frequent, key=lambda one: -one[1])[:most]
