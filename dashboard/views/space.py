"""The label space: a map of the labels and of an image's decoding steps, and the labels' similarity matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from cnnrnn.utils.style import palette, plain
from cnnrnn.utils.webpage import data_uri

_HEIGHT = 560
_THUMBNAIL = 72  # pixels
_MAX_NAMES = 100  # the names of more labels appear only on hovering
# Color and shape distinguish the groups: six colors (after Okabe and Ito, readable in both themes) and seven shapes,
# which maps in two and in three dimensions have, give 42 pairs.
_GROUP_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_GROUP_SYMBOLS = ("circle", "square", "diamond", "cross", "x", "circle-open", "square-open")


def figure(
    coordinates: np.ndarray,
    labels: Sequence[str],
    counts: Sequence[int],
    edges: Sequence[tuple[int, int]],
    highlighted: int | None,
    dark: bool,
    groups: Sequence[str] = (),
) -> go.Figure:
    """The labels at coordinates (label, 2 or 3), larger the more training images they have; edges join neighbors.

    With the `groups` of the labels, each group has a color, a shape and an entry in the legend.
    """
    colours, text = palette(dark), {"color": palette(dark).text}
    fig = go.Figure()
    ends = [
        point for a, b in edges for point in (coordinates[a], coordinates[b], np.full(coordinates.shape[1], np.nan))
    ]
    if ends:
        _add(
            fig,
            np.array(ends),
            mode="lines",
            line={"color": colours.faint, "width": 1},
            hoverinfo="skip",
            showlegend=False,
        )
    for number, group in enumerate(dict.fromkeys(groups) or [""]):
        members = [index for index in range(len(labels)) if not groups or groups[index] == group]
        color = _GROUP_COLORS[number % len(_GROUP_COLORS)] if groups else colours.kept
        symbol = _GROUP_SYMBOLS[number % len(_GROUP_SYMBOLS)]
        _add_labels(fig, coordinates, labels, counts, members, highlighted, dark, group, color, symbol)
    fig.update_layout(
        height=_HEIGHT, margin={"l": 0, "r": 0, "t": 8, "b": 0}, showlegend=bool(groups), font=text,
        legend={"orientation": "h", "y": 0, "yanchor": "top", "itemsizing": "constant"},
        dragmode="orbit" if coordinates.shape[1] == 3 else "pan",
    )  # fmt: skip
    hidden = {"visible": False, "showgrid": False, "zeroline": False}
    left, right = coordinates[:, 0].min(), coordinates[:, 0].max()
    room = 0.15 * (right - left)  # for the names, whose width plotly ignores
    fig.update_layout(
        xaxis={**hidden, "autorangeoptions": {"include": [left - room, right + room]}},
        yaxis={**hidden, "scaleanchor": "x"},
    )
    fig.update_scenes(xaxis=hidden, yaxis=hidden, zaxis=hidden)
    return fig


def _add_labels(
    fig: go.Figure, coordinates: np.ndarray, labels: Sequence[str], counts: Sequence[int], members: Sequence[int],
    highlighted: int | None, dark: bool, group: str, color: str, symbol: str,
) -> None:  # fmt: skip
    """The labels with the indices `members`, all of one group."""
    colours, sizes = palette(dark), 8 + 22 * np.sqrt(np.array(counts) / max(1, *counts))
    hover = [
        f"{plain(labels[index])}{f' ({plain(group)})' if group else ''}: {counts[index]} training images"
        for index in members
    ]
    _add(
        fig,
        coordinates[members],
        name=plain(group),
        mode="markers+text" if len(labels) <= _MAX_NAMES else "markers",
        text=[plain(labels[index]) for index in members],
        textposition="top center",
        textfont={"color": colours.text},
        hovertext=hover,
        hoverinfo="text",
        customdata=list(members),
        marker={
            "size": sizes[members].tolist(),
            "color": [colours.chosen if index == highlighted else color for index in members],
            "symbol": symbol,
            "opacity": 0.85,
            "line": {"width": 1, "color": colours.background},
        },
    )


def add_steps(fig: go.Figure, steps: np.ndarray, names: Sequence[str], dark: bool) -> None:
    """The x_1 … x_T of a decoded image (step, 2 or 3), numbered; `names` are the choices of the steps."""
    colours = palette(dark)
    numbers = [f"{number}" for number in range(1, len(steps) + 1)]
    hover = [f"x_{number}, from which {plain(name)} is chosen" for number, name in zip(numbers, names, strict=True)]
    _add(
        fig,
        steps,
        mode="lines+markers+text",
        text=numbers,
        textposition="middle center",
        textfont={"color": colours.background, "size": 11},
        line={"color": colours.chosen, "width": 3},
        marker={"size": 18, "color": colours.chosen, "symbol": "diamond" if steps.shape[1] == 3 else "square"},
        hovertext=hover,
        hoverinfo="text",
        showlegend=False,
    )


def add_images(fig: go.Figure, positions: np.ndarray, images: Sequence[Image.Image], names: Sequence[str]) -> None:
    """Thumbnails at x_1 of each image (image, 2)."""
    across = np.concatenate([np.array(trace.x, dtype=float) for trace in fig.data])
    extent = float(np.ptp(across[np.isfinite(across)]) or 1)  # edges are separated by NaN
    for position, image in zip(positions, images, strict=True):
        fig.add_layout_image(
            source=data_uri(image, _THUMBNAIL), x=position[0], y=position[1], xref="x", yref="y", xanchor="center",
            yanchor="middle", sizex=extent / 14, sizey=extent / 14, layer="above",
        )  # fmt: skip
    _add(
        fig, positions, mode="markers", marker={"size": 30, "opacity": 0}, hovertext=[plain(name) for name in names],
        hoverinfo="text", showlegend=False,
    )  # fmt: skip


def similarity_matrix(similarities: np.ndarray, labels: Sequence[str], dark: bool) -> go.Figure:
    """Cosines (label, label) as a matrix whose rows are ordered so that similar labels are adjacent."""
    order = leaves_list(linkage(squareform(np.clip(1 - similarities, 0, None), checks=False), "average"))
    names = [plain(labels[index]) for index in order]
    ranks = list(range(len(names)))
    text = {"color": palette(dark).text}
    fig = go.Figure(
        go.Heatmap(
            z=similarities[np.ix_(order, order)],
            zmin=-1,
            zmax=1,
            colorscale="RdBu_r",
            customdata=[[f"{row} and {column}" for column in names] for row in names],
            hovertemplate="%{customdata}: %{z:.2f}<extra></extra>",
            colorbar={"thickness": 10, "tickfont": text},
        )
    )
    fig.update_layout(height=_HEIGHT, margin={"l": 0, "r": 0, "t": 8, "b": 0}, font=text, dragmode=False)
    fig.update_xaxes(tickvals=ranks, ticktext=names, tickangle=-60, tickfont=text, fixedrange=True, showgrid=False)
    fig.update_yaxes(
        tickvals=ranks, ticktext=names, autorange="reversed", tickfont=text, fixedrange=True, showgrid=False
    )
    return fig


def _add(fig: go.Figure, points: np.ndarray, **settings: Any) -> None:
    """A scatter plot of points (n, 2 or 3) in two or three dimensions."""
    if points.shape[1] == 3:
        fig.add_scatter3d(x=points[:, 0], y=points[:, 1], z=points[:, 2], **settings)
    else:
        fig.add_scatter(x=points[:, 0], y=points[:, 1], **settings)
