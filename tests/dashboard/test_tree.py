"""The tree shows the search that the trace holds: nothing kept is missing, nothing dropped is shown as kept."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from cnnrnn.decoding import Trace, beam_search
from views import bars, tree

LABELS = ("ant", "<b>bee</b>", "cat", "dog", "elk")
L = len(LABELS)


@pytest.fixture(params=[1, 3, 16])
def trace(request: pytest.FixtureRequest) -> Trace:
    logits = 1.5 * torch.randn(L + 2, L + 1, generator=torch.Generator().manual_seed(2))

    def step(tokens: Tensor, images: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return logits[tokens], state

    return beam_search(step, (torch.zeros(1, 1),), LABELS, request.param)[0]


def test_everything_kept_and_finished_is_there(trace: Trace) -> None:
    nodes = list(tree.build(trace, min_prob=0.0).walk())
    kept = [node for node in nodes if node.kind == tree.KEPT]
    assert len(kept) == sum(len(step.tokens) for step in trace.steps)
    finished = {node.path: node for node in nodes if node.kind == tree.FINISHED}
    assert set(finished) == set(range(len(trace.paths)))
    for index, node in finished.items():
        assert node.prefix == tuple(trace.names(trace.paths[index].tokens))
        assert node.log_prob == pytest.approx(trace.paths[index].log_prob)
    dropped = {node.prefix for node in nodes if node.kind == tree.DROPPED}
    assert dropped.isdisjoint({node.prefix for node in kept})
    expansions = sum(int((step.probs[:, :L] > 0).sum()) for step in trace.steps)
    assert len(dropped) == expansions - (len(kept) - 1)


def test_probabilities_multiply_along_the_edges_and_leaves_have_rows_of_their_own(trace: Trace) -> None:
    nodes = list(tree.build(trace, min_prob=0.01).walk())
    for node in nodes:
        for child in node.children:
            assert math.exp(child.log_prob) == pytest.approx(math.exp(node.log_prob) * child.prob, rel=1e-3)
            assert child.step == node.step + 1
    leaves = [node.y for node in nodes if not node.children]
    assert sorted(leaves) == list(range(len(leaves)))


def test_a_few_dropped_branches_always_show(trace: Trace) -> None:
    nodes = list(tree.build(trace, min_prob=0.99).walk())
    dropped = [node for node in nodes if node.kind == tree.DROPPED]
    assert len(dropped) >= 3 or trace.beam == 16
    assert all(node.note for node in dropped)


def test_figures_hold_labels_as_text_never_as_html(trace: Trace) -> None:
    figures = [
        tree.figure(trace, 0, dark=False, min_prob=0.0),
        bars.marginals(trace, trace.paths[0], dark=True),
        bars.step_distribution(trace, trace.paths[0], 0, dark=True),
    ]
    for figure in figures:
        json = figure.to_json()
        assert "bee" in json
        assert "<b>bee" not in json
        assert "\\u003cb\\u003ebee" not in json


def test_clicks_lead_to_a_path_through_the_point(trace: Trace) -> None:
    figure = tree.figure(trace, 0, dark=False, min_prob=0.0)
    points = [i for shown in figure.data if shown.customdata is not None for i in shown.customdata]
    assert {int(i) for i in points} >= set(range(len(trace.paths)))
    assert min(points) >= -1


def test_bars_show_the_choice_even_when_it_is_not_among_the_best(trace: Trace) -> None:
    path = trace.paths[-1]
    for step in range(len(path.tokens) + 1):
        figure = bars.step_distribution(trace, path, step, dark=False, most=1)
        marked = [text for text in figure.layout.yaxis.ticktext if text.startswith("✓")]
        assert len(marked) == 1
        shown = figure.data[0].x
        assert max(shown) == pytest.approx(float(np.max(trace.distribution(path, step))))
