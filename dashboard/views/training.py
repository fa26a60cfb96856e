"""A checkpoint's metrics.json as figures: learning curves, AP of every label, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from cnnrnn.utils.style import palette, plain
from views.style import name_rows

_BAR = 24  # pixels
_FEW = 40  # epochs that are marked one by one
_LEGEND_ROW = 20  # pixels
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
                hovertemplate=f"epoch %{{x}}: {name} %{{y:.1f}} %<extra></extra>",
            )
            for (key, name), colour, dash in zip(
                _CURVES.items(), (colours.chosen, colours.kept, colours.finished), _DASHES, strict=True
            )
        ]
    )
    fig.update_xaxes(title="epoch", dtick=max(1, len(epochs) // 10))
    fig.update_yaxes(title="% on the validation split")
    return _framed(fig, dark, height=300)


def run_curves(curves: Mapping[str, Sequence[tuple[float, float]]], metric: str, dark: bool) -> go.Figure:
    """One metric of several runs: (epoch, value) of each by its name."""
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
    last = max(epoch for points in curves.values() for epoch, _ in points)
    fig.update_xaxes(title="epoch", dtick=max(1, int(last) // 10))
    fig.update_yaxes(title=metric if metric == "loss" else f"{metric}, % on the validation split")
    fig = _framed(fig, dark, height=320 + _LEGEND_ROW * len(curves))
    # Below the axis, a row a run: on a telephone the names would cover the lines.
    fig.update_layout(showlegend=True, legend={"orientation": "v", "y": -60 / 320, "yanchor": "top", "x": 0})
    return fig


def average_precisions(report: dict[str, Any], counts: dict[str, int], dark: bool) -> go.Figure:
    """AP of every label that was scored, best first, with its number of training images."""
    colours = palette(dark)
    ranked = sorted(report["AP"].items(), key=lambda item: -item[1])
    fig = go.Figure(
        go.Bar(
            x=[value for _, value in ranked],
            y=list(range(len(ranked))),
            orientation="h",
            marker={"color": colours.kept, "cornerradius": 3},
            text=[f"{value:.0f}" for _, value in ranked],
            textposition="outside",
            textfont={"color": colours.text},
            cliponaxis=False,
            hovertext=[
                f"{plain(label)}: AP {value:.1f} %, {report['positives'][label]} images in the split, "
                f"{counts.get(label, 0)} in training"
                for label, value in ranked
            ],
            hoverinfo="text",
        )
    )
    fig.update_xaxes(range=[0, 108], visible=False)
    name_rows(fig, [plain(label) for label, _ in ranked], dark)
    return _framed(fig, dark, height=40 + _BAR * len(ranked))


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
                    f"predicted {entry['predicted']:.0f} %, observed {entry['observed']:.0f} % ({entry['pairs']} pairs)"
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
