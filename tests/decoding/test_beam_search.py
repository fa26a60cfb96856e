"""Beam search against the enumeration of every label sequence, and against itself in other batches."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.beam_search import StepFunction, beam_search, decode, sequence_log_probs
from cnnrnn.decoding.constraints import Constraints
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.decoding.trace import ROOT, Trace
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig
from cnnrnn.utils.errors import UserError

LABELS = ("a", "b", "c", "d")
L = len(LABELS)
END, START = L, L + 1
IMAGES = 32


def make_logits(spread: float = 1.5, images: int = IMAGES) -> Tensor:
    """(image, token before last, last token, L+1): a model that remembers two tokens, different for each image."""
    return spread * torch.randn(images, L + 2, L + 2, L + 1, generator=torch.Generator().manual_seed(7))


def step_function(logits: Tensor) -> StepFunction:
    def step(tokens: Tensor, live: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        images = live.repeat_interleave(len(tokens) // len(live))  # of each row
        before = state[0].squeeze(1).long()
        return logits[images, before, tokens], (tokens.unsqueeze(1).float(),)

    return step


def search(logits: Tensor, beam: int) -> list[Trace]:
    return beam_search(step_function(logits), (torch.zeros(len(logits), 1),), LABELS, beam)


def enumerate_all(logits: Tensor) -> dict[tuple[int, ...], float]:
    """Log-probability of every sequence without repeats, END included, of one image."""
    finished = {}

    def extend(prefix: tuple[int, ...], log_prob: float, before: int, last: int) -> None:
        scores = logits[before, last].clone()
        scores[list(prefix)] = -math.inf
        log_probs = scores.log_softmax(0).tolist()
        finished[prefix] = log_prob + log_probs[END]
        for label in set(range(L)) - set(prefix):
            extend((*prefix, label), log_prob + log_probs[label], last, label)

    extend((), 0.0, 0, START)
    return finished


def test_an_exhaustive_beam_equals_enumeration() -> None:
    logits = make_logits()
    for image, trace in enumerate(search(logits, beam=100)):
        truth = enumerate_all(logits[image])
        assert len(truth) == sum(math.perm(L, k) for k in range(L + 1)) == len(trace.paths)
        ranked = sorted(truth.items(), key=lambda item: -item[1])
        assert [path.tokens for path in trace.paths] == [tokens for tokens, _ in ranked]
        assert [path.log_prob for path in trace.paths] == pytest.approx([value for _, value in ranked], abs=1e-5)
        marginals = [sum(math.exp(p) for tokens, p in ranked if label in tokens) for label in range(L)]
        assert trace.marginals == pytest.approx(marginals, abs=1e-5)
        assert trace.coverage == pytest.approx(1, abs=1e-5)


def naive_beam_search(logits: Tensor, beam: int) -> tuple[list[tuple[tuple[int, ...], float]], int]:
    """The paper's section 3.3 for one image, as plainly as it can be said: kept candidates and steps made."""
    prefixes = [((), 0.0)]
    candidates: list[tuple[tuple[int, ...], float]] = []
    for step in itertools.count(1):
        expansions = []
        for prefix, log_prob in prefixes:
            before, last = ([0, START, *prefix])[-2:] if prefix else (0, START)
            scores = logits[before, last].clone()
            scores[list(prefix)] = -math.inf
            log_probs = scores.log_softmax(0).tolist()
            candidates.append((prefix, log_prob + log_probs[END]))
            expansions += [((*prefix, k), log_prob + log_probs[k]) for k in range(L) if k not in prefix]
        candidates = sorted(candidates, key=lambda item: -item[1])[:beam]
        prefixes = sorted(expansions, key=lambda item: -item[1])[:beam]
        full = len(candidates) == beam
        if not prefixes or (full and all(p < q for _, p in prefixes for _, q in candidates)):
            return candidates, step
    raise AssertionError


@pytest.mark.parametrize("beam", [1, 2, 3, 8])
@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_the_batched_search_equals_the_plain_search(beam: int, spread: float) -> None:
    logits = make_logits(spread)
    for image, trace in enumerate(search(logits, beam)):
        candidates, steps = naive_beam_search(logits[image], beam)
        assert [path.tokens for path in trace.paths] == [tokens for tokens, _ in candidates]
        assert [path.log_prob for path in trace.paths] == pytest.approx([p for _, p in candidates], abs=1e-5)
        assert len(trace.steps) == steps


