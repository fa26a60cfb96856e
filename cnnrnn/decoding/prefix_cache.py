"""A cache of the recurrence over the distinct prefixes of a batch.

The recurrence does not depend on the image, so a prefix that several images or beam rows share is computed once: the
first step has one row for all images, and the second step has at most L rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cnnrnn.models.cnnrnn import CNNRNN


class PrefixCache:
    """The distinct prefixes of the current step; `advance` extends them by one token."""

    output: Tensor  # o(t) of the current prefixes, (prefix, hidden)

    def __init__(self, model: CNNRNN) -> None:
        self.model = model
        self.state = model.initial_state(1)  # r(t) of the current prefixes, each (prefix, hidden)

    def advance(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        """Extend each row's prefix by a token.

        Index of each row's prefix (row,), which is 0 before START, and its next token (row,) -> index of the row's new
        prefix (row,) into `output`.
        """
        vocabulary = self.model.start + 1
        distinct, new_prefix = torch.unique(prefix * vocabulary + tokens, return_inverse=True)
        # `distinct` is sorted, so the rows that extend the same prefix are consecutive.
        extended, parent_index = torch.unique_consecutive(distinct // vocabulary, return_inverse=True)
        state = tuple(part.index_select(0, extended) for part in self.state)
        self.output, self.state = self.model.rnn_step(distinct % vocabulary, state, parent_index)
        return new_prefix


def unroll(model: CNNRNN, inputs: Tensor) -> Tensor:
    """Label sequences, START first (batch, step) -> U_o o(t) of every step (batch, step, embedding).

    In training every sequence has dropout of its own, so none shares its prefixes.
    """
    if model.training:
        return model.U_o(model.dropout(model.unrolled(inputs)))
    cache, prefix = PrefixCache(model), inputs.new_zeros(len(inputs))
    outputs = []
    for tokens in inputs.unbind(1):
        prefix = cache.advance(prefix, tokens)
        outputs.append(cache.output.index_select(0, prefix))
    return model.U_o(torch.stack(outputs, dim=1))


def teacher_forced_logits(model: CNNRNN, feature: Tensor, inputs: Tensor) -> Tensor:
    """I (batch, location, feature) and label sequences, START first (batch, step) -> logits (batch, step, L+1)."""
    return model(feature, unroll(model, inputs), inputs)
