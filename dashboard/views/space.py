"""The label space: a map of the labels and of an image's decoding steps, and the labels' similarity matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from cnnrnn.utils.style import palette, plain, shorten
from cnnrnn.utils.webpage import data_uri
from views import names

_HEIGHT = 620
_SIZE = (640, 460)  # pixels of the map on the narrowest screen, on which the names must fit
_ROOM = 0.06  # of the map's extent, at each side: for the names, whose size plotly ignores
_THUMBNAIL = 72  # pixels
_OPACITY = 0.85  # of a label's dot
_ZOOM = 0.08  # of the map's extent, to each side of a label that is searched for
_FRAMES = 6  # of each movement
_ROW = 11  # pixels of a row of the matrix
_HOVER_COLUMNS = 80  # of a name in the matrix, where every cell has two
# Color and shape distinguish the groups: six colors (after Okabe and Ito, readable in both themes) and seven shapes
# give 42 pairs.
_GROUP_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_GROUP_SYMBOLS = ("circle", "square", "diamond", "cross", "x", "circle-open", "square-open")


def figure(
    coordinates: np.ndarray,
    labels: Sequence[str],
    counts: Sequence[int],
    edges: Sequence[tuple[int, int]],
    dark: bool,
    groups: Sequence[str] = (),
    found: int | None = None,
    neighbors: Sequence[int] = (),
    path: Sequence[int] = (),
    steps: np.ndarray | None = None,
) -> go.Figure:
    """The labels at coordinates (label, 2), larger the more training images they have; edges join neighbors.

    With the `groups` of the labels, each group has a color, a shape and an entry in the legend. If there is a label
    `found`, the map shows its surroundings and joins it with its `neighbors`. As many names are written as there is
    room for beside the `steps` (step, 2) of an image: those of these labels and of its `path` first, then those of the
    most frequent labels; the others appear on hovering.
    """
    emphasized = [*([] if found is None else [found]), *neighbors, *path]
    window = _window(coordinates, found, neighbors)
    named = _named(coordinates, window, labels, counts, emphasized, np.zeros((0, 2)) if steps is None else steps)
    fig = go.Figure()
    _add_edges(fig, coordinates, edges, color=palette(dark).faint, width=1, opacity=0.6 if found is None else 0.4)
    for number, group in enumerate(dict.fromkeys(groups) or [""]):
        members = [index for index in range(len(labels)) if not groups or groups[index] == group]
        color = _GROUP_COLORS[number % len(_GROUP_COLORS)] if groups else palette(dark).kept
        _add(
            fig,
            coordinates[members],
            name=plain(group),
            mode="markers+text",
            text=[plain(shorten(labels[index], names.COLUMNS)) if index in named else "" for index in members],
            textposition=[named.get(index, "top center") for index in members],
            textfont={"color": palette(dark).text, "size": 11},
            hovertext=[_hover(labels[index], group, counts[index]) for index in members],
            hoverinfo="text",
            customdata=members,
            marker=_markers(counts, members, found, neighbors, color, dark)
            | {"symbol": _GROUP_SYMBOLS[number % len(_GROUP_SYMBOLS)]},
            legendgroup=str(number),
            showlegend=found is None,
        )
    if found is not None:
        pairs = [(found, other) for other in neighbors]
        _add_edges(fig, coordinates, pairs, color=palette(dark).chosen, width=2, opacity=0.8)
        if groups:
            _add_legend_entries(fig, list(dict.fromkeys(groups)))
    _lay_out(fig, window, bool(groups), dark)
    return fig


def _add_legend_entries(fig: go.Figure, groups: Sequence[str]) -> None:
    """Entries without points: in the legend, a trace looks like its first point, which may be highlighted."""
    for number, group in enumerate(groups):
        marker = {
            "color": _GROUP_COLORS[number % len(_GROUP_COLORS)],
            "symbol": _GROUP_SYMBOLS[number % len(_GROUP_SYMBOLS)],
            "opacity": _OPACITY,
        }
        nowhere = np.full((1, 2), np.nan)
        _add(fig, nowhere, name=plain(group), mode="markers", marker=marker, legendgroup=str(number))


def _window(coordinates: np.ndarray, found: int | None, neighbors: Sequence[int]) -> np.ndarray:
    """The lowest and the highest coordinates (2, 2) that the map shows: all labels, or `found` in the middle of its
    neighbors."""
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    if found is None:
        room = _ROOM * np.maximum(high - low, 1e-9)
        return np.stack([low - room, high + room])
    center = coordinates[found]
    farthest = np.abs(coordinates[list(neighbors)] - center).max(initial=0)
    half = max(_ZOOM * float((high - low).max()), 1.15 * farthest)
    return np.stack([center - half, center + half])


def _named(
    coordinates: np.ndarray,
    window: np.ndarray,
    labels: Sequence[str],
    counts: Sequence[int],
    emphasized: Sequence[int],
    steps: np.ndarray,
) -> dict[int, str]:
    """The labels whose names are written, and on which side; the squares of the steps have their places already."""
    scale = np.array(_SIZE) / (window[1] - window[0])
    inside = np.flatnonzero(((window[0] <= coordinates) & (coordinates <= window[1])).all(axis=1))
    by_frequency = sorted(inside.tolist(), key=lambda index: -counts[index])
    order = dict.fromkeys([*emphasized, *by_frequency])
    points, squares = ((places - window[0]) * scale for places in (coordinates, steps))
    return names.place(points, labels, order, _sizes(counts) / 2, _SIZE, squares)


def _hover(label: str, group: str, count: int) -> str:
    return f"{plain(label)}{f' ({plain(group)})' if group else ''}: {count} training images"


def _sizes(counts: Sequence[int]) -> np.ndarray:
    """The diameter of every label's dot in pixels."""
    return 8 + 22 * np.sqrt(np.array(counts) / max(1, *counts))


