"""How the probabilities of two predictions differ: as rows for a table, as sentences, and as a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.style import palette, percent, plain, shorten, text_columns
from views.style import name_rows

_BAR = 26  # pixels
_LEGEND_LINE = 24  # pixels
_TITLE = 24  # pixels, of the axis
_LEGEND_COLUMNS = 30  # of one line of the legend on a phone
_MOST = 8  # labels of a chart
_MIN_DELTA = 0.02  # smaller changes of probability are not described


@dataclass(frozen=True)
class MarginalChange:
    label: str
    before: float  # probabilities, 0 to 1
    after: float

    @property
    def delta(self) -> float:
        return self.after - self.before


def compare_marginals(before: Trace, after: Trace) -> list[MarginalChange]:
    """The marginals of every label that both vocabularies contain (`matching_labels`), the largest change first."""
    return _compare(before, after, before.marginals, after.marginals)


def compare_probabilities(before: Trace, after: Trace) -> list[MarginalChange]:
    """As `compare_marginals`, but of the labels' probabilities where both traces have them."""
    if not (has_probabilities(before) and has_probabilities(after)):
        return compare_marginals(before, after)
    return _compare(before, after, before.probabilities, after.probabilities)


def has_probabilities(trace: Trace) -> bool:
    """Whether the labels have a calibrated probability or, without a search, that of a sigmoid. Others have marginals
    only, of which a beam search finds lower bounds."""
    return trace.calibrated is not None or not trace.steps


