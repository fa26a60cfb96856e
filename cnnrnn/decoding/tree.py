"""The beam search as a tree of kept, dropped and finished prefixes, and its figure."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import plotly.graph_objects as go

from cnnrnn.decoding.trace import ROOT, Path, Trace
from cnnrnn.models.vocabulary import END_NAME, START_NAME
from cnnrnn.utils.style import Palette, palette, percent, plain, shorten

KEPT, FINISHED, DROPPED = "kept in the beam", "finished path", "dropped"
_SYMBOLS = {KEPT: "circle", FINISHED: "square", DROPPED: "x-thin"}
_SIZES = {KEPT: 11, FINISHED: 12, DROPPED: 8}
MIN_PROB = 0.01  # of the branches that are drawn unless all are asked for
_MIN_DROPPED = 3  # dropped branches that are always shown, even if they are improbable
_MOST_NAMED = 8  # of the dropped branches that are drawn as one node
_ROW_HEIGHT = 26  # pixels between neighboring leaves
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)  # from which on branches are drawn, if that leaves few enough
_FEW_LEAVES = 9
_WIDTH = 760  # pixels
_NAME_COLUMNS = (8, 28)  # of a name beside a node: the fewest and the most
_COLUMN, _PERCENT = 6.5, 40  # pixels of a letter and of a probability behind a name
_EDGE_WIDTHS = (1.0, 2.0, 3.5, 5.5, 8.0)  # pixels; an edge's probability selects its width


@dataclass
class Node:
    """A prefix of the search, or a finished path."""

    name: str
    kind: str
    step: int  # its column: the number of choices made to get here
    row: int  # row of the prefix in the trace's step; for a finished or dropped node, the row of its parent
    log_prob: float  # of the path from the root to this node
    prob: float  # P(this token | prefix, image)
    prefix: tuple[str, ...]  # the labels up to this node
    path: int | None = None  # index of the best finished path through this node
    note: str = ""
    children: list[Node] = field(default_factory=list)
    y: float = 0.0

    def walk(self) -> Iterator[Node]:
        """This node and its descendants, parents before children."""
        yield self
        for child in self.children:
            yield from child.walk()

    def is_on(self, path: Path, index: int) -> bool:
        """Whether the node belongs to `path`, which is number `index` of the trace's paths."""
        if self.kind == KEPT:
            return self.step < len(path.rows) and path.rows[self.step] == self.row
        return self.kind == FINISHED and self.path == index


def build(trace: Trace, min_prob: float) -> Node:
    """The tree of all branches whose probability is at least `min_prob`, and of all finished paths.

    At least the three most probable dropped branches are included.
    """
    root = _build_node(trace, 0, 0, min_prob, min(min_prob, _dropped_threshold(trace)))
    _set_positions(root, itertools.count())
    return root


def fold(root: Node, path: Path, index: int) -> tuple[Node, float]:
    """A tree that is seen at a glance: without the branches below a share of the probability, and that share.

    The share is the lowest of a few that leaves a handful of leaves. `path`, number `index` of the trace, stays.
    """

    def folded(node: Node, share: float) -> Node:
        kept = [child for child in node.children if math.exp(child.log_prob) >= share or child.is_on(path, index)]
        return replace(node, children=[folded(child, share) for child in kept])

    for share in _SHARES:
        small = folded(root, share)
        if sum(not node.children for node in small.walk()) <= _FEW_LEAVES:
            break
    _set_positions(small, itertools.count())
    return small, share


def gather(root: Node) -> Node:
    """A tree in which the less probable dropped branches of each prefix are one node, with the sum of their
    probabilities: dozens of them would tear apart what was kept."""

    def gathered(node: Node) -> Node:
        dropped = [child for child in node.children if child.kind == DROPPED]  # the most probable first
        shown, rest = dropped[:_MIN_DROPPED], dropped[_MIN_DROPPED:]
        if len(rest) < 2:
            shown, rest = dropped, []
        children = [gathered(child) for child in node.children if child.kind != DROPPED]
        return replace(node, children=[*children, *shown, *([_together(node, rest)] if rest else [])])

    small = gathered(root)
    _set_positions(small, itertools.count())
    return small