@pytest.mark.parametrize(
    "constraints",
    [
        Constraints(banned=(1,)),
        Constraints(banned=(0, 3)),
        Constraints(forced=((0, 2),)),
        Constraints(forced=((0, 3), (1, 0))),  # a prefix
        Constraints(forced=((1, 0),), banned=(2,)),
        Constraints(forced=((3, 1),)),  # no path ends before
        Constraints(banned=(0, 1, 2, 3)),
    ],
)
def test_constraints_condition_every_step(constraints: Constraints) -> None:
    """Enumeration with the scores of everything impossible struck out."""
    logits, at = make_logits(), dict(constraints.forced)
    traces = beam_search(step_function(logits), (torch.zeros(len(logits), 1),), LABELS, 100, constraints)
    for image, trace in enumerate(traces):
        truth = {}
        for length in range(L + 1):
            for tokens in itertools.permutations(range(L), length):
                forced = all(step < length and tokens[step] == label for step, label in at.items())
                if not forced or set(tokens) & set(constraints.banned):
                    continue
                log_prob = 0.0
                for step, choice in enumerate([*tokens, END]):
                    before, last = ([0, START, *tokens[:step]])[-2:] if step else (0, START)
                    possible = set(range(L)) - set(tokens[:step]) - set(constraints.banned) - set(at.values())
                    possible |= set() if any(step <= later for later in at) else {END}
                    possible = {at[step]} if step in at else possible
                    here = logits[image, before, last]
                    log_prob += float(here[choice] - here[sorted(possible)].logsumexp(0))
                truth[tokens] = log_prob
        assert {path.tokens: path.log_prob for path in trace.paths} == pytest.approx(truth, abs=1e-5)
        assert trace.coverage == pytest.approx(1, abs=1e-5)
        assert (trace.marginals[list(constraints.banned)] == 0).all()
        assert trace.marginals[list(at.values())] == pytest.approx(np.ones(len(at)))
        assert Trace.from_json(json.loads(json.dumps(trace.to_json()))).constraints == constraints


def test_constraints_that_no_sequence_satisfies_are_refused() -> None:
    state = (torch.zeros(IMAGES, 1),)
    step = step_function(make_logits())
    for constraints in (
        Constraints(forced=((3, 1),), banned=(0,)),  # two labels are left for three steps
        Constraints(forced=((4, 1),)),  # of four labels
    ):
        with pytest.raises(UserError, match="are left for"):
            beam_search(step, state, LABELS, 3, constraints)
    possible = Constraints(forced=((2, 1),), banned=(0,))
    for trace in beam_search(step, state, LABELS, 3, possible):
        assert all(path.tokens[2] == 1 and 0 not in path.tokens for path in trace.paths)
    every = Constraints(forced=tuple((position, label) for position, label in enumerate((2, 0, 3, 1))))
    assert {trace.paths[0].tokens for trace in beam_search(step, state, LABELS, 3, every)} == {(2, 0, 3, 1)}


def test_contradictory_constraints_are_refused() -> None:
    for forced, banned in (([(0, 1), (0, 2)], []), ([(0, 1), (1, 1)], []), ([(0, 1)], [1])):
        with pytest.raises(UserError, match="only one label"):
            Constraints(tuple(forced), tuple(banned))


def test_images_of_a_batch_stop_at_different_steps() -> None:
    lengths = {len(trace.steps) for trace in search(make_logits(3.0), beam=2)}
    assert len(lengths) > 1  # otherwise the tests above say nothing of images that leave the batch


def assert_same(one: Trace, other: Trace) -> None:
    assert [path.tokens for path in one.paths] == [path.tokens for path in other.paths]
    assert [path.log_prob for path in one.paths] == pytest.approx([path.log_prob for path in other.paths], abs=1e-5)
    assert one.marginals == pytest.approx(other.marginals, abs=1e-5)
    assert len(one.steps) == len(other.steps)
    for mine, theirs in zip(one.steps, other.steps, strict=True):
        assert mine.tokens.tolist() == theirs.tokens.tolist()
        assert mine.parents.tolist() == theirs.parents.tolist()
        assert mine.probs == pytest.approx(theirs.probs, abs=1e-5)


def test_a_batch_of_32_equals_32_batches_of_one() -> None:
    logits = make_logits()
    for image, together in enumerate(search(logits, beam=3)):
        assert_same(together, search(logits[image : image + 1], beam=3)[0])


def test_the_trace_records_every_step_of_the_search() -> None:
    for trace in search(make_logits(), beam=3):
        first = trace.steps[0]
        assert (first.parents.tolist(), first.tokens.tolist(), first.log_probs.tolist()) == ([ROOT], [START], [0.0])
        for t, here in enumerate(trace.steps):
            assert here.probs.sum(axis=1) == pytest.approx(np.ones(len(here.tokens)), abs=1e-5)
            for row in range(len(here.tokens)):
                assert (here.probs[row, list(trace.prefix(t, row))] == 0).all()
            if t:
                before = trace.steps[t - 1]
                steps = np.log(before.probs[here.parents, here.tokens]) + before.log_probs[here.parents]
                assert here.log_probs == pytest.approx(steps, abs=1e-4)
        for path in trace.paths:
            choices = [trace.distribution(path, t)[path.token(t, trace.end)] for t in range(len(path.tokens) + 1)]
            assert math.prod(choices) == pytest.approx(path.prob, rel=1e-4)


