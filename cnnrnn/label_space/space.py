"""`LabelSpace`: the label embeddings of a model and the similarities between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from cnnrnn.label_space.neighbors import nearest, similarities
from cnnrnn.utils.errors import UserError


@dataclass(frozen=True)
class LabelSpace:
    """The label embeddings, which are the rows of U_l without START and END."""

    labels: tuple[str, ...]
    vectors: Tensor  # (label, embedding)

    def neighbors(self, label: str, k: int = 5, measure: str = "cosine") -> list[tuple[str, float]]:
        """The k nearest other labels, nearest first, with their similarities.

        `measure` is "cosine" or "inner" (product). Raises UserError for an unknown label.
        """
        if label not in self.labels:
            raise UserError(f"the vocabulary has no label '{label}'; its {len(self.labels)} labels are in .labels")
        return nearest(self.vectors, self.labels, k, measure)[label]

    def similarity(self, measure: str = "cosine") -> np.ndarray:
        """The similarities of all labels (label, label), in the order of `labels`."""
        return similarities(self.vectors, measure).cpu().numpy()
