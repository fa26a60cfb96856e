"""The paper's beam search over label sequences, for a whole batch of images at once, with a full record of the search.

`beam_search` takes a step function and does not depend on a network; `decode` calls it with a model's step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.location_scores import location_scores
from cnnrnn.decoding.prefix_cache import PrefixCache, teacher_forced_logits
from cnnrnn.decoding.trace import ROOT, Path, Trace, TraceStep
from cnnrnn.models.cnnrnn import CNNRNN, State
from cnnrnn.utils.calibration import calibrate
from cnnrnn.utils.errors import UserError

# tokens (row,), indices of the images (live,), state -> logits over labels and END (row, L+1), next state.
# The rows of an image are consecutive, in the order of the images, and every image has the same number of rows.
StepFunction = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]


@dataclass
class _Beam:
    """The prefixes of the live images, those whose search is not finished. They are every tensor's first axis."""

    image: Tensor  # (live,) index into the batch
    parents: Tensor  # (live, beam)
    tokens: Tensor  # (live, beam)
    log_probs: Tensor  # (live, beam) of the prefixes
    emitted: Tensor  # (live, beam, L+1) bool: the labels that a prefix has already

    @classmethod
    def first(cls, batch: int, num_labels: int, device: torch.device) -> _Beam:
        """The beam of the first step, whose only prefix is the empty one."""
        return cls(
            image=torch.arange(batch, device=device),
            parents=torch.full((batch, 1), ROOT, device=device),
            tokens=torch.full((batch, 1), num_labels + 1, device=device),
            log_probs=torch.zeros(batch, 1, device=device),
            emitted=torch.zeros(batch, 1, num_labels + 1, dtype=torch.bool, device=device),
        )

    def blocked(self, constraints: Constraints, t: int) -> Tensor:
        """What may not follow a prefix at step t, bool (live, beam, L+1)."""
        if constraints == NO_CONSTRAINTS:
            return self.emitted
        return self.emitted | constraints.blocked(t, self.emitted.shape[2] - 1).to(self.emitted.device)

    def extend(self, continuing: Tensor, index: Tensor, log_probs: Tensor) -> tuple[_Beam, Tensor]:
        """The prefixes of the `continuing` images with one more label, and the index of each one's parent among the
        rows of all live images (continuing · beam,).

        `index` says which label follows which prefix: the new prefixes' indices (continuing, beam) in (beam · label,).
        `log_probs` (continuing, beam) are the new prefixes'.
        """
        width, num_labels = self.tokens.shape[1], self.emitted.shape[2] - 1
        parents, tokens = index // num_labels, index % num_labels  # (continuing, beam)
        rows = (width * continuing.unsqueeze(1) + parents).flatten()
        emitted = self.emitted.flatten(0, 1).index_select(0, rows).view(*tokens.shape, -1)
        emitted.scatter_(2, tokens.unsqueeze(-1), True)
        return _Beam(self.image[continuing], parents, tokens, log_probs, emitted), rows