def test_marginals_grow_with_the_beam_towards_the_exact_marginals() -> None:
    logits = make_logits(0.5)
    exact = search(logits, beam=100)
    narrow, wide = search(logits, beam=1), search(logits, beam=8)
    for one, eight, truth in zip(narrow, wide, exact, strict=True):
        assert one.coverage <= eight.coverage + 1e-6
        assert (one.marginals <= truth.marginals + 1e-5).all()
        assert (eight.marginals <= truth.marginals + 1e-5).all()
        assert (one.marginals > 0).all()  # every label has a score from the first step on


def test_a_trace_comes_back_from_json() -> None:
    for trace in search(make_logits(), beam=3)[:4]:
        again = Trace.from_json(json.loads(json.dumps(trace.to_json())))
        assert (again.labels, again.beam, again.paths) == (trace.labels, trace.beam, trace.paths)
        assert again.coverage == trace.coverage
        assert again.marginals.tolist() == trace.marginals.tolist()
        for mine, theirs in zip(again.steps, trace.steps, strict=True):
            for name in ("parents", "tokens", "log_probs", "probs"):
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))


def test_invalid_beam_widths_and_non_finite_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="beam"):
        search(make_logits(), beam=0)
    with pytest.raises(ValueError, match="not finite"):
        search(torch.full((1, L + 2, L + 2, L + 1), torch.nan), beam=2)


def test_without_recurrence_every_step_is_the_first_one(loaded: Checkpoint) -> None:
    torch.manual_seed(0)
    model, labels = loaded.rnn, loaded.vocabulary.labels
    pooled = torch.randn(3, 1, model.backbone.feature_dim)
    for with_memory, trace in zip(
        decode(model, pooled, labels), decode(model, pooled, labels, recurrence=False), strict=True
    ):
        first = trace.steps[0].probs[0]  # (L+1,)
        np.testing.assert_allclose(first, with_memory.steps[0].probs[0], atol=1e-6)
        for token, probs in zip(trace.steps[1].tokens, trace.steps[1].probs, strict=True):
            left = np.where(np.arange(len(first)) == token, 0, first)
            np.testing.assert_allclose(probs, left / left.sum(), atol=1e-5)
        assert not np.allclose(with_memory.steps[1].probs, trace.steps[1].probs, atol=1e-3)


@pytest.mark.parametrize("auxiliary", [False, True])
def test_calibrated_probabilities_are_of_the_mean_of_both_heads(auxiliary: bool) -> None:
    torch.manual_seed(0)
    config = ModelConfig(num_labels=L, embedding_dim=8, hidden_dim=6, auxiliary=auxiliary, calibration=(0.7, 0.4, 0.2))
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32))).eval()
    feature = torch.randn(3, 1, model.backbone.feature_dim)
    aux = model.auxiliary_logits(feature).sigmoid().detach().numpy() if auxiliary else None
    for row, trace in enumerate(decode(model, feature, LABELS, beam=4)):
        p = trace.marginals if aux is None else (trace.marginals + aux[row]) / 2
        log_odds = 0.7 * np.log(p) - 0.4 * np.log(1 - p) + 0.2
        np.testing.assert_allclose(trace.probabilities, 1 / (1 + np.exp(-log_odds)), rtol=1e-4)
        assert list(trace.summary()["probabilities"].values()) == pytest.approx(trace.probabilities.tolist())
        again = Trace.from_json(json.loads(json.dumps(trace.to_json())))
        np.testing.assert_array_equal(again.probabilities, trace.probabilities)
    # The calibration was fitted to the free search: what a constraint or the missing recurrence changes stays visible.
    constraints = Constraints(forced=((0, 1),))
    others = [
        *decode(model, feature, LABELS, constraints=constraints),
        *decode(model, feature, LABELS, recurrence=False),
    ]
    for trace in others:
        assert trace.probabilities is trace.marginals
        assert "probabilities" not in trace.summary()


@pytest.mark.parametrize("spatial", [False, True])
def test_a_path_of_the_search_has_the_probability_of_teacher_forcing(spatial: bool) -> None:
    torch.manual_seed(0)
    config = ModelConfig(num_labels=L, embedding_dim=8, hidden_dim=6, spatial=spatial)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32))).eval()
    model.label_embedding.data *= 5
    feature = model.image_feature(3 * torch.randn(5, model.backbone.channels, 2, 3))
    for row, trace in enumerate(decode(model, feature, LABELS, beam=4)):
        assert len(trace.paths) == 4
        for path in trace.paths:
            logits = teacher_forced_logits(model, feature[row : row + 1], torch.tensor([[START, *path.tokens]]))[
                0
            ]  # (step, L+1)
            chosen = logits.log_softmax(-1)[range(len(path.tokens) + 1), [*path.tokens, END]]
            assert path.log_prob == pytest.approx(chosen.sum().item(), abs=1e-4)
            sequences = torch.tensor([path.tokens], dtype=torch.long).reshape(1, -1)
            scored = sequence_log_probs(model, feature[row : row + 1], sequences)
            assert path.log_prob == pytest.approx(scored.item(), abs=1e-4)
