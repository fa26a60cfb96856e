"""The paper's beam search over label sequences, for a whole batch of images at once, and its full record.

`beam_search` takes a step function and knows no network; `decode` gives it a model's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnnrnn.errors import UserError
from cnnrnn.model import CNNRNN, Prefixes, State
from cnnrnn.vocabulary import END_NAME

ROOT = -1  # parent of the empty prefix

# tokens (row,), indices of the images (live,), state -> logits over labels and END (row, L+1), next state.
# The rows of an image stand together, in the order of the images, and every image has equally many.
StepFunction = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]


@dataclass(frozen=True)
class Given:
    """What a person tells the search. It decodes as if this were certain: probabilities are conditional on it."""

    forced: tuple[tuple[int, int], ...] = ()  # (step, label): the label is emitted at this step and at no other
    banned: tuple[int, ...] = ()  # labels that are never emitted

    def __post_init__(self) -> None:
        steps = [step for step, _ in self.forced]
        labels = [*(label for _, label in self.forced), *self.banned]
        if len(set(steps)) < len(steps) or len(set(labels)) < len(labels):
            raise UserError("a step can be given one label, and a label one step; it can't be banned, too")

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
    def from_json(cls, data: dict[str, Any], rank: dict[str, int]) -> Given:
        forced = tuple((int(step), rank[name]) for step, name in data.get("forced", {}).items())
        return cls(forced, tuple(rank[name] for name in data.get("banned", [])))


NOTHING = Given()


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
class Trace:
    """All that beam search did for one image. The expansions kept at step t are the prefixes of step t+1."""

    labels: tuple[str, ...]
    beam: int
    steps: tuple[TraceStep, ...]
    paths: tuple[Path, ...]  # the finished paths that were kept, best first; at most `beam`
    marginals: np.ndarray  # (L,) P(label anywhere in the sequence | image): a lower bound, exact at coverage 1
    coverage: float  # probability of all paths seen to finish, kept or not, 0 to 1
    given: Given = NOTHING
    auxiliary: np.ndarray | None = None  # (L,) P(label | image) by the auxiliary head, if the model has one

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
        """The rows of a prefix and of everything it grew from, at steps 0 … `step`."""
        rows = [row]
        for t in range(step, 0, -1):
            rows.append(int(self.steps[t].parents[rows[-1]]))
        return tuple(reversed(rows))

    def distribution(self, path: Path, step: int) -> np.ndarray:
        """What the path chose from at `step`: (L+1,) probabilities over labels and END."""
        return self.steps[step].probs[path.rows[step]]

    def summary(self) -> dict[str, Any]:
        """The outcome without the search: labels of the best path, all kept paths, marginals, coverage."""
        return {
            "labels": self.names(self.paths[0].tokens),
            "paths": [
                {"labels": self.names(path.tokens), "probability": path.prob, "log_prob": path.log_prob}
                for path in self.paths
            ],
            "marginals": self._by_label(self.marginals),
            "coverage": self.coverage,
            **({} if self.auxiliary is None else {"auxiliary": self._by_label(self.auxiliary)}),
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
            "given": self.given.to_json(self.labels),
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
            marginals=np.array([data["marginals"][label] for label in labels], dtype=np.float32),
            coverage=data["coverage"],
            given=Given.from_json(data.get("given", {}), rank),
            auxiliary=(
                np.array([data["auxiliary"][label] for label in labels], dtype=np.float32)
                if "auxiliary" in data
                else None
            ),
        )


def _floats(values: np.ndarray) -> list[float]:
    """float32 by its shortest digits, which read back to the same float32."""
    return [float(str(value)) for value in values]


@dataclass
class _Beam:
    """The prefixes of the images still searched. Every tensor's first axis is the live image."""

    image: Tensor  # (live,) index into the batch
    parents: Tensor  # (live, beam)
    tokens: Tensor  # (live, beam)
    log_probs: Tensor  # (live, beam) of the prefixes
    emitted: Tensor  # (live, beam, L+1) bool: not to be emitted again

    @classmethod
    def first(cls, batch: int, num_labels: int, device: torch.device) -> _Beam:
        """At the first step there is one prefix, the empty one."""
        return cls(
            image=torch.arange(batch, device=device),
            parents=torch.full((batch, 1), ROOT, device=device),
            tokens=torch.full((batch, 1), num_labels + 1, device=device),
            log_probs=torch.zeros(batch, 1, device=device),
            emitted=torch.zeros(batch, 1, num_labels + 1, dtype=torch.bool, device=device),
        )

    def grow(self, goes_on: Tensor, rows: Tensor, parents: Tensor, tokens: Tensor, log_probs: Tensor) -> _Beam:
        """The prefixes one label longer, (going on, beam) each; `rows` are their parents in all images' rows."""
        emitted = self.emitted.flatten(0, 1).index_select(0, rows).view(*tokens.shape, -1)
        emitted.scatter_(2, tokens.unsqueeze(-1), True)
        return _Beam(self.image[goes_on], parents, tokens, log_probs, emitted)