def _together(parent: Node, dropped: list[Node]) -> Node:
    prob = sum(node.prob for node in dropped)
    names = [f"{node.name} {percent(node.prob)}" for node in dropped[:_MOST_NAMED]]
    note = ", ".join([*names, *(["…"] if len(dropped) > len(names) else [])])
    name = f"{len(dropped)} more"
    log_prob = parent.log_prob + math.log(prob)
    return Node(name, DROPPED, parent.step + 1, parent.row, log_prob, prob, (*parent.prefix, name), note=plain(note))


def _dropped_threshold(trace: Trace) -> float:
    """The highest threshold that `_MIN_DROPPED` dropped branches reach."""
    totals = []
    for step, here in enumerate(trace.steps):
        total = np.exp(here.log_probs)[:, None] * here.probs[:, : trace.end]  # (prefix, label)
        if step + 1 < len(trace.steps):
            after = trace.steps[step + 1]
            total[after.parents, after.tokens] = 0.0  # these were kept
        totals.append(total.ravel())
    ranked = np.sort(np.concatenate(totals))[::-1]
    return float(ranked[:_MIN_DROPPED].min())


def _build_node(trace: Trace, step: int, row: int, min_prob: float, min_dropped: float) -> Node:
    """The node of one expanded prefix and all below it that reaches the given probabilities."""
    here = trace.steps[step]
    parent = int(here.parents[row])
    prob = 1.0 if parent == ROOT else float(trace.steps[step - 1].probs[parent, here.tokens[row]])
    prefix = tuple(trace.names(trace.prefix(step, row)))
    node = Node(prefix[-1] if prefix else START_NAME, KEPT, step, row, float(here.log_probs[row]), prob, prefix)
    through = [i for i, path in enumerate(trace.paths) if step < len(path.rows) and path.rows[step] == row]
    node.path = through[0] if through else None
    if node.path is None:
        node.note = "no finished path that was kept passes here"

    kept = _kept_children(trace, step, row)
    expanded = (_build_node(trace, step + 1, child, min_prob, min_dropped) for child in kept.values())
    node.children = [
        child for child in expanded if child.path is not None or child.children or math.exp(child.log_prob) >= min_prob
    ]
    node.children += _finished(trace, node, through)
    node.children += _dropped(trace, node, set(kept), min_dropped)
    node.children.sort(key=lambda child: -child.log_prob)
    return node


def _kept_children(trace: Trace, step: int, row: int) -> dict[int, int]:
    """Token -> row at the next step, of the expansions that stayed in the beam."""
    if step + 1 == len(trace.steps):
        return {}
    after = trace.steps[step + 1]
    return {int(after.tokens[child]): int(child) for child in np.flatnonzero(after.parents == row)}


def _finished(trace: Trace, node: Node, through: list[int]) -> Iterator[Node]:
    end = float(trace.steps[node.step].probs[node.row, trace.end])
    for index in through:
        path = trace.paths[index]
        if len(path.rows) == node.step + 1:
            yield Node(END_NAME, FINISHED, node.step + 1, node.row, path.log_prob, end, node.prefix, index)


