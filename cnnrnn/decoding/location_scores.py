"""Equations 3 and 4 at every location for the rows of a beam, in as few passes over memory as possible.

It computes what `CNNRNN.logits` does, without gradients. With 196 locations a step of 32 images and a beam of 8 has six
million values of x_t, and their tanh and the passes over memory take longer than the matrix products. So

- tanh(a + b) = 1 - 2 / (1 + exp(2a) exp(2b)): the exponentials are of U_o o and of U_I I, which are few, and for each
  value of x_t a product and a reciprocal are left;
- the locations are the last axis, over which the softmax of the pooling runs;
- a few images at a time, so that their values stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.models.pooling import SpatialAttentionPool

# U_o o(t) of the beams (live, beam, embedding), indices of their images (live,) -> logits (live, beam, L+1)
Scores = Callable[[Tensor, Tensor], Tensor]

_BLOCK = 500_000  # values of x_t at a time on a processor: 2 MB
_LARGEST = 40.0  # of U_o o: exp(±80) is neither 0 nor infinite, so that its product with any exp(2 U_I I) is right


def location_scores(model: CNNRNN, image: Tensor) -> Scores:
    """The logits of every label and END as a function of the recurrence, for U_I I (batch, location, embedding)."""
    if not (isinstance(model.spatial_pool, SpatialAttentionPool) and model.h is torch.tanh):
        return lambda recurrent, live: model.logits(recurrent, image[live])
    pool, temperature = model.spatial_pool, model.config.temperature
    labels = model.label_embedding[: model.start]  # (L+1, embedding)
    exp_image = (2 * image.transpose(1, 2)).exp_()  # (batch, embedding, location)
    one = image.new_ones(())

    def logits(exp_recurrent: Tensor, exp_image: Tensor) -> Tensor:
        x = torch.addcmul(one, exp_recurrent.unsqueeze(-1), exp_image.unsqueeze(1)).reciprocal_()
        x = x.flatten(0, 1)  # (image · beam, embedding, location), of which x_t is 1 - 2x
        # (image · beam, L+1, location)
        by_location = torch.baddbmm(labels.sum(1, keepdim=True), labels.expand(len(x), -1, -1), x, alpha=-2)
        return pool.over_last(by_location) / temperature

    def scores(recurrent: Tensor, live: Tensor) -> Tensor:
        if not float(recurrent.abs().amax()) <= _LARGEST:  # so for a NaN
            return model.logits(recurrent, image[live])
        width, (embedding, locations) = recurrent.shape[1], exp_image.shape[1:]
        images = max(1, _BLOCK // (width * embedding * locations)) if image.device.type == "cpu" else len(live)
        blocks = zip((2 * recurrent).exp_().split(images), live.split(images), strict=True)
        return torch.cat([logits(rows, exp_image[index]) for rows, index in blocks]).unflatten(0, (-1, width))

    return scores
