"""The paper's beam search over label sequences, for a whole batch of images at once, and its full record.

`beam_search` takes a step function and knows no network; `decode` gives it a model's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.prefix_cache import PrefixCache, teacher_forced_logits
from cnnrnn.decoding.trace import ROOT, Path, Trace, TraceStep
from cnnrnn.models.cnnrnn import CNNRNN, State
from cnnrnn.utils.errors import UserError

# tokens (row,), indices of the images (live,), state -> logits over labels and END (row, L+1), next state.
# The rows of an image stand together, in the order of the images, and every image has equally many.
StepFunction = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]


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
        flat = index.cpu().numpy()
        return log_probs.cpu().numpy(), steps[flat], rows[flat]


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
    step: StepFunction, state: State, labels: Sequence[str], beam: int, constraints: Constraints = NO_CONSTRAINTS
) -> list[Trace]:
    """Beam search as in section 3.3 of the paper, over images and beams at once; one Trace per image.

    Keep the N = `beam` most probable intermediate paths and expand each with every label it does not hold; a
    path that emits END joins the candidates, of which the N best are kept; an image is done when it has N
    candidates and every intermediate path is less probable than each of them: longer paths only get less
    probable, so nothing better can follow. Candidates don't take the place of intermediate paths: the END
    of every expanded prefix is counted.

    `state` holds the recurrence's initial state, one row per image of the batch. `constraints` holds for all of them.
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
        blocked = (
            live.emitted
            if constraints == NO_CONSTRAINTS
            else live.emitted | constraints.blocked(t, num_labels).to(device)
        )
        log_probs = _normalise(logits.view(-1, width, num_labels + 1), blocked)  # (live, beam, L+1)
        probs = log_probs.exp()
        history.add(live, probs)
        expected.index_add_(0, live.image, (live.log_probs.exp().unsqueeze(1) @ probs).squeeze(1))
        expanded = live.log_probs.unsqueeze(-1) + log_probs  # (live, beam, L+1), log p(prefix and next)
        cutoff = candidates.add(live.image, expanded[..., num_labels])  # (live,)
        # Extensions that don't repeat a label; every prefix of a step has equally many.
        possible = width * constraints.choices(t, num_labels)
        if not possible:
            break
        best, index = expanded[..., :num_labels].flatten(1).topk(min(beam, possible), dim=1)  # (live, beam)
        goes_on = (best[:, 0] >= cutoff).nonzero().squeeze(1)  # the images that leave the batch are not in it
        if not len(goes_on):
            break
        best, index = best[goes_on], index[goes_on]
        parents, tokens = index // num_labels, index % num_labels
        rows = (width * goes_on.unsqueeze(1) + parents).flatten()  # (going on · beam,)
        state = tuple(part.index_select(0, rows) for part in state)
        live = live.grow(goes_on, rows, parents, tokens, best)

    sums = expected.clamp(max=1).cpu().numpy()  # of float32, which may exceed 1 in the last digit
    return [
        Trace(tuple(labels), beam, steps, paths, found[:-1], float(found[-1]), constraints)
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
    constraints: Constraints = NO_CONSTRAINTS,
) -> list[Trace]:
    """Beam search with the model's own step: I (batch, location, feature) -> one Trace per image.

    Without `recurrence` every step is the first one, except that no label repeats: for measuring what the
    recurrence is worth.
    """
    image = model.project_image(feature)
    prefixes = PrefixCache(model)

    def step(tokens: Tensor, live: Tensor, state: State) -> tuple[Tensor, State]:
        (before,) = state  # of each row, which of the prefixes before this step it continues
        prefix = prefixes.advance(before, tokens)
        recurrent = model.U_o(prefixes.output)[prefix].unflatten(0, (len(live), -1))  # (live, beam, embedding)
        return model.logits(recurrent, image[live]).flatten(0, 1), (prefix,)

    def first_step(tokens: Tensor, live: Tensor, state: State) -> tuple[Tensor, State]:
        logits, _ = model.step(torch.full_like(tokens, model.start), image[live], model.initial_state(len(tokens)))
        return logits, state

    empty = torch.zeros(len(feature), dtype=torch.long, device=feature.device)
    traces = beam_search(step if recurrence else first_step, (empty,), labels, beam, constraints)
    if model.config.auxiliary:
        probs = model.auxiliary_logits(feature).sigmoid().cpu().numpy()  # (batch, label)
        traces = [replace(trace, auxiliary=row) for trace, row in zip(traces, probs, strict=True)]
    return traces


@torch.no_grad()
def sequence_log_probs(model: CNNRNN, feature: Tensor, sequences: Tensor) -> Tensor:
    """log p(sequence and END | image) of one image: I (1, …), label sequences (n, length) -> (n,)."""
    start = torch.full((len(sequences), 1), model.start, device=sequences.device)
    end = torch.full_like(start, model.end)
    inputs = torch.cat([start, sequences], dim=1)
    logits = teacher_forced_logits(model, feature.expand(len(sequences), *feature.shape[1:]), inputs)
    log_probs = logits.log_softmax(dim=-1)  # (n, length + 1, L+1)
    return log_probs.gather(2, torch.cat([sequences, end], dim=1).unsqueeze(2)).squeeze(2).sum(dim=1)