def matching_labels(labels: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Those of `labels` that `others` contain, with their names there, which may have other blanks: VOC's diningtable
    is COCO's dining table. Names that differ in more, such as sofa and couch, are not matched."""
    exact = set(others)
    without_blanks = {"".join(other.split()): other for other in exact - set(labels)}
    found = {label: label if label in exact else without_blanks.get("".join(label.split())) for label in labels}
    return {label: other for label, other in found.items() if other is not None}


def _compare(before: Trace, after: Trace, *values: np.ndarray) -> list[MarginalChange]:
    old, new = (
        dict(zip(trace.labels, probs.tolist(), strict=True))
        for trace, probs in zip((before, after), values, strict=True)
    )
    matches = matching_labels(before.labels, after.labels)
    found = [MarginalChange(label, old[label], new[other]) for label, other in matches.items()]
    return sorted(found, key=lambda change: -abs(change.delta))


def cooccurring_labels(conditional: dict[str, tuple[float, float]]) -> list[MarginalChange]:
    """P(other | label) in the training images (before) and by the model (after), the most frequent label first."""
    found = [MarginalChange(label, *probs) for label, probs in conditional.items()]
    return sorted(found, key=lambda change: -max(change.before, change.after))


def lifts(found: Sequence[MarginalChange], rates: Mapping[str, tuple[float, float]]) -> list[MarginalChange]:
    """P(other | label) of `cooccurring_labels` divided by P(other), of `label_rates`: 1 if they are independent."""

    def lift(probability: float, rate: float) -> float:
        return probability / rate if rate else 0.0

    return [MarginalChange(c.label, lift(c.before, rates[c.label][0]), lift(c.after, rates[c.label][1])) for c in found]


def describe(found: list[MarginalChange], constrained: set[str], most: int = 3) -> list[tuple[str, str]]:
    """(label, "falls by 12 points, to 3%") for the labels that changed most, without the constrained ones."""
    described = [c for c in found if c.label not in constrained and abs(c.delta) >= _MIN_DELTA][:most]
    return [
        (c.label, f"{'rises' if c.delta > 0 else 'falls'} by {100 * abs(c.delta):.0f} points, to {percent(c.after)}")
        for c in described
    ]


def figure(
    found: list[MarginalChange],
    dark: bool,
    names: tuple[str, str] = ("before", "after"),
    most: int = _MOST,
    quantity: str | None = None,
    control: tuple[str, Mapping[str, float]] | None = None,
) -> go.Figure:
    """Before (ring) and after (dot) for the labels that changed most; `names` are their names in the legend, and the
    axis is called by the `quantity`. A `control` is a line across at another value of each label, and its name."""
    colours, largest = palette(dark), found[:most]
    rows = list(range(len(largest)))
    text = {"color": colours.text}
    fig = go.Figure()
    for row, change in zip(rows, largest, strict=True):
        colour = colours.finished if change.delta >= 0 else colours.chosen
        fig.add_scatter(
            x=[change.before, change.after], y=[row, row], mode="lines", line={"color": colour, "width": 3},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    short = [shorten(name, _LEGEND_COLUMNS) for name in names]
    hover = [f"{plain(c.label)}: {percent(c.before)} → {percent(c.after)}" for c in largest]
    for name, symbol, values in (
        (plain(short[0]), "circle-open", [c.before for c in largest]),
        (plain(short[1]), "circle", [c.after for c in largest]),
    ):
        fig.add_scatter(
            x=values, y=rows, name=name, mode="markers", hovertext=hover, hoverinfo="text",
            marker={"symbol": symbol, "size": 11, "color": colours.kept, "line": {"width": 2}},
        )  # fmt: skip
    if control is not None:
        short.append(shorten(control[0], _LEGEND_COLUMNS))
        values = [control[1][c.label] for c in largest]
        fig.add_scatter(
            x=values, y=rows, name=plain(short[-1]), mode="markers", hoverinfo="text",
            hovertext=[f"{plain(c.label)}: {percent(value)}" for c, value in zip(largest, values, strict=True)],
            marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": colours.text}},
        )  # fmt: skip
    in_one_line = sum(map(text_columns, short)) <= _LEGEND_COLUMNS
    legend_height = _LEGEND_LINE if in_one_line else 2 * _LEGEND_LINE
    fig.update_layout(
        height=40 + legend_height + _BAR * len(largest), margin={"l": 0, "r": 24, "t": legend_height, "b": 0},
        dragmode=False, font=text,
        # Above the rows, and as wide as the chart, however wide the labels' names are.
        legend={
            "orientation": "h", "xref": "container", "x": 0, "yref": "container", "y": 1, "yanchor": "top",
            "font": text, "itemclick": False, "itemdoubleclick": False,
        },
    )  # fmt: skip
    fig.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", fixedrange=True, tickfont=text)
    if quantity is not None:
        fig.update_xaxes(title={"text": quantity, "font": text})
        fig.update_layout(height=fig.layout.height + _TITLE)
    name_rows(fig, [c.label for c in largest], dark)
    return fig


def cooccurrence_figure(found: list[MarginalChange], dark: bool, are_lifts: bool) -> go.Figure:
    """`cooccurring_labels` or, better, their `lifts`, on a scale as long as they need."""
    quantity = "times as often as in all images" if are_lifts else "probability"
    fig = figure(found, dark, ("in the training images", "by the model"), quantity=quantity)
    top = max([1.0 if are_lifts else 0.01, *(value for c in found[:_MOST] for value in (c.before, c.after))])
    fig.update_xaxes(range=[-0.02 * top, 1.04 * top])
    if are_lifts:
        fig.update_xaxes(tickformat="~g", ticksuffix="×")
        fig.add_vline(x=1, line={"color": palette(dark).faint, "width": 1}, layer="below")
        hover = [f"{plain(c.label)}: {c.before:.1f}× → {c.after:.1f}×" for c in found[:_MOST]]
        fig.update_traces(hovertext=hover, selector={"mode": "markers"})
    return fig


def strongest(strength: np.ndarray, fraction: float) -> np.ndarray:
    """The region of the `fraction` of pixels with the highest `strength`: bool (height, width)."""
    return strength >= np.quantile(strength, 1 - fraction)


def elsewhere(region: np.ndarray, count: int = 5) -> list[np.ndarray]:
    """Regions of the same size and shape as a control, bool (height, width): the region moved by quarters of the image,
    around its edges, to the `count` places where it overlaps itself least."""
    height, width = region.shape
    moves = [(height * down // 4, width * right // 4) for down in range(4) for right in range(4)][1:]
    moved = [np.roll(region, move, axis=(0, 1)) for move in moves]
    return sorted(moved, key=lambda other: int((other & region).sum()))[:count]


def grey_out(image: np.ndarray, region: np.ndarray) -> np.ndarray:
    """An image (height, width, 3) that is grey in a region (height, width)."""
    return np.where(region[..., None], np.uint8(128), image)
