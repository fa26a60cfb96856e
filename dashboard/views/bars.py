"""Probabilities as horizontal bars: those of an image's labels, and the distribution of one step."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import plotly.graph_objects as go

from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.utils.style import palette, percent, plain
from views.marginal_diff import has_probabilities
from views.style import name_rows

_BAR = 22  # pixels


def label_probabilities(
    trace: Trace, chosen: Path, dark: bool, most: int = 6, truth: Collection[str] | None = None
) -> go.Figure:
    """P(label | image) of the most probable labels; those on the chosen path are coloured and ticked.

    What kind of probability it is stands where the bars are shortest. With the ground truth, `verdict` stands behind
    each.
    """
    order = np.argsort(-trace.probabilities, kind="stable")
    labels = [int(label) for rank, label in enumerate(order) if rank < most or int(label) in chosen.tokens]
    fig = _bars(
        names=[trace.labels[label] for label in labels],
        probs=[float(trace.probabilities[label]) for label in labels],
        marked=[label in chosen.tokens for label in labels],
        dark=dark,
        remarks=[verdict(trace.labels[label], label in chosen.tokens, truth) for label in labels],
    )
    fig.add_annotation(
        text="probability" if has_probabilities(trace) else "marginal probability",
        xref="paper", x=1, xanchor="right", yref="paper", y=0, yanchor="bottom",
        showarrow=False, font={"color": palette(dark).text},
    )  # fmt: skip
    return fig


def verdict(label: str, predicted: bool, truth: Collection[str] | None) -> str:
    """ "right", "wrong" or "missed" by the ground truth; nothing without one, and for what is neither there nor
    predicted."""
    if truth is None:
        return ""
    return ("right" if label in truth else "wrong") if predicted else ("missed" if label in truth else "")


def step_distribution(trace: Trace, path: Path, step: int, dark: bool, most: int = 6) -> go.Figure:
    """The distribution at a step of the path: the most probable labels or END; its choice is coloured and ticked."""
    probs = trace.distribution(path, step)
    choice = path.token(step, trace.end)
    tokens = [int(token) for rank, token in enumerate(np.argsort(-probs)) if rank < most or token == choice]
    return _bars(
        names=[trace.name(token) for token in tokens],
        probs=[float(probs[token]) for token in tokens],
        marked=[token == choice for token in tokens],
        dark=dark,
        columns=18,  # up to four of these charts stand side by side
    )


def _bars(
    names: list[str],
    probs: list[float],
    marked: list[bool],
    dark: bool,
    columns: int = 24,
    remarks: Sequence[str] | None = None,
) -> go.Figure:
    """`remarks` stand behind the percentages."""
    colours = palette(dark)
    remarks = remarks or [""] * len(names)
    ticks = [("✓ " if mark else "") + name for name, mark in zip(names, marked, strict=True)]
    fig = go.Figure(
        go.Bar(
            x=probs,
            y=list(range(len(names))),
            orientation="h",
            marker={"color": [colours.chosen if mark else colours.kept for mark in marked], "cornerradius": 3},
            text=[f"{percent(prob)}  {remark}".rstrip() for prob, remark in zip(probs, remarks, strict=True)],
            textposition="outside",
            textfont={"color": colours.text},
            cliponaxis=False,
            hovertext=[f"{plain(name)}: {prob:.2%}" for name, prob in zip(names, probs, strict=True)],
            hoverinfo="text",
        )
    )
    fig.update_layout(
        height=20 + _BAR * len(names), margin={"l": 0, "r": 0, "t": 4, "b": 4}, bargap=0.3, dragmode=False
    )
    fig.update_xaxes(range=[0, 1.22], visible=False, fixedrange=True)
    name_rows(fig, ticks, dark, columns)
    return fig