def _markers(
    counts: Sequence[int], members: Sequence[int], found: int | None, neighbors: Sequence[int], color: str, dark: bool
) -> dict[str, Any]:
    """The size, color and outline of the labels with the indices `members`, all of one group."""
    colours, sizes = palette(dark), _sizes(counts)
    return {
        "size": sizes[members].tolist(),
        "color": [colours.chosen if index == found else color for index in members],
        "opacity": _OPACITY,
        "line": {
            "width": 1 if found is None else 2,
            "color": [colours.chosen if index in neighbors else colours.background for index in members],
        },
    }


def _add_edges(
    fig: go.Figure, coordinates: np.ndarray, pairs: Sequence[tuple[int, int]], color: str, width: int, opacity: float
) -> None:
    """Lines between pairs of labels, all in one trace with gaps."""
    gap = np.full(2, np.nan)
    if ends := [point for a, b in pairs for point in (coordinates[a], coordinates[b], gap)]:
        line = {"color": color, "width": width}
        _add(fig, np.array(ends), mode="lines", line=line, opacity=opacity, hoverinfo="skip", showlegend=False)


def _lay_out(fig: go.Figure, window: np.ndarray, legend: bool, dark: bool) -> None:
    """The map fills the page: its axes have no unit that would be lost."""
    fig.update_layout(
        height=_HEIGHT, margin={"l": 0, "r": 0, "t": 8, "b": 0}, showlegend=legend, font={"color": palette(dark).text},
        legend={"orientation": "h", "y": 0, "yanchor": "top", "itemsizing": "constant"}, dragmode="pan",
    )  # fmt: skip
    for axis, ends in zip(("xaxis", "yaxis"), window.T.tolist(), strict=True):
        fig.update_layout({axis: {"visible": False, "showgrid": False, "zeroline": False, "range": ends}})