class _Candidates:
    """The finished paths: every prefix that was expanded, with END. The N best count."""

    def __init__(self, batch: int, kept: int, device: torch.device) -> None:
        self.best = torch.full((batch, kept), -torch.inf, device=device)  # log-probabilities; -inf where none is yet
        self.ends: list[Tensor] = []  # of every step (batch, beam), -inf for images that had left the batch

    def add(self, image: Tensor, end_log_probs: Tensor) -> Tensor:
        """A step's, (live, beam) -> the N-th best of these images, (live,)."""
        batch, kept = self.best.shape
        ends = end_log_probs.new_full((batch, end_log_probs.shape[1]), -torch.inf)
        self.ends.append(ends.index_copy_(0, image, end_log_probs))
        best = torch.cat([self.best[image], end_log_probs], dim=1).topk(kept, dim=1).values
        self.best.index_copy_(0, image, best)
        return best[:, -1]

    def ranked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each image the N best, best first, (batch, N) each: log-probabilities, -inf where there are fewer, and
        the step and the row that emitted END."""
        widths = [ends.shape[1] for ends in self.ends]
        steps = np.repeat(np.arange(len(widths)), widths)  # (step and row,)
        rows = np.concatenate([np.arange(width) for width in widths])
        log_probs, index = torch.cat(self.ends, dim=1).topk(min(self.best.shape[1], len(steps)), dim=1)
        place = index.cpu().numpy()
        return log_probs.cpu().numpy(), steps[place], rows[place]


class _History:
    """All that the search saw."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []  # of every step (live,)
        self.seen: list[tuple[np.ndarray, ...]] = []  # the four of TraceStep, (live, beam, …) each

    def add(self, live: _Beam, probs: Tensor) -> None:
        self.images.append(live.image.cpu().numpy())
        arrays = (live.parents, live.tokens, live.log_probs, probs)
        self.seen.append(tuple(tensor.cpu().numpy() for tensor in arrays))

    def steps(self) -> list[tuple[TraceStep, ...]]:
        """Of each image."""
        found: list[list[TraceStep]] = [[] for _ in self.images[0]]
        for images, seen in zip(self.images, self.seen, strict=True):
            for image, *arrays in zip(images.tolist(), *seen, strict=True):
                found[image].append(TraceStep(*arrays))
        return [tuple(steps) for steps in found]

    def paths(self, candidates: _Candidates) -> list[tuple[Path, ...]]:
        """Of each image, best first: all of them are followed back at once from the rows that emitted END."""
        log_probs, ends, row = candidates.ranked()  # (batch, N) each
        depth = ends.max()
        rows = np.zeros((*ends.shape, depth + 1), dtype=np.int64)
        tokens = np.zeros((*ends.shape, depth), dtype=np.int64)
        for t in range(depth, 0, -1):
            parents, chosen, *_ = self.seen[t]
            place = np.zeros((len(ends), 1), dtype=np.int64)  # of the image among those that were live
            place[self.images[t], 0] = np.arange(len(parents))
            passed = ends >= t
            here = np.where(passed, row, 0)
            rows[..., t], tokens[..., t - 1] = here, chosen[place, here]
            row = np.where(passed, parents[place, here], row)
        columns = (log_probs.tolist(), ends.tolist(), tokens.tolist(), rows.tolist())
        return [
            tuple(
                Path(tuple(labels[:length]), log_prob, tuple(trail[: length + 1]))
                for log_prob, length, labels, trail in zip(*image, strict=True)
                if log_prob > -math.inf
            )
            for image in zip(*columns, strict=True)
        ]


