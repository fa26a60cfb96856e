"""Constraints on the search: labels that must be emitted at a step, and labels that must not be emitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnnrnn.models.vocabulary import no_label
from cnnrnn.utils.errors import UserError


@dataclass(frozen=True)
class Constraints:
    """Constraints on the search. All probabilities are conditional on them."""

    forced: tuple[tuple[int, int], ...] = ()  # (step, label): the label is emitted at this step and at no other
    banned: tuple[int, ...] = ()  # labels that are never emitted

    def __post_init__(self) -> None:
        steps = [step for step, _ in self.forced]
        labels = [*(label for _, label in self.forced), *self.banned]
        if len(set(steps)) < len(steps) or len(set(labels)) < len(labels):
            raise UserError("a step can have only one label, and a label only one step; a forced label can't be banned")

    @classmethod
    def by_name(
        cls, labels: Sequence[str], force: str | Sequence[str] = (), exclude: str | Sequence[str] = ()
    ) -> Constraints:
        """The sequence begins with the labels `force`, in this order, and holds none of `exclude`; `labels` are the
        vocabulary's. Raises UserError for another name, and as the class for constraints that contradict each other."""
        forced, banned = ([names] if isinstance(names, str) else list(names) for names in (force, exclude))
        rank = {label: index for index, label in enumerate(labels)}
        for name in (*forced, *banned):
            if name not in rank:
                raise UserError(no_label(name, labels))
        return cls(tuple((step, rank[name]) for step, name in enumerate(forced)), tuple(rank[name] for name in banned))

    def check(self, num_labels: int) -> None:
        """Raises UserError if no sequence of so many labels satisfies them."""
        last = max((step for step, _ in self.forced), default=-1)
        needed = last + 1 - len(self.forced)  # steps up to the last forced one that any other label may take
        free = num_labels - len(self.banned) - len(self.forced)
        if needed > free:
            raise UserError(
                f"a label is forced at step {last + 1}, but {free} other labels are left for {needed} steps before it"
            )

    def blocked(self, step: int, num_labels: int) -> Tensor:
        """Which tokens can't follow at `step`: bool (L+1,). No path ends before the last forced label."""
        at = dict(self.forced)
        blocked = torch.zeros(num_labels + 1, dtype=torch.bool)
        blocked[[*self.banned, *at.values()]] = True
        blocked[num_labels] = any(step <= later for later in at)
        if step in at:
            blocked[:] = True
            blocked[at[step]] = False
        return blocked

    def choices(self, step: int, num_labels: int) -> int:
        """How many labels can follow a prefix at `step`."""
        at = dict(self.forced)
        if step in at:
            return 1
        chosen = step - sum(earlier < step for earlier in at)  # labels of the prefix that were not forced
        return num_labels - len(self.banned) - len(at) - chosen

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        return {
            "forced": {str(step): labels[label] for step, label in self.forced},
            "banned": [labels[label] for label in self.banned],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], rank: dict[str, int]) -> Constraints:
        forced = tuple((int(step), rank[name]) for step, name in data.get("forced", {}).items())
        return cls(forced, tuple(rank[name] for name in data.get("banned", [])))


NO_CONSTRAINTS = Constraints()
