"""The label space of a model: similarities and nearest neighbors of its labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from cnnrnn.label_space.neighbors import nearest, similarities
from cnnrnn.models.vocabulary import no_label
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.style import first_few


@dataclass(frozen=True)
class LabelSpace:
    """The rows of U_l."""

    labels: tuple[str, ...]
    vectors: Tensor  # (label, embedding)

    def __repr__(self) -> str:
        labels = f"{len(self.labels)} labels ({first_few(self.labels)})"
        return f"<LabelSpace of {labels} in {self.vectors.shape[1]} dimensions>"

    def neighbors(self, label: str, k: int = 5, measure: str = "cosine") -> list[tuple[str, float]]:
        """The k nearest other labels, nearest first, with their similarity. Raises UserError for an unknown label.

        `measure` is "cosine" or "inner" (product).
        """
        if label not in self.labels:
            raise UserError(no_label(label, self.labels))
        return nearest(self.vectors, self.labels, k, measure)[label]

    def similarity(self, measure: str = "cosine") -> np.ndarray:
        """(label, label), in the order of `labels`."""
        return similarities(self.vectors, measure).cpu().numpy()
