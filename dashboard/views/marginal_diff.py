"""How the probabilities of two predictions differ: as rows for a table, as sentences, and as a chart."""

from __future__ import annotations

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
    """The marginals of every label that both vocabularies contain, the largest change first."""
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


def _compare(before: Trace, after: Trace, *values: np.ndarray) -> list[MarginalChange]:
    old, new = (
        dict(zip(trace.labels, probs.tolist(), strict=True))
        for trace, probs in zip((before, after), values, strict=True)
    )
    found = [MarginalChange(label, old[label], new[label]) for label in before.labels if label in new]
    return sorted(found, key=lambda change: -abs(change.delta))


def cooccurring_labels(conditional: dict[str, tuple[float, float]]) -> list[MarginalChange]:
    """P(other | label) in the training images (before) and by the model (after), the most frequent label first."""
    found = [MarginalChange(label, *probs) for label, probs in conditional.items()]
    return sorted(found, key=lambda change: -max(change.before, change.after))


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
    most: int = 8,
    quantity: str | None = None,
) -> go.Figure:
    """Before (ring) and after (dot) for the labels that changed most; `names` are their names in the legend, and the
    axis is called by the `quantity`."""
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
    hover = [f"{plain(c.label)}: {c.before:.3f} → {c.after:.3f}" for c in largest]
    for name, symbol, values in (
        (plain(short[0]), "circle-open", [c.before for c in largest]),
        (plain(short[1]), "circle", [c.after for c in largest]),
    ):
        fig.add_scatter(
            x=values, y=rows, name=name, mode="markers", hovertext=hover, hoverinfo="text",
            marker={"symbol": symbol, "size": 11, "color": colours.kept, "line": {"width": 2}},
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
        fig.update_xaxes(title=quantity)
        fig.update_layout(height=fig.layout.height + _TITLE)
    name_rows(fig, [c.label for c in largest], dark)
    return fig


def grey_out(image: np.ndarray, strength: np.ndarray, fraction: float) -> np.ndarray:
    """An image (height, width, 3) whose `fraction` of pixels with the highest `strength` (height, width) is grey."""
    occluded = strength >= np.quantile(strength, 1 - fraction)
    return np.where(occluded[..., None], np.uint8(128), image)