def _dropped(trace: Trace, node: Node, kept: set[int], min_prob: float) -> Iterator[Node]:
    """Expansions that did not stay in the beam, with the probability they would have needed."""
    if node.step + 1 < len(trace.steps):
        weakest = math.exp(float(trace.steps[node.step + 1].log_probs.min()))
        note = f"not among the {trace.beam} best, the last of which has {percent(weakest)}"
    else:
        weakest = math.exp(trace.paths[-1].log_prob)
        note = f"the search was over: every finished path kept has at least {percent(weakest)}"
    probs = trace.steps[node.step].probs[node.row, : trace.end]
    for token in map(int, np.flatnonzero(probs * math.exp(node.log_prob) >= min_prob)):
        if token not in kept and probs[token] > 0:
            log_prob = node.log_prob + math.log(probs[token])
            prefix = (*node.prefix, trace.labels[token])
            yield Node(prefix[-1], DROPPED, node.step + 1, node.row, log_prob, float(probs[token]), prefix, note=note)


def _set_positions(node: Node, leaf_rows: Iterator[int]) -> None:
    """Set `y`: leaves get consecutive rows, and a node gets the row of its most probable child.

    The most probable branches are therefore straight lines.
    """
    for child in node.children:
        _set_positions(child, leaf_rows)
    node.y = node.children[0].y if node.children else next(leaf_rows)


def rows(trace: Trace, min_prob: float) -> list[dict[str, Any]]:
    """The tree as rows of a table, the most probable path first."""
    nodes = sorted((node for node in build(trace, min_prob).walk() if node.step), key=lambda node: -node.log_prob)
    return [
        {
            "path": " → ".join([*node.prefix, *([END_NAME] if node.kind == FINISHED else [])]),
            "is": node.kind,
            "step": node.step,
            "this choice": node.prob,
            "prefix": math.exp(node.log_prob),
            "log-probability": node.log_prob,
            "why": node.note,
        }
        for node in nodes
    ]


def figure(
    trace: Trace, chosen: int, dark: bool, min_prob: float, root: Node | None = None, width: int = _WIDTH
) -> go.Figure:
    """The tree with one finished path highlighted, by its index in `trace.paths`: `root`, or what `build` returns.

    Names that are too long for a tree `width` pixels wide are shortened; the whole path appears on hovering.

    A point's customdata is the index of the best finished path through it, or -1.
    """
    root = root or build(trace, min_prob)
    nodes = list(root.walk())
    on_path = {id(node) for node in nodes if node.is_on(trace.paths[chosen], chosen)}
    colors = palette(dark)
    fig = go.Figure()
    _draw_edges(fig, nodes, on_path, colors)
    rows, columns = 1 + max(node.y for node in nodes), max(node.step for node in nodes)
    fewest, most = _NAME_COLUMNS
    room = int((width / (columns + 0.7) - _PERCENT) / _COLUMN)
    _draw_nodes(fig, nodes, on_path, colors, min(max(room, fewest), most))
    _draw_legend(fig, {node.kind for node in nodes}, colors)
    fig.update_layout(
        height=int(80 + _ROW_HEIGHT * rows),
        margin={"l": 8, "r": 8, "t": 4, "b": 50},
        legend={  # below the steps' names
            "orientation": "h",
            "x": 0,
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        hoverlabel={"align": "left"},
        dragmode=False,
    )
    fig.update_xaxes(
        tickvals=list(range(1, columns + 1)),
        ticktext=[f"step {step}" for step in range(1, columns + 1)],
        range=[-0.3, columns + 0.4],
        showgrid=False,
        zeroline=False,
        showline=False,
        fixedrange=True,
    )
    fig.update_yaxes(visible=False, range=[rows - 0.4, -0.8], fixedrange=True)
    return fig


def _draw_edges(fig: go.Figure, nodes: list[Node], on_path: set[int], colors: Palette) -> None:
    """One trace for each style, its edges separated by gaps: a plotly trace has one width and one dash."""
    lines: dict[tuple[bool, str, float], tuple[list[float | None], list[float | None]]] = defaultdict(lambda: ([], []))
    for parent in nodes:
        for child in parent.children:
            chosen = id(parent) in on_path and id(child) in on_path
            width = _EDGE_WIDTHS[min(int(child.prob * len(_EDGE_WIDTHS)), len(_EDGE_WIDTHS) - 1)]
            xs, ys = lines[chosen, child.kind, width]
            bend = np.linspace(0, 1, 13 + 2 * round(abs(child.y - parent.y)))  # more for a tall edge
            xs += [*(parent.step + bend).tolist(), None]
            ys += [*(parent.y + (child.y - parent.y) * bend**2 * (3 - 2 * bend)).tolist(), None]
    for (chosen, kind, width), (xs, ys) in sorted(lines.items()):  # the chosen path last, on top
        color = colors.chosen if chosen else colors.faint if kind == DROPPED else colors.kept
        line = {"color": color, "width": width, "dash": "dot" if kind == DROPPED else "solid"}
        fig.add_scatter(
            x=xs, y=ys, mode="lines", line=line, opacity=1 if chosen else 0.45, hoverinfo="skip", showlegend=False
        )


def _draw_nodes(fig: go.Figure, nodes: list[Node], on_path: set[int], colors: Palette, name_columns: int) -> None:
    """The nodes with their names, shortened to `name_columns`; the full path appears on hovering."""
    for kind, color in _colors_by_kind(colors).items():
        group = [node for node in nodes if node.kind == kind]
        text = {KEPT: colors.text, FINISHED: colors.finished, DROPPED: colors.faint}[kind]  # END's is another number
        shades = [colors.chosen if id(node) in on_path else color for node in group]
        fig.add_scatter(
            x=[node.step for node in group],
            y=[node.y for node in group],
            mode="markers+text",
            showlegend=False,
            marker=_marker(kind, shades, colors),
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}, "textfont": {"color": text}},
            text=[_caption(node, id(node) in on_path, name_columns) for node in group],
            textposition="top center",
            textfont={"color": [text] * len(group), "size": 12},
            customdata=[-1 if node.path is None else node.path for node in group],
            hovertext=[_hover(node) for node in group],
            hoverinfo="text",
            cliponaxis=False,
        )