class _Candidates:
    """The finished paths: every expanded prefix, followed by END. The N most probable are kept."""

    def __init__(self, batch: int, kept: int, device: torch.device) -> None:
        self.best = torch.full(
            (batch, kept), -torch.inf, device=device
        )  # log-probabilities; -inf where there is none yet
        self.end_log_probs: list[Tensor] = []  # of every step (batch, beam); -inf for finished images

    def add(self, live: Tensor | slice, end_log_probs: Tensor) -> Tensor:
        """Add the finished paths of a step, of the `live` images of the batch: (live, beam) -> the N-th best
        log-probability of each of these images (live,)."""
        batch, kept = self.best.shape
        padded = end_log_probs.new_full((batch, end_log_probs.shape[1]), -torch.inf)
        padded[live] = end_log_probs
        self.end_log_probs.append(padded)
        best = torch.cat([self.best[live], end_log_probs], dim=1).topk(kept, dim=1).values
        self.best[live] = best
        return best[:, -1]

    def top_n(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The N best paths of each image, best first: their log-probabilities (-inf where there are fewer), and the
        step and the row that emitted END; (batch, N) each."""
        widths = [log_probs.shape[1] for log_probs in self.end_log_probs]
        steps = np.repeat(np.arange(len(widths)), widths)  # (step and row,)
        rows = np.concatenate([np.arange(width) for width in widths])
        log_probs, index = torch.cat(self.end_log_probs, dim=1).topk(min(self.best.shape[1], len(steps)), dim=1)
        flat = index.cpu().numpy()
        return log_probs.cpu().numpy(), steps[flat], rows[flat]


class _History:
    """The record of all steps of the search."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []  # of every step (live,)
        self.records: list[tuple[np.ndarray, ...]] = []  # the fields of TraceStep, (live, beam, …) each

    def add(self, live: _Beam, probs: Tensor) -> None:
        self.images.append(live.image.cpu().numpy())
        arrays = (live.parents, live.tokens, live.log_probs, probs)
        self.records.append(tuple(tensor.cpu().numpy() for tensor in arrays))

    def steps(self) -> list[tuple[TraceStep, ...]]:
        """The steps of each image."""
        steps_by_image: list[list[TraceStep]] = [[] for _ in self.images[0]]
        for images, record in zip(self.images, self.records, strict=True):
            for image, *arrays in zip(images.tolist(), *record, strict=True):
                steps_by_image[image].append(TraceStep(*arrays))
        return [tuple(steps) for steps in steps_by_image]

    def paths(self, candidates: _Candidates) -> list[tuple[Path, ...]]:
        """The paths of each image, best first, traced back from the rows that emitted END."""
        log_probs, end_step, row = candidates.top_n()  # (batch, N) each
        depth = end_step.max()
        rows = np.zeros((*end_step.shape, depth + 1), dtype=np.int64)
        tokens = np.zeros((*end_step.shape, depth), dtype=np.int64)
        for t in range(depth, 0, -1):
            parents, chosen, *_ = self.records[t]
            live_index = np.zeros((len(end_step), 1), dtype=np.int64)  # of each image among those live at step t
            live_index[self.images[t], 0] = np.arange(len(parents))
            active = end_step >= t  # the paths that have a label at step t
            active_row = np.where(active, row, 0)
            rows[..., t], tokens[..., t - 1] = active_row, chosen[live_index, active_row]
            row = np.where(active, parents[live_index, active_row], row)
        columns = (log_probs.tolist(), end_step.tolist(), tokens.tolist(), rows.tolist())
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

    Keep the N = `beam` most probable intermediate paths and expand each with every label it does not hold; a
    path that emits END joins the candidates, of which the N best are kept; an image is done when it has N
    candidates and every intermediate path is less probable than each of them: longer paths only get less
    probable, so nothing better can follow. Candidates don't replace intermediate paths: the END
    of every expanded prefix is counted.

    `state` holds the recurrence's initial state, one row per image of the batch. `constraints` holds for all of them.
    Raises ValueError for a beam below 1, and UserError for logits that are not finite and for constraints that no
    sequence satisfies.
    """
    if beam < 1:
        raise ValueError(f"beam must be at least 1, not {beam}")
    num_labels = len(labels)
    constraints.check(num_labels)
    batch, device = len(state[0]), state[0].device
    live = _Beam.first(batch, num_labels, device)
    candidates = _Candidates(batch, beam, device)
    expected = torch.zeros(batch, num_labels + 1, device=device)  # marginals and, for END, coverage
    history = _History()

    for t in range(num_labels + 1):
        width = live.tokens.shape[1]
        logits, state = step(live.tokens.flatten(), live.image, state)
        # log P(next | prefix), (live, beam, L+1)
        log_probs = _normalize(logits.view(-1, width, num_labels + 1), live.blocked(constraints, t))
        probs = log_probs.exp()
        history.add(live, probs)
        # A slice is faster than an index, and those of one image are always all.
        rows = slice(None) if len(live.image) == batch else live.image
        expected[rows] += (live.log_probs.exp().unsqueeze(1) @ probs).squeeze(1)
        expanded = live.log_probs.unsqueeze(-1) + log_probs  # (live, beam, L+1), log p(prefix and next)
        cutoff = candidates.add(rows, expanded[..., num_labels])  # (live,)
        # Extensions that don't repeat a label; every prefix of a step has equally many.
        possible = width * constraints.choices(t, num_labels)
        if not possible:
            break
        best, index = expanded[..., :num_labels].flatten(1).topk(min(beam, possible), dim=1)  # (live, beam)
        continuing = (best[:, 0] >= cutoff).nonzero().squeeze(1)  # the other images are finished
        if not len(continuing):
            break
        live, parents = live.extend(continuing, index[continuing], best[continuing])
        state = tuple(part.index_select(0, parents) for part in state)

    marginals = expected.clamp(max=1).cpu().numpy()  # a sum of float32 may exceed 1 by rounding
    return [
        Trace(tuple(labels), beam, steps, paths, sums[:-1], float(sums[-1]), constraints)
        for steps, paths, sums in zip(history.steps(), history.paths(candidates), marginals, strict=True)
    ]


def _normalize(logits: Tensor, blocked: Tensor) -> Tensor:
    """log P(next | prefix) over END and the labels that may follow."""
    if not math.isfinite(float(logits.sum())):
        raise UserError("the model's logits are not finite; its weights are damaged")
    return logits.masked_fill(blocked, -torch.inf).log_softmax(dim=-1)


@torch.inference_mode()  # nothing of it is a tensor afterwards; a step's small operations start a little faster
def decode(
    model: CNNRNN,
    feature: Tensor,
    labels: Sequence[str],
    beam: int = 8,
    recurrence: bool = True,
    constraints: Constraints = NO_CONSTRAINTS,
) -> list[Trace]:
    """Beam search with the model's own step: I (batch, location, feature) -> one Trace per image.

    Without `recurrence` every step is the first one, except that no label repeats: this measures what the
    recurrence contributes.
    """
    image = model.project_image(feature)
    scores = location_scores(model, image)
    cache = PrefixCache(model)

    def step(tokens: Tensor, live: Tensor, state: State) -> tuple[Tensor, State]:
        (previous,) = state  # (row,) index of the cached prefix that the row continues
        prefix = cache.advance(previous, tokens)
        recurrent = model.U_o(cache.output)[prefix].unflatten(0, (len(live), -1))  # (live, beam, embedding)
        return scores(recurrent, live).flatten(0, 1), (prefix,)

    def first_step(tokens: Tensor, live: Tensor, state: State) -> tuple[Tensor, State]:
        logits, _ = model.step(torch.full_like(tokens, model.start), image[live], model.initial_state(len(tokens)))
        return logits, state

    empty = torch.zeros(len(feature), dtype=torch.long, device=feature.device)
    traces = beam_search(step if recurrence else first_step, (empty,), labels, beam, constraints)
    if model.config.auxiliary:
        probs = model.auxiliary_logits(feature).sigmoid().cpu().numpy()  # (batch, label)
        traces = [replace(trace, auxiliary=row) for trace, row in zip(traces, probs, strict=True)]
    parameters = model.config.calibration
    if parameters is not None and recurrence and constraints == NO_CONSTRAINTS:
        traces = [
            replace(trace, calibrated=calibrate(ensemble(trace.marginals, trace.auxiliary), parameters))
            for trace in traces
        ]
    return traces


def ensemble(marginals: np.ndarray, auxiliary: np.ndarray | None) -> np.ndarray:
    """The mean of the marginals and the auxiliary head's probabilities, where there is one: (…, L) both."""
    return marginals if auxiliary is None else (marginals + auxiliary) / 2


@torch.no_grad()
def sequence_log_probs(model: CNNRNN, feature: Tensor, sequences: Tensor) -> Tensor:
    """log p(sequence and END | image) of one image: I (1, …), label sequences (n, length) -> (n,)."""
    start = torch.full((len(sequences), 1), model.start, device=sequences.device)
    end = torch.full_like(start, model.end)
    inputs = torch.cat([start, sequences], dim=1)
    logits = teacher_forced_logits(model, feature.expand(len(sequences), *feature.shape[1:]), inputs)
    log_probs = logits.log_softmax(dim=-1)  # (n, length + 1, L+1)
    return log_probs.gather(2, torch.cat([sequences, end], dim=1).unsqueeze(2)).squeeze(2).sum(dim=1)
