"""The paper's beam search over label sequences, for a whole batch of images at once.

`beam_search` takes a step function and does not depend on a network; `decode` calls it with the steps of a CNN-RNN.
Both return a `Trace` per image, which records the whole search.
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
# The rows of an image are consecutive, in the order of the images, and every image has the same number of rows.
StepFunction = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]


@dataclass
class _Beam:
    """The current prefixes of the live images, those whose search has not ended; the first axis of every tensor."""

    image: Tensor  # (live,) index into the batch
    parents: Tensor  # (live, beam)
    tokens: Tensor  # (live, beam)
    log_probs: Tensor  # (live, beam) of the prefixes
    emitted: Tensor  # (live, beam, L+1) bool: labels that the prefix contains

    @classmethod
    def first(cls, batch: int, num_labels: int, device: torch.device) -> _Beam:
        """The beam of the first step, which holds only the empty prefix."""
        return cls(
            image=torch.arange(batch, device=device),
            parents=torch.full((batch, 1), ROOT, device=device),
            tokens=torch.full((batch, 1), num_labels + 1, device=device),
            log_probs=torch.zeros(batch, 1, device=device),
            emitted=torch.zeros(batch, 1, num_labels + 1, dtype=torch.bool, device=device),
        )

    def extend(self, continuing: Tensor, rows: Tensor, parents: Tensor, tokens: Tensor, log_probs: Tensor) -> _Beam:
        """The beam of the next step.

        `continuing` (continuing,) are the indices of the live images whose search continues. `parents`, `tokens` and
        `log_probs` (continuing, beam) describe the new prefixes, and `rows` (continuing · beam,) are their parents as
        rows of the flattened current beam.
        """
        emitted = self.emitted.flatten(0, 1).index_select(0, rows).view(*tokens.shape, -1)
        emitted.scatter_(2, tokens.unsqueeze(-1), True)
        return _Beam(self.image[continuing], parents, tokens, log_probs, emitted)


class _Candidates:
    """The candidate set: every expanded prefix, finished by END. The N most probable of each image are kept."""

    def __init__(self, batch: int, beam: int, device: torch.device) -> None:
        self.best = torch.full(
            (batch, beam), -torch.inf, device=device
        )  # log-probabilities; -inf where there are fewer
        self.ends: list[Tensor] = []  # one per step: (batch, beam), -inf for images whose search had ended

    def add(self, image: Tensor, end_log_probs: Tensor) -> Tensor:
        """Add the candidates of a step.

        Images (live,), log-probabilities of their candidates (live, beam) -> log-probability of each image's N-th best
        candidate so far (live,), -inf where there are fewer than N.
        """
        batch, beam = self.best.shape
        ends = end_log_probs.new_full((batch, end_log_probs.shape[1]), -torch.inf)
        self.ends.append(ends.index_copy_(0, image, end_log_probs))
        best = torch.cat([self.best[image], end_log_probs], dim=1).topk(beam, dim=1).values
        self.best.index_copy_(0, image, best)
        return best[:, -1]

    def ranked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The N best candidates of each image, best first.

        Returns three arrays (batch, N): the log-probability, which is -inf where there are fewer candidates, and the
        step and the row at which END was emitted.
        """
        widths = [ends.shape[1] for ends in self.ends]
        steps = np.repeat(np.arange(len(widths)), widths)  # (step and row,)
        rows = np.concatenate([np.arange(width) for width in widths])
        log_probs, index = torch.cat(self.ends, dim=1).topk(min(self.best.shape[1], len(steps)), dim=1)
        flat = index.cpu().numpy()
        return log_probs.cpu().numpy(), steps[flat], rows[flat]


