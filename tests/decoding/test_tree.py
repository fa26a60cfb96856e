"""The tree of a beam search: every kept, finished and dropped prefix is drawn as such."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from torch import Tensor

from cnnrnn.decoding import tree
from cnnrnn.decoding.beam_search import beam_search
from cnnrnn.decoding.trace import Path, Trace, TraceStep
from cnnrnn.utils.style import DARK, LIGHT
from views import bars

LABELS = ("ant", "<b>bee</b>", "cat", "dog", "elk")
L = len(LABELS)


@pytest.fixture(params=[1, 3, 16])
def trace(request: pytest.FixtureRequest) -> Trace:
    logits = 1.5 * torch.randn(L + 2, L + 1, generator=torch.Generator().manual_seed(2))

    def step(tokens: Tensor, images: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return logits[tokens], state

    return beam_search(step, (torch.zeros(1, 1),), LABELS, request.param)[0]


def test_the_tree_has_every_kept_and_finished_prefix(trace: Trace) -> None:
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


def test_path_probabilities_are_products_and_leaves_have_distinct_rows(trace: Trace) -> None:
    nodes = list(tree.build(trace, min_prob=0.01).walk())
    for node in nodes:
        for child in node.children:
            assert math.exp(child.log_prob) == pytest.approx(math.exp(node.log_prob) * child.prob, rel=1e-3)
            assert child.step == node.step + 1
    leaves = [node.y for node in nodes if not node.children]
    assert sorted(leaves) == list(range(len(leaves)))


def test_the_three_most_probable_dropped_branches_are_always_drawn(trace: Trace) -> None:
    def dropped(min_prob: float) -> list[tree.Node]:
        return [node for node in tree.build(trace, min_prob).walk() if node.kind == tree.DROPPED]

    most_probable = sorted(dropped(0.0), key=lambda node: -node.log_prob)[:3]
    assert {node.prefix for node in dropped(0.99)} == {node.prefix for node in most_probable}
    assert all(node.note for node in dropped(0.99))


def test_figures_escape_labels(trace: Trace) -> None:
    figures = [
        tree.figure(trace, 0, dark=False, min_prob=0.0),
        bars.label_probabilities(trace, trace.paths[0], dark=True),
        bars.step_distribution(trace, trace.paths[0], 0, dark=True),
    ]
    for figure in figures:
        json = figure.to_json()
        assert "bee" in json
        assert "<b>bee" not in json
        assert "\\u003cb\\u003ebee" not in json


def test_customdata_is_a_path_through_the_point(trace: Trace) -> None:
    figure = tree.figure(trace, 0, dark=False, min_prob=0.0)
    indices = {int(i) for scatter in figure.data if scatter.customdata is not None for i in scatter.customdata}
    assert indices - {-1} == set(range(len(trace.paths)))  # -1: no finished path


def test_step_bars_include_an_improbable_choice(trace: Trace) -> None:
    path = trace.paths[-1]
    for step in range(len(path.tokens) + 1):
        figure = bars.step_distribution(trace, path, step, dark=False, most=1)
        marked = [text for text in figure.layout.yaxis.ticktext if text.startswith("✓")]
        assert len(marked) == 1
        assert max(figure.data[0].x) == pytest.approx(float(np.max(trace.distribution(path, step))))


def small() -> Trace:
    """A beam of 2 over ant, bee and cat. Kept: (ant), (bee), then (bee, ant); finished: bee, ant; bee; END."""
    steps = (
        TraceStep(np.array([-1]), np.array([4]), np.zeros(1), np.array([[0.25, 0.5, 0.05, 0.2]])),
        TraceStep(
            np.array([0, 0]), np.array([1, 0]), np.log([0.5, 0.25]),
            np.array([[0.6, 0.0, 0.002, 0.398], [0.0, 0.3, 0.3, 0.4]]),
        ),
        TraceStep(np.array([0]), np.array([0]), np.log([0.3]), np.array([[0.0, 0.0, 0.1, 0.9]])),
    )  # fmt: skip
    paths = (
        Path((1, 0), float(np.log(0.27)), (0, 0, 0)),
        Path((), float(np.log(0.2)), (0,)),
        Path((1,), float(np.log(0.199)), (0, 0)),
    )
    return Trace(("ant", "bee", "cat"), 2, steps, paths, np.array([0.5, 0.5, 0.1]), 0.9)


def test_all_nodes_of_a_small_tree() -> None:
    root = tree.build(small(), min_prob=0.03)
    nodes = [(n.step, n.y, "→".join(n.prefix), n.name, n.kind, round(n.prob, 4), n.path) for n in root.walk()]
    assert nodes == [
        (0, 0, "", "START", tree.KEPT, 1.0, 0),
        (1, 0, "bee", "bee", tree.KEPT, 0.5, 0),
        (2, 0, "bee→ant", "ant", tree.KEPT, 0.6, 0),
        (3, 0, "bee→ant", "END", tree.FINISHED, 0.9, 0),
        (3, 1, "bee→ant→cat", "cat", tree.DROPPED, 0.1, None),
        (2, 2, "bee", "END", tree.FINISHED, 0.398, 2),
        (1, 3, "ant", "ant", tree.KEPT, 0.25, None),
        (2, 3, "ant→bee", "bee", tree.DROPPED, 0.3, None),
        (2, 4, "ant→cat", "cat", tree.DROPPED, 0.3, None),
        (1, 5, "", "END", tree.FINISHED, 0.2, 1),
        (1, 6, "cat", "cat", tree.DROPPED, 0.05, None),
    ]
    notes = {node.prefix: node.note for node in root.walk() if node.note}
    assert notes == {
        ("ant",): "no finished path that was kept passes here",
        ("cat",): "not among the 2 best, the last of which has 25%",
        ("ant", "bee"): "not among the 2 best, the last of which has 30%",
        ("ant", "cat"): "not among the 2 best, the last of which has 30%",
        ("bee", "ant", "cat"): "the search was over: every finished path kept has at least 20%",
    }


def test_branches_are_drawn_from_the_minimum_probability_on() -> None:
    def prefixes(min_prob: float) -> set[str]:
        return {"→".join(node.prefix) for node in tree.build(small(), min_prob).walk()}

    all_prefixes = prefixes(0.0)
    assert all_prefixes == {"", "ant", "bee", "cat", "ant→bee", "ant→cat", "bee→ant", "bee→cat", "bee→ant→cat"}
    assert prefixes(0.002) == all_prefixes - {"bee→cat"}  # which has 0.001
    # The three most probable dropped branches are always drawn: 0.075 twice and 0.05.
    assert prefixes(0.9) == {"", "ant", "bee", "cat", "ant→bee", "ant→cat", "bee→ant"}


def many_labels(beam: int) -> Trace:
    """Forty labels, the later the less probable, of which few are kept; the last one's name would be a tag."""
    logits = torch.linspace(0, -2, 41).repeat(42, 1)
    logits[:, 40] = 2.0  # END

    def step(tokens: Tensor, images: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return logits[tokens], state

    return beam_search(step, (torch.zeros(1, 1),), tuple(f"<b>{n}</b>" for n in range(40)), beam)[0]


def test_gathering_joins_the_less_probable_dropped_branches_of_each_prefix() -> None:
    root = tree.build(many_labels(2), 0.0)
    for before, after in zip(
        [node for node in root.walk() if node.kind == tree.KEPT],
        [node for node in tree.gather(root).walk() if node.kind == tree.KEPT],
        strict=True,
    ):
        assert before.prefix == after.prefix
        every, few = ([n for n in node.children if n.kind == tree.DROPPED] for node in (before, after))
        assert [node.name for node in few[:3]] == [node.name for node in every[:3]]
        assert few[3].name == f"{len(every) - 3} more"
        assert few[3].prob == pytest.approx(sum(node.prob for node in every[3:]))
        assert math.exp(few[3].log_prob) == pytest.approx(math.exp(before.log_prob) * few[3].prob, rel=1e-3)
        assert len(few) == 4
        others = [[n.name for n in node.children if n.kind != tree.DROPPED] for node in (before, after)]
        assert others[0] == others[1]
    leaves = [node.y for node in tree.gather(root).walk() if not node.children]
    assert sorted(leaves) == list(range(len(leaves)))


def test_what_was_gathered_is_named_on_hovering() -> None:
    figure = tree.figure(trace := many_labels(2), 0, False, 0.0, tree.gather(tree.build(trace, 0.0)))
    hover = [text for part in figure.data for text in part.hovertext or () if "35 more" in text]
    assert "&lt;b&gt;5&lt;/b&gt; " in hover[0]
    assert "<b>5</b>" not in hover[0]
    assert hover[0].endswith(", …")


def test_few_dropped_branches_stay_as_they_are() -> None:
    root = tree.build(small(), 0.0)
    assert [node.prefix for node in tree.gather(root).walk()] == [node.prefix for node in root.walk()]
    assert [node.y for node in tree.gather(root).walk()] == [node.y for node in root.walk()]


def test_folding_leaves_a_handful_of_leaves_and_the_chosen_path() -> None:
    """Forty labels that are equally probable, of which the search finished all."""
    logits = torch.zeros(1, 41).repeat(42, 1)
    logits[:, 40] = 4.0  # END

    def step(tokens: Tensor, images: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return logits[tokens], state

    many = beam_search(step, (torch.zeros(1, 1),), tuple(f"label {n}" for n in range(40)), 16)[0]
    root = tree.build(many, 0.001)
    assert sum(not node.children for node in root.walk()) > 9
    for index, path in enumerate(many.paths):
        folded, share = tree.fold(root, path, index)
        nodes = list(folded.walk())
        leaves = [node for node in nodes if not node.children]
        assert len(leaves) <= 9
        assert sorted(node.y for node in leaves) == list(range(len(leaves)))
        assert any(node.kind == tree.FINISHED and node.path == index for node in leaves)
        assert all(math.exp(node.log_prob) >= share or node.is_on(path, index) for node in nodes)
    all_of_it, share = tree.fold(tree.build(small_trace := small(), 0.03), small_trace.paths[0], 0)
    assert share == 0.01
    assert [node.prefix for node in all_of_it.walk()] == [n.prefix for n in tree.build(small_trace, 0.03).walk()]


def test_table_rows_are_sorted_by_path_probability() -> None:
    rows = tree.rows(small(), 0.03)
    nodes = [(row["path"], row["step"], round(row["this choice"], 4), round(row["prefix"], 4)) for row in rows]
    assert nodes == [
        ("bee", 1, 0.5, 0.5),
        ("bee → ant", 2, 0.6, 0.3),
        ("bee → ant → END", 3, 0.9, 0.27),
        ("ant", 1, 0.25, 0.25),
        ("END", 1, 0.2, 0.2),
        ("bee → END", 2, 0.398, 0.199),
        ("ant → bee", 2, 0.3, 0.075),
        ("ant → cat", 2, 0.3, 0.075),
        ("cat", 1, 0.05, 0.05),
        ("bee → ant → cat", 3, 0.1, 0.03),
    ]
    assert [row["log-probability"] for row in rows] == pytest.approx([math.log(row["prefix"]) for row in rows])
    assert [row["is"] for row in rows[:3]] == [tree.KEPT, tree.KEPT, tree.FINISHED]
    assert rows[8]["why"].startswith("not among the 2 best")


def points(figure: go.Figure) -> dict[str, go.Scatter]:
    """The points of the figure by what they stand for."""
    scatters = [scatter for scatter in figure.data if scatter.customdata is not None]
    return dict(zip((tree.KEPT, tree.FINISHED, tree.DROPPED), scatters, strict=True))


def test_points_have_positions_texts_and_colours_by_kind() -> None:
    by_kind = points(tree.figure(small(), 0, dark=False, min_prob=0.03))
    kept, finished, dropped = by_kind.values()
    assert (list(kept.x), list(kept.y)) == ([0, 1, 2, 1], [0, 0, 0, 3])
    assert (list(finished.x), list(finished.y)) == ([3, 2, 1], [0, 2, 5])
    assert (list(dropped.x), list(dropped.y)) == ([3, 2, 2, 1], [1, 3, 4, 6])
    assert list(kept.text) == ["START", "<b>bee 50%</b>", "<b>ant 60%</b>", "ant 25%"]
    assert list(finished.text) == ["<b>END: path 27%</b>", "END: path 20%", "END: path 20%"]
    assert list(dropped.text) == ["cat 10%", "bee 30%", "cat 30%", "cat 5.0%"]
    assert (list(kept.customdata), list(finished.customdata)) == ([0, 0, 0, -1], [0, 2, 1])
    assert list(dropped.customdata) == [-1] * 4
    assert list(kept.marker.color) == [LIGHT.chosen] * 3 + [LIGHT.kept]
    assert list(finished.marker.color) == [LIGHT.chosen, LIGHT.finished, LIGHT.finished]
    assert list(dropped.marker.color) == [LIGHT.faint] * 4
    assert [scatter.marker.symbol for scatter in by_kind.values()] == ["circle", "square", "x-thin"]
    assert list(dropped.marker.line.color) == [LIGHT.faint] * 4  # a thin cross is its outline
    assert kept.marker.line.color == finished.marker.line.color == LIGHT.background
    assert list(kept.textfont.color) == [LIGHT.text] * 4
    assert list(finished.textfont.color) == [LIGHT.finished] * 3  # theirs are the probabilities of whole paths
    assert list(dropped.textfont.color) == [LIGHT.faint] * 4
    for scatter, text in zip(by_kind.values(), (LIGHT.text, LIGHT.finished, LIGHT.faint), strict=True):
        assert (scatter.mode, scatter.textposition, scatter.hoverinfo) == ("markers+text", "top center", "text")
        assert scatter.cliponaxis is False  # the texts of the first and last step may stand beyond the axes
        # A click on a point selects it; the others don't fade.
        assert scatter.selected.marker.opacity == scatter.unselected.marker.opacity == 1
        assert scatter.unselected.textfont.color == text
    assert finished.hovertext[0] == (
        "<b>START → bee → ant → END</b><br>finished path; the whole path 27% (log -1.31)<br>"
        "this choice given the path before it 90%"
    )
    assert dropped.hovertext[3].endswith("5.0%<br>not among the 2 best, the last of which has 25%")


def test_the_chosen_path_is_highlighted_from_root_to_end() -> None:
    by_kind = points(tree.figure(small(), 2, dark=True, min_prob=0.03))
    assert list(by_kind[tree.KEPT].marker.color) == [DARK.chosen, DARK.chosen, DARK.kept, DARK.kept]
    assert list(by_kind[tree.FINISHED].marker.color) == [DARK.finished, DARK.chosen, DARK.finished]
    by_kind = points(tree.figure(small(), 1, dark=True, min_prob=0.03))
    assert list(by_kind[tree.KEPT].marker.color) == [DARK.chosen] + 3 * [DARK.kept]
    assert list(by_kind[tree.FINISHED].marker.color) == [DARK.finished, DARK.finished, DARK.chosen]


def test_edges_join_consecutive_choices_and_widen_with_probability() -> None:
    figure = tree.figure(small(), 0, dark=False, min_prob=0.03)
    found = {}
    for lines in figure.data:
        if lines.mode != "lines" or lines.x[0] is None:
            continue
        ends = [index for index, x in enumerate(lines.x) if x is None]
        for start, end in zip([0, *(index + 1 for index in ends)], ends, strict=False):
            xs, ys = lines.x[start:end], lines.y[start:end]
            assert list(xs) == sorted(xs)
            assert ys[len(ys) // 2] == (ys[0] + ys[-1]) / 2  # halfway it has changed half of its row
            assert np.abs(np.diff(ys)).max() < 0.7  # rows between two points: a tall edge has no visible corners
            assert (lines.hoverinfo, lines.showlegend) == ("skip", False)
            found[xs[0], ys[0], xs[-1], ys[-1]] = (lines.line.color, lines.line.width, lines.line.dash, lines.opacity)
    assert found == {
        (0, 0, 1, 0): (LIGHT.chosen, 3.5, "solid", 1),
        (1, 0, 2, 0): (LIGHT.chosen, 5.5, "solid", 1),
        (2, 0, 3, 0): (LIGHT.chosen, 8.0, "solid", 1),
        (2, 0, 3, 1): (LIGHT.faint, 1.0, "dot", 0.45),
        (1, 0, 2, 2): (LIGHT.kept, 2.0, "solid", 0.45),
        (0, 0, 1, 3): (LIGHT.kept, 2.0, "solid", 0.45),
        (1, 3, 2, 3): (LIGHT.faint, 2.0, "dot", 0.45),
        (1, 3, 2, 4): (LIGHT.faint, 2.0, "dot", 0.45),
        (0, 0, 1, 5): (LIGHT.kept, 2.0, "solid", 0.45),
        (0, 0, 1, 6): (LIGHT.faint, 1.0, "dot", 0.45),
    }
    colours = [lines.line.color for lines in figure.data if lines.mode == "lines" and lines.x[0] is not None]
    assert colours == sorted(colours, key=lambda colour: colour == LIGHT.chosen)  # the chosen path lies on top


def test_axes_cover_the_tree_and_the_legend_names_every_kind() -> None:
    figure = tree.figure(small(), 0, dark=False, min_prob=0.03)
    assert list(figure.layout.xaxis.tickvals) == [1, 2, 3]
    assert list(figure.layout.xaxis.ticktext) == ["step 1", "step 2", "step 3"]
    left, right = figure.layout.xaxis.range
    assert -1 < left < 0 < 3 < right < 4
    assert figure.layout.dragmode is False  # a hand that slips does not zoom
    assert figure.layout.xaxis.fixedrange is figure.layout.yaxis.fixedrange is True
    legend = figure.layout.legend
    assert legend.itemclick is legend.itemdoubleclick is False
    assert (legend.orientation, legend.x, legend.y, legend.yanchor) == ("h", 0, 0, "bottom")  # below the tree
    bottom, top = figure.layout.yaxis.range  # row 0 is on top
    assert -1 < top < 0 < 6 < bottom < 7
    assert figure.layout.yaxis.visible is False
    entries = [
        (entry.name, entry.marker.symbol, entry.marker.color, entry.line.color)
        for entry in figure.data
        if entry.name is not None
    ]
    assert entries == [
        (tree.KEPT, "circle", LIGHT.kept, None),
        ("finished path, with its probability", "square", LIGHT.finished, None),
        (tree.DROPPED, "x-thin", LIGHT.faint, None),
        ("chosen path", None, None, LIGHT.chosen),
    ]
    folded, _ = tree.fold(tree.build(small(), 0.03), small().paths[0], 0)
    for node in folded.walk():
        node.children = [child for child in node.children if child.kind != tree.DROPPED]
    names = [entry.name for entry in tree.figure(small(), 0, False, 0.03, folded).data if entry.name is not None]
    assert tree.DROPPED not in names  # as none is drawn
    larger = tree.figure(small(), 0, dark=False, min_prob=0.0)  # one leaf more
    assert 20 <= larger.layout.height - figure.layout.height <= 60
    margin = figure.layout.margin
    assert 20 <= (figure.layout.height - margin.t - margin.b) / (bottom - top) <= 40  # pixels between two leaves
    assert 30 <= margin.b <= 60  # room for the steps' names and the legend
