"""A checkpoint's metrics.json as figures: learning curves, AP of every label, calibration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from cnnrnn.utils.style import palette, plain, shorten
from views import names

_FEW = 40  # epochs that are marked one by one
_LEGEND_ROW = 20  # pixels
_HEIGHT = 380  # pixels of the chart of all labels
_PLOT = (290, 310)  # pixels between its axes on a telephone, on which the names must fit
_RADIUS = 4  # pixels of a dot
_MAX_NAMES = 24  # in that chart
_CURVES = {"val_mAP": "mAP", "val_OF1": "O-F1", "val_exact_match": "exact match"}  # key of the history -> name
_DASHES = ("solid", "dash", "dot")  # beside the colour, for colour-blind eyes


def learning_curves(history: list[dict[str, Any]], dark: bool) -> go.Figure:
    """Validation metrics by epoch, in percent."""
    colours = palette(dark)
    epochs = [record["epoch"] for record in history]
    fig = go.Figure(
        [
            go.Scatter(
                x=epochs,
                y=[record[key] for record in history],
                name=name,
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 2},
                hovertemplate=f"epoch %{{x}}: {name} %{{y:.1f}}%<extra></extra>",
            )
            for (key, name), colour, dash in zip(
                _CURVES.items(), (colours.chosen, colours.kept, colours.finished), _DASHES, strict=True
            )
        ]
    )
    _add_epochs(fig, max(epochs))
    fig.update_yaxes(title="% on the validation split")
    return _framed(fig, dark, height=300)


def run_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]], metric: str, dark: bool, best: Mapping[str, float]
) -> go.Figure:
    """One metric of several runs: (epoch, value) of each by its name, with a star at the epoch that is its `best`."""
    colours = palette(dark)
    lines = (colours.chosen, colours.kept, colours.finished)
    fig = go.Figure(
        [
            go.Scatter(
                x=[epoch for epoch, _ in points],
                y=[value for _, value in points],
                name=plain(name),
                mode="lines+markers" if len(points) <= _FEW else "lines",
                line={
                    "color": lines[number % len(lines)],
                    "dash": _DASHES[number // len(lines) % len(_DASHES)],
                    "width": 2,
                },
                hovertemplate=f"epoch %{{x}}: {metric} %{{y:.2f}}<extra>{plain(name)}</extra>",
            )
            for number, (name, points) in enumerate(curves.items())
        ]
    )
    kept = [
        (*point, lines[number % len(lines)])
        for number, (name, points) in enumerate(curves.items())
        for point in points
        if point[0] == best.get(name)
    ]
    if kept:
        epochs, values, colors = zip(*kept, strict=True)
        fig.add_scatter(
            x=epochs, y=values, name="kept in best", mode="markers", hoverinfo="skip",
            marker={"symbol": "star", "size": 14, "color": colors, "line": {"width": 1, "color": colours.background}},
        )  # fmt: skip
    last = max(epoch for points in curves.values() for epoch, _ in points)
    _add_epochs(fig, last)
    fig.update_yaxes(title=metric if metric == "loss" else f"{metric}, % on the validation split")
    fig = _framed(fig, dark, height=320 + _LEGEND_ROW * len(curves))
    # Below the axis, a row a run: on a telephone the names would cover the lines.
    fig.update_layout(showlegend=True, legend={"orientation": "v", "y": -60 / 320, "yanchor": "top", "x": 0})
    return fig


def _add_epochs(fig: go.Figure, last: float) -> None:
    """The axis; of a single epoch, plotly's own would go from 0 to 2."""
    room = max(0.5, last / 40)
    fig.update_xaxes(title="epoch", dtick=max(1, int(last) // 10), range=[1 - room, last + room])


def average_precisions(report: dict[str, Any], counts: dict[str, int], dark: bool) -> go.Figure:
    """AP of every label that was scored, against its number of training images.

    As many names are written as there is room for, those of the worst and the best labels first.
    """
    colours = palette(dark)
    ranked = sorted(report["AP"].items(), key=lambda item: item[1])
    labels, precisions = [label for label, _ in ranked], [value for _, value in ranked]
    images = [max(1, counts.get(label, 0)) for label in labels]  # the axis is logarithmic
    named = _named(images, precisions, labels)
    fig = go.Figure(
        go.Scatter(
            x=images,
            y=precisions,
            mode="markers+text",
            marker={"color": colours.kept, "size": 2 * _RADIUS, "opacity": 0.7},
            text=[plain(shorten(label, names.COLUMNS)) if index in named else "" for index, label in enumerate(labels)],
            textposition=[named.get(index, "top center") for index in range(len(labels))],
            textfont={"color": colours.text, "size": 11},
            hovertext=[
                f"{plain(label)}: AP {value:.1f}%, {report['positives'][label]} images in the split, "
                f"{counts.get(label, 0)} in training"
                for label, value in ranked
            ],
            hoverinfo="text",
        )
    )
    low, high = _exponents(images)
    fig.update_xaxes(title="training images", type="log", dtick=1, range=[low, high])
    fig.update_yaxes(title="AP, %", range=[-3, 110])
    return _framed(fig, dark, height=_HEIGHT)


def _exponents(images: list[int]) -> tuple[float, float]:
    """The logarithms, base 10, of the fewest and the most images of a label, with room for names to both sides."""
    low, high = math.log10(min(images, default=1)), math.log10(max(images, default=1))
    room = 0.1 * (high - low) + 0.1
    return low - room, high + room


def _named(images: list[int], precisions: list[float], labels: list[str]) -> dict[int, str]:
    """The labels, sorted by AP, whose names are written, alternately the worst and the best, and on which side."""
    low, high = _exponents(images)
    points = np.array(
        [
            ((math.log10(count) - low) / (high - low) * _PLOT[0], value / 113 * _PLOT[1])
            for count, value in zip(images, precisions, strict=True)
        ]
    )
    worst, best = range(len(labels)), reversed(range(len(labels)))
    order = itertools.chain.from_iterable(zip(worst, best, strict=True))
    chosen = list(dict.fromkeys(order))[:_MAX_NAMES]
    radii = np.full(len(points), _RADIUS)
    return names.place(points, labels, chosen, radii, _PLOT, over_dots=_MAX_NAMES // 4)


def reliability(calibration: Mapping[str, Any], dark: bool) -> go.Figure:
    """Observed frequency against predicted probability: a calibrated model lies on the diagonal."""
    colours = palette(dark)
    bins = [entry for entry in calibration["bins"] if entry["pairs"]]
    fig = go.Figure(
        [
            go.Scatter(
                x=[0, 100],
                y=[0, 100],
                mode="lines",
                line={"color": colours.faint, "dash": "dash"},
                hoverinfo="skip",
            ),
            go.Scatter(
                x=[entry["predicted"] for entry in bins],
                y=[entry["observed"] for entry in bins],
                mode="lines+markers",
                marker={"size": 9},
                line={"color": colours.chosen},
                hovertext=[
                    f"predicted {entry['predicted']:.0f}%, observed {entry['observed']:.0f}% ({entry['pairs']} pairs)"
                    for entry in bins
                ],
                hoverinfo="text",
            ),
        ]
    )
    fig.update_xaxes(title="predicted probability, %", range=[0, 102])
    fig.update_yaxes(title="observed frequency, %", range=[0, 102])
    fig.update_layout(showlegend=False)
    return _framed(fig, dark, height=300)


def _framed(fig: go.Figure, dark: bool, height: int) -> go.Figure:
    text = {"color": palette(dark).text}
    fig.update_layout(
        height=height,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        dragmode=False,
        legend={"orientation": "h", "y": 1.12, "font": text},
        font=text,
    )
    fig.update_xaxes(fixedrange=True, automargin=True, tickfont=text)
    fig.update_yaxes(fixedrange=True, automargin=True, tickfont=text)
    return fig