def add_walk(
    fig: go.Figure, start: np.ndarray, steps: np.ndarray, targets: np.ndarray, choices: Sequence[str], dark: bool
) -> None:
    """How an image is decoded: from `start`, the image alone (2,), to its x_1 … x_T (step, 2).

    A dotted line leads from each step to the label that it chooses, whose position is in `targets` (step, 2). The
    slider and the button above the map play it; `choices` are the names of the choices, of which END is the last.
    """
    colours = palette(dark)
    numbers = [f"{number}" for number in range(1, len(steps) + 1)]
    hover = [f"x_{number}, from which {plain(name)} is chosen" for number, name in zip(numbers, choices, strict=True)]
    chosen = {"color": colours.chosen, "width": 1.5, "dash": "dot"}
    ends = [point for pair in zip(steps[:-1], targets[:-1], strict=True) for point in (*pair, np.full(2, np.nan))]
    if ends:  # END is no label of the map
        _add(fig, np.array(ends), mode="lines", line=chosen, opacity=0.7, hoverinfo="skip", showlegend=False)
    _add(
        fig,
        np.concatenate([start[None], steps]),
        mode="lines+markers+text",
        text=["", *numbers],
        textposition="middle center",
        textfont={"color": colours.background, "size": 11},
        line={"color": colours.chosen, "width": 3},
        marker={"size": 18, "color": colours.chosen, "symbol": "square"},
        hovertext=["the image before START", *hover],
        hoverinfo="text",
        showlegend=False,
    )
    walker = {
        "mode": "lines+markers", "line": {"color": colours.text, "width": 3, "dash": "dot"},
        "marker": {"size": [24, 8], "color": colours.text, "symbol": "circle-open", "line": {"width": 3}},
        "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip
    _add(fig, np.stack([start, start]), **walker)
    titles = ["image", *(f"{number} · {shorten(name, 12)}" for number, name in zip(numbers, choices, strict=True))]
    fig.frames = _frames(len(fig.data) - 1, start, steps, targets, titles)
    _add_player(fig, titles, dark)


def _frames(
    trace: int, start: np.ndarray, steps: np.ndarray, targets: np.ndarray, titles: Sequence[str]
) -> list[go.Frame]:
    """The walker, which is trace number `trace`, moves to each step and then points at the step's choice."""

    def frame(name: str, here: np.ndarray, end: np.ndarray) -> go.Frame:
        points = dict(zip("xy", np.stack([here, end]).T.round(4).tolist(), strict=True))
        return go.Frame(name=name, data=[go.Scatter(**points)], traces=[trace])

    frames = [frame(titles[0], start, start)]
    before = start
    for number, (here, target) in enumerate(zip(steps, targets, strict=True), start=1):
        parts = np.linspace(0, 1, _FRAMES + 1)[1:, None]
        moves, points = before + (here - before) * parts, here + (target - here) * parts
        frames += [frame(f"{number} {index}", move, move) for index, move in enumerate(moves)]
        frames += [frame(f"{number} to {index}", here, point) for index, point in enumerate(points[:-1])]
        frames.append(frame(titles[number], here, target))
        before = here
    return frames


def _add_player(fig: go.Figure, titles: Sequence[str], dark: bool) -> None:
    """A button that plays the frames, and a slider over those whose names are `titles`."""
    colours = palette(dark)
    timing = {"frame": {"duration": 70, "redraw": False}, "transition": {"duration": 0}}
    look = {
        "font": {"color": colours.text},
        "bordercolor": colours.faint,
        "xanchor": "left",
        "yanchor": "bottom",
        "y": 1,
    }
    play = {"label": "▶", "method": "animate", "args": [None, {**timing, "mode": "immediate"}]}
    stop = {"label": "■", "method": "animate", "args": [[None], {**timing, "mode": "immediate"}]}
    fig.update_layout(
        updatemenus=[
            {
                **look, "type": "buttons", "direction": "left", "buttons": [play, stop], "x": 0, "showactive": False,
                "bgcolor": colours.background, "pad": {"t": 0, "b": 24},
            }
        ],
        sliders=[
            {
                **look, "x": 0.14, "len": 0.84, "bgcolor": colours.faint, "currentvalue": {"visible": False},
                "pad": {"t": 0, "b": 0}, "tickcolor": colours.text,
                "steps": [
                    {"label": plain(title), "method": "animate", "args": [[title], {**timing, "mode": "immediate"}]}
                    for title in titles
                ],
            }
        ],
    )  # fmt: skip


def add_images(fig: go.Figure, positions: np.ndarray, images: Sequence[Image.Image], titles: Sequence[str]) -> None:
    """Thumbnails of images at positions (image, 2), with their names on hover."""
    (left, right), (bottom, top) = fig.layout.xaxis.range, fig.layout.yaxis.range
    width, height = (right - left) / 18, (top - bottom) / 10
    for position, image in zip(positions, images, strict=True):
        fig.add_layout_image(
            source=data_uri(image, _THUMBNAIL), x=position[0], y=position[1], xref="x", yref="y", xanchor="center",
            yanchor="middle", sizex=width, sizey=height, layer="above",
        )  # fmt: skip
    _add(
        fig, positions, mode="markers", marker={"size": 30, "opacity": 0}, hovertext=[plain(title) for title in titles],
        hoverinfo="text", showlegend=False,
    )  # fmt: skip


def similarity_matrix(similarities: np.ndarray, labels: Sequence[str], dark: bool) -> go.Figure:
    """Cosines (label, label) as a matrix whose rows are ordered so that similar labels are adjacent.

    Its colours fit the cosines of different labels; that of a label with itself, 1, is left out.
    """
    order = leaves_list(linkage(squareform(np.clip(1 - similarities, 0, None), checks=False), "average"))
    full = [plain(shorten(labels[index], _HOVER_COLUMNS)) for index in order]
    short = [plain(shorten(labels[index], names.COLUMNS)) for index in order]
    ranks = list(range(len(order)))
    others = np.where(np.eye(len(order), dtype=bool), np.nan, similarities[np.ix_(order, order)])
    limit = max(0.01, float(np.nanmax(np.abs(others))))
    text = {"color": palette(dark).text}
    ticks = {"tickvals": ranks, "ticktext": short, "tickfont": {**text, "size": 10}}
    fig = go.Figure(
        go.Heatmap(
            z=others.round(2).astype(np.float32),  # half the bytes of plotly's float64
            zmin=-limit,
            zmax=limit,
            colorscale="RdBu_r",
            customdata=[[f"{row} and {column}" for column in full] for row in full],
            hovertemplate="%{customdata}: %{z:.2f}<extra></extra>",
            colorbar={"thickness": 10, "tickfont": text},
        )
    )
    height = max(_HEIGHT, 140 + _ROW * len(order))
    fig.update_layout(height=height, margin={"l": 0, "r": 0, "t": 8, "b": 0}, font=text, dragmode=False)
    fig.update_xaxes(**ticks, tickangle=-60, fixedrange=True, showgrid=False)
    fig.update_yaxes(**ticks, autorange="reversed", fixedrange=True, showgrid=False)
    return fig


def _add(fig: go.Figure, points: np.ndarray, **settings: Any) -> None:
    """A scatter plot of points (n, 2)."""
    fig.add_scatter(x=points[:, 0], y=points[:, 1], **settings)