class _History:
    """The beams and distributions of all steps, from which the traces are made."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []  # one per step: (live,)
        self.arrays: list[tuple[np.ndarray, ...]] = []  # one per step: the fields of TraceStep, (live, beam, …) each

    def add(self, live: _Beam, probs: Tensor) -> None:
        self.images.append(live.image.cpu().numpy())
        tensors = (live.parents, live.tokens, live.log_probs, probs)
        self.arrays.append(tuple(tensor.cpu().numpy() for tensor in tensors))

    def steps(self) -> list[tuple[TraceStep, ...]]:
        """The steps of each image."""
        steps: list[list[TraceStep]] = [[] for _ in self.images[0]]
        for images, fields in zip(self.images, self.arrays, strict=True):
            for image, *arrays in zip(images.tolist(), *fields, strict=True):
                steps[image].append(TraceStep(*arrays))
        return [tuple(image_steps) for image_steps in steps]

    def paths(self, candidates: _Candidates) -> list[tuple[Path, ...]]:
        """The kept paths of each image, best first.

        The paths of all images are traced back together, from the rows that emitted END to the first step.
        """
        log_probs, ends, row = candidates.ranked()  # (batch, N) each
        depth = ends.max()
        rows = np.zeros((*ends.shape, depth + 1), dtype=np.int64)
        tokens = np.zeros((*ends.shape, depth), dtype=np.int64)
        for t in range(depth, 0, -1):
            parents, chosen, *_ = self.arrays[t]
            live_index = np.zeros((len(ends), 1), dtype=np.int64)  # of each image among the live images of step t
            live_index[self.images[t], 0] = np.arange(len(parents))
            reached = ends >= t  # the paths that have a prefix at step t
            current = np.where(reached, row, 0)
            rows[..., t], tokens[..., t - 1] = current, chosen[live_index, current]
            row = np.where(reached, parents[live_index, current], row)
        columns = (log_probs.tolist(), ends.tolist(), tokens.tolist(), rows.tolist())
        return [
            tuple(
                Path(tuple(labels[:length]), log_prob, tuple(path_rows[: length + 1]))
                for log_prob, length, labels, path_rows in zip(*image, strict=True)
                if log_prob > -math.inf
            )
            for image in zip(*columns, strict=True)
        ]


def beam_search(
    step: StepFunction, state: State, labels: Sequence[str], beam: int, constraints: Constraints = NO_CONSTRAINTS
) -> list[Trace]:
    """Beam search as in section 3.3 of the paper, over images and beams at once; one Trace per image.

    Each step keeps the N = `beam` most probable intermediate paths and expands each of them with every label that it
    does not contain. A path that emits END joins the candidates, of which the N most probable are kept. The search of
    an image ends when it has N candidates and every intermediate path is less probable than each of them: extending a
    path can only lower its probability, so no better candidate can follow. Candidates do not occupy rows of the beam:
    the END of every expanded prefix is a candidate.

    `state` is the initial state of the recurrence, one row per image of the batch. `constraints` apply to all images.
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
        log_probs = _normalize(logits.view(-1, width, num_labels + 1), blocked)  # (live, beam, L+1)
        probs = log_probs.exp()
        history.add(live, probs)
        expected.index_add_(0, live.image, (live.log_probs.exp().unsqueeze(1) @ probs).squeeze(1))
        expanded = live.log_probs.unsqueeze(-1) + log_probs  # (live, beam, L+1), log p(prefix, next)
        cutoff = candidates.add(live.image, expanded[..., num_labels])  # (live,)
        # Extensions that do not repeat a label; every prefix of a step has the same number of them.
        possible = width * constraints.choices(t, num_labels)
        if not possible:
            break
        best, index = expanded[..., :num_labels].flatten(1).topk(min(beam, possible), dim=1)  # (live, beam)
        continuing = (best[:, 0] >= cutoff).nonzero().squeeze(1)  # (continuing,) indices of live images
        if not len(continuing):
            break
        best, index = best[continuing], index[continuing]
        parents, tokens = index // num_labels, index % num_labels
        rows = (width * continuing.unsqueeze(1) + parents).flatten()  # (continuing · beam,)
        state = tuple(part.index_select(0, rows) for part in state)
        live = live.extend(continuing, rows, parents, tokens, best)

    sums = expected.clamp(max=1).cpu().numpy()  # a sum of float32 values may exceed 1 in the last digit
    return [
        Trace(tuple(labels), beam, steps, paths, image_sums[:-1], float(image_sums[-1]), constraints)
        for steps, paths, image_sums in zip(history.steps(), history.paths(candidates), sums, strict=True)
    ]


def _normalize(logits: Tensor, blocked: Tensor) -> Tensor:
    """Logits (live, beam, L+1) -> log P(next | prefix), -inf for `blocked` tokens. Raises UserError if not finite."""
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
    """Beam search with the model's recurrence: I (batch, location, feature) -> one Trace per image.

    Without `recurrence`, every step has the logits of the first step and only the emitted labels are excluded. This
    ablation measures how much the recurrence contributes.
    """
    image = model.project_image(feature)
    prefixes = PrefixCache(model)

    def step(tokens: Tensor, live: Tensor, state: State) -> tuple[Tensor, State]:
        (parent,) = state  # (row,) index of the cached prefix that each row extends
        prefix = prefixes.advance(parent, tokens)
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
