"""The full record of a beam search for one image, which the command line, the dashboard and the exports read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.models.vocabulary import END_NAME
from cnnrnn.utils.style import on_one_line, percent

ROOT = -1  # parent of the empty prefix


@dataclass(frozen=True)
class TraceStep:
    """The prefixes the beam expanded at one step of one image. Row i of each array is one prefix."""

    parents: np.ndarray  # (prefix,) row of the prefix without its last label in the step before; ROOT at first
    tokens: np.ndarray  # (prefix,) its last label; START at first
    log_probs: np.ndarray  # (prefix,) log p(prefix | image), natural logarithm
    probs: np.ndarray  # (prefix, L+1) P(next | prefix, image) over labels and END; 0 for labels already emitted


@dataclass(frozen=True)
class Path:
    """A finished path: the labels up to END."""

    tokens: tuple[int, ...]
    log_prob: float  # of the labels and END
    rows: tuple[int, ...]  # its prefix's row at steps 0 … len(tokens); END was emitted from the last one

    @property
    def prob(self) -> float:
        return math.exp(self.log_prob)

    def token(self, step: int, end: int) -> int:
        """What the path chose at a step; END at its last one."""
        return self.tokens[step] if step < len(self.tokens) else end


@dataclass(frozen=True)
class StepEvidence:
    """What speaks for each label of the best path; see `attribution.evidence`. END is left out."""

    prefix: np.ndarray  # (label,) what the labels before it add to its log-odds, in nats; 0 for the first
    raised_by: np.ndarray  # (label,) which of them adds most, as a token; -1 for the first
    strength: np.ndarray  # (label,) the peak of its map as a fraction of the path's highest; NaN without locations

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        return {
            "prefix": [round(float(value), 3) for value in self.prefix],
            "raised_by": [None if token < 0 else names[token] for token in self.raised_by],
            "strength": [None if math.isnan(value) else round(float(value), 3) for value in self.strength],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], rank: dict[str, int]) -> StepEvidence:
        """Of labels with these tokens. Raises KeyError, TypeError or ValueError for what `to_json` did not write."""
        return cls(
            np.array(data["prefix"], dtype=np.float32),
            np.array([-1 if name is None else rank[name] for name in data["raised_by"]], dtype=np.int64),
            np.array([math.nan if value is None else value for value in data["strength"]], dtype=np.float32),
        )


@dataclass(frozen=True)
class Trace:
    """The record of beam search for one image. The expansions kept at step t are the prefixes of step t+1."""

    labels: tuple[str, ...]
    beam: int
    steps: tuple[TraceStep, ...]
    paths: tuple[Path, ...]  # the finished paths that were kept, best first; at most `beam`
    marginals: np.ndarray  # (L,) P(label anywhere in the sequence | image): a lower bound, exact at coverage 1
    coverage: float  # total probability of all finished paths, kept or not, 0 to 1
    constraints: Constraints = NO_CONSTRAINTS
    auxiliary: np.ndarray | None = None  # (L,) P(label | image) by the auxiliary head, if the model has one
    calibrated: np.ndarray | None = None  # (L,) see `probabilities`
    evidence: StepEvidence | None = None  # of the best path, where it was asked for

    def __repr__(self) -> str:
        """The result and how the search went; the arrays would fill pages."""
        search = f"{len(self.paths)} paths of a beam of {self.beam} in {len(self.steps)} steps, " if self.steps else ""
        return f"<Trace: {self.in_short()}; {search}coverage {percent(self.coverage)}, {len(self.labels)} labels>"

    def in_short(self) -> str:
        """The result in a line: "best path person → dog → END (34%)"; of the sigmoid baseline, which decodes no
        sequences, "predicted person, dog (34%)"."""
        best = self.paths[0]
        names = [on_one_line(name) for name in self.names(best.tokens)]
        if self.steps:
            return f"best path {' → '.join([*names, END_NAME])} ({percent(best.prob)})"
        return f"predicted {', '.join(names) or 'no label'} ({percent(best.prob)})"

    @property
    def probabilities(self) -> np.ndarray:
        """P(label | image), (L,): what the labels are ranked by.

        These are the marginals, or for a calibrated checkpoint their mean with the auxiliary head's probabilities
        (where there is one), calibrated. A search with constraints or without the recurrence has no calibration.
        """
        return self.marginals if self.calibrated is None else self.calibrated

    @property
    def end(self) -> int:
        return len(self.labels)

    def name(self, token: int) -> str:
        return END_NAME if token == self.end else self.labels[token]

    def names(self, tokens: Sequence[int]) -> list[str]:
        return [self.labels[token] for token in tokens]

    def choices(self, path: Path) -> list[str]:
        """What the path chose at every step: its labels and END."""
        return [*self.names(path.tokens), END_NAME]

    def prefix(self, step: int, row: int) -> tuple[int, ...]:
        """The labels emitted before `step` on the way to its row `row`."""
        return tuple(int(self.steps[t].tokens[r]) for t, r in enumerate(self.rows(step, row)) if t > 0)

    def rows(self, step: int, row: int) -> tuple[int, ...]:
        """The rows of a prefix and of its ancestors, at steps 0 … `step`."""
        rows = [row]
        for t in range(step, 0, -1):
            rows.append(int(self.steps[t].parents[rows[-1]]))
        return tuple(reversed(rows))

    def distribution(self, path: Path, step: int) -> np.ndarray:
        """The distribution from which the path chose at `step`: (L+1,) probabilities over labels and END."""
        return self.steps[step].probs[path.rows[step]]

    def summary(self) -> dict[str, Any]:
        """The result without the search steps: labels of the best path, all kept paths, marginals, coverage."""
        return {
            "labels": self.names(self.paths[0].tokens),
            "paths": [
                {"labels": self.names(path.tokens), "probability": path.prob, "log_prob": path.log_prob}
                for path in self.paths
            ],
            "marginals": self._by_label(self.marginals),
            "coverage": self.coverage,
            **({} if self.auxiliary is None else {"auxiliary": self._by_label(self.auxiliary)}),
            **({} if self.calibrated is None else {"probabilities": self._by_label(self.calibrated)}),
            **({} if self.evidence is None else {"evidence": self.evidence.to_json(self.labels)}),
        }

    def _by_label(self, values: np.ndarray) -> dict[str, float]:
        return dict(zip(self.labels, _floats(values), strict=True))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and names; `from_json` gives back an equal Trace."""
        summary = self.summary()
        for path, entry in zip(self.paths, summary["paths"], strict=True):
            entry["rows"] = list(path.rows)
        return {
            **summary,
            "vocabulary": list(self.labels),
            "beam": self.beam,
            "constraints": self.constraints.to_json(self.labels),
            "steps": [
                {
                    "parents": step.parents.tolist(),
                    "tokens": step.tokens.tolist(),
                    "log_probs": _floats(step.log_probs),
                    "probs": [_floats(row) for row in step.probs],
                }
                for step in self.steps
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Trace:
        labels = tuple(data["vocabulary"])
        rank = {label: index for index, label in enumerate(labels)}

        def by_label(key: str) -> np.ndarray:
            return np.array([data[key][label] for label in labels], dtype=np.float32)

        return cls(
            labels=labels,
            beam=data["beam"],
            steps=tuple(
                TraceStep(
                    np.array(step["parents"], dtype=np.int64),
                    np.array(step["tokens"], dtype=np.int64),
                    np.array(step["log_probs"], dtype=np.float32),
                    np.array(step["probs"], dtype=np.float32),
                )
                for step in data["steps"]
            ),
            paths=tuple(
                Path(tuple(rank[name] for name in path["labels"]), path["log_prob"], tuple(path["rows"]))
                for path in data["paths"]
            ),
            marginals=by_label("marginals"),
            coverage=data["coverage"],
            constraints=Constraints.from_json(data.get("constraints", {}), rank),
            auxiliary=by_label("auxiliary") if "auxiliary" in data else None,
            calibrated=by_label("probabilities") if "probabilities" in data else None,
            evidence=StepEvidence.from_json(data["evidence"], rank) if "evidence" in data else None,
        )


def _floats(values: np.ndarray) -> list[float]:
    """float32 by its shortest digits, which read back to the same float32."""
    return [float(str(value)) for value in values]