def _draw_legend(fig: go.Figure, kinds: set[str], colors: Palette) -> None:
    """Entries of their own, of the kinds that are drawn: the points' colors vary within one trace."""
    for kind, color in _colors_by_kind(colors).items():
        if kind in kinds:
            name = f"{kind}, with its probability" if kind == FINISHED else kind
            fig.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=_marker(kind, color, colors))
    line = {"color": colors.chosen, "width": _EDGE_WIDTHS[2]}
    fig.add_scatter(x=[None], y=[None], mode="lines", name="chosen path", line=line)


def _colors_by_kind(colors: Palette) -> dict[str, str]:
    return {KEPT: colors.kept, FINISHED: colors.finished, DROPPED: colors.faint}


def _marker(kind: str, color: str | list[str], colors: Palette) -> dict[str, Any]:
    """Kinds differ by shape as well as by color."""
    outline = {"width": 2, "color": color if kind == DROPPED else colors.background}
    return {"symbol": _SYMBOLS[kind], "size": _SIZES[kind], "color": color, "opacity": 1, "line": outline}


def _caption(node: Node, on_path: bool, name_columns: int) -> str:
    if node.step == 0:
        return START_NAME
    if node.kind == FINISHED:  # END is nearly certain after most prefixes; what differs is the whole path
        text = f"{END_NAME}: path {percent(math.exp(node.log_prob))}"
    else:
        text = f"{plain(shorten(node.name, name_columns))} {percent(node.prob)}"
    return f"<b>{text}</b>" if on_path else text


def _hover(node: Node) -> str:
    chain = " → ".join([START_NAME, *node.prefix, *([END_NAME] if node.kind == FINISHED else [])])
    lines = [
        f"<b>{plain(chain)}</b>",
        f"{node.kind}; the whole path {percent(math.exp(node.log_prob))} (log {node.log_prob:.2f})",
        f"this choice given the path before it {percent(node.prob)}",
    ]
    return "<br>".join([*lines, node.note] if node.note else lines)
