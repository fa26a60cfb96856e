"""Constraints on the beam search: labels that are forced at a step, and labels that are banned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnnrnn.utils.errors import UserError


@dataclass(frozen=True)
class Constraints:
    """Labels that are forced or banned in decoding. All probabilities are conditional on the constraints.

    Raises UserError if two labels are forced at one step, or a label is forced twice or both forced and banned.
    """

    forced: tuple[tuple[int, int], ...] = ()  # (step, label): the label is emitted at this step and at no other
    banned: tuple[int, ...] = ()  # labels that are never emitted

    def __post_init__(self) -> None:
        steps = [step for step, _ in self.forced]
        labels = [*(label for _, label in self.forced), *self.banned]
        if len(set(steps)) < len(steps) or len(set(labels)) < len(labels):
            raise UserError("a step can be forced to one label, a label at one step, and a banned label at none")

    def blocked(self, step: int, num_labels: int) -> Tensor:
        """The tokens that can't be emitted at `step`: bool (L+1,). END is blocked up to the last forced label."""
        forced = dict(self.forced)  # step -> label
        blocked = torch.zeros(num_labels + 1, dtype=torch.bool)
        blocked[[*self.banned, *forced.values()]] = True
        blocked[num_labels] = any(step <= later for later in forced)
        if step in forced:
            blocked[:] = True
            blocked[forced[step]] = False
        return blocked

    def choices(self, step: int, num_labels: int) -> int:
        """The number of labels that can follow a prefix at `step`."""
        forced = dict(self.forced)  # step -> label
        if step in forced:
            return 1
        free = step - sum(earlier < step for earlier in forced)  # labels of the prefix that were not forced
        return num_labels - len(self.banned) - len(forced) - free

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        """The constraints with the names of the labels instead of their indices."""
        return {
            "forced": {str(step): labels[label] for step, label in self.forced},
            "banned": [labels[label] for label in self.banned],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], rank: dict[str, int]) -> Constraints:
        """The inverse of `to_json`; `rank` maps a label's name to its index."""
        forced = tuple((int(step), rank[name]) for step, name in data.get("forced", {}).items())
        return cls(forced, tuple(rank[name] for name in data.get("banned", [])))


NO_CONSTRAINTS = Constraints()