def beam_search(
    step: StepFunction, state: State, labels: Sequence[str], beam: int, given: Given = NOTHING
) -> list[Trace]:
    """Beam search as in section 3.3 of the paper, over images and beams at once; one Trace per image.

    Keep the N = `beam` most probable intermediate paths and expand each with every label it does not hold; a
    path that emits END joins the candidates, of which the N best are kept; an image is done when it has N
    candidates and every intermediate path is less probable than each of them: longer paths only get less
    probable, so nothing better can follow. Candidates don't take the place of intermediate paths: the END
    of every expanded prefix is counted.

    `state` holds the recurrence's initial state, one row per image of the batch. `given` holds for all of them.
    Raises ValueError for a beam below 1 and UserError for logits that are not finite.
    """
    if beam < 1:
        raise ValueError(f"beam must be at least 1, not {beam}")
    num_labels = len(labels)
    batch, device = len(state[0]), state[0].device
    live = _Beam.first(batch, num_labels, device)
    candidates = _Candidates(batch, beam, device)
    expected = torch.zeros(batch, num_labels + 1, device=device)  # marginals and, for END, coverage
    history = _History()

    for t in range(num_labels + 1):
        width = live.tokens.shape[1]
        logits, state = step(live.tokens.flatten(), live.image, state)
        blocked = live.emitted if given == NOTHING else live.emitted | given.blocked(t, num_labels).to(device)
        log_probs = _normalise(logits.view(-1, width, num_labels + 1), blocked)  # (live, beam, L+1)
        probs = log_probs.exp()
        history.add(live, probs)
        expected.index_add_(0, live.image, (live.log_probs.exp().unsqueeze(1) @ probs).squeeze(1))
        expanded = live.log_probs.unsqueeze(-1) + log_probs  # (live, beam, L+1), log p(prefix and next)
        worst = candidates.add(live.image, expanded[..., num_labels])  # (live,)
        # Extensions that don't repeat a label; every prefix of a step has equally many.
        possible = width * given.choices(t, num_labels)
        if not possible:
            break
        best, index = expanded[..., :num_labels].flatten(1).topk(min(beam, possible), dim=1)  # (live, beam)
        goes_on = (best[:, 0] >= worst).nonzero().squeeze(1)  # the images that leave the batch are not in it
        if not len(goes_on):
            break
        best, index = best[goes_on], index[goes_on]
        parents, tokens = index // num_labels, index % num_labels
        rows = (width * goes_on.unsqueeze(1) + parents).flatten()  # (going on · beam,)
        state = tuple(part.index_select(0, rows) for part in state)
        live = live.grow(goes_on, rows, parents, tokens, best)

    sums = expected.clamp(max=1).cpu().numpy()  # of float32, which may exceed 1 in the last digit
    return [
        Trace(tuple(labels), beam, steps, paths, found[:-1], float(found[-1]), given)
        for steps, paths, found in zip(history.steps(), history.paths(candidates), sums, strict=True)
    ]


def _normalise(logits: Tensor, blocked: Tensor) -> Tensor:
    """log P(next | prefix) over END and the labels that may follow."""
    if not math.isfinite(float(logits.abs().amax())):
        raise UserError("the model's logits are not finite; its weights are damaged")
    return logits.masked_fill(blocked, -torch.inf).log_softmax(dim=-1)


@torch.no_grad()
def decode(
    model: CNNRNN,
    feature: Tensor,
    labels: Sequence[str],
    beam: int = 8,
    recurrence: bool = True,
    given: Given = NOTHING,
) -> list[Trace]:
    """Beam search with the model's own step: I (batch, place, feature) -> one Trace per image.

    Without `recurrence` every step is the first one, except that no label repeats: for measuring what the
    recurrence is worth.
    """
    image = model.project_image(feature)
    prefixes = Prefixes(model)

    def step(tokens: Tensor, live: Tensor, state: State) -> tuple[Tensor, State]:
        (before,) = state  # of each row, which of the prefixes before this step it continues
        prefix = prefixes.grow(before, tokens)
        recurrent = model.U_o(prefixes.output)[prefix].unflatten(0, (len(live), -1))  # (live, beam, embedding)
        return model.score(recurrent, image[live]).flatten(0, 1), (prefix,)

    def first_step(tokens: Tensor, live: Tensor, state: State) -> tuple[Tensor, State]:
        logits, _ = model.step(torch.full_like(tokens, model.start), image[live], model.initial_state(len(tokens)))
        return logits, state

    empty = torch.zeros(len(feature), dtype=torch.long, device=feature.device)
    traces = beam_search(step if recurrence else first_step, (empty,), labels, beam, given)
    if model.config.auxiliary:
        probs = model.auxiliary_logits(feature).sigmoid().cpu().numpy()  # (batch, label)
        traces = [replace(trace, auxiliary=row) for trace, row in zip(traces, probs, strict=True)]
    return traces


@torch.no_grad()
def sequence_log_probs(model: CNNRNN, feature: Tensor, sequences: Tensor) -> Tensor:
    """log p(sequence and END | image) of one image: I (1, …), label sequences (n, length) -> (n,)."""
    start = torch.full((len(sequences), 1), model.start, device=sequences.device)
    end = torch.full_like(start, model.end)
    logits = model(feature.expand(len(sequences), *feature.shape[1:]), torch.cat([start, sequences], dim=1))
    log_probs = logits.log_softmax(dim=-1)  # (n, length + 1, L+1)
    return log_probs.gather(2, torch.cat([sequences, end], dim=1).unsqueeze(2)).squeeze(2).sum(dim=1)
