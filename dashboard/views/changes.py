"""What differs between two searches: as rows for a table, a sentence, and dots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from cnnrnn.decoding.trace import Trace
from views.style import name_rows, palette, percent, plain

_BAR = 26  # pixels
_WORTH_SAYING = 0.02  # a change of probability below this is not put into words


@dataclass(frozen=True)
class Change:
    label: str
    before: float  # probabilities, 0 to 1
    after: float

    @property
    def delta(self) -> float:
        return self.after - self.before


def changes(before: Trace, after: Trace) -> list[Change]:
    """The marginals of every label that both searches know by this name, the largest change first."""
    then, now = (dict(zip(trace.labels, trace.marginals.tolist(), strict=True)) for trace in (before, after))
    found = [Change(label, then[label], now[label]) for label in before.labels if label in now]
    return sorted(found, key=lambda change: -abs(change.delta))


def company(together: dict[str, tuple[float, float]]) -> list[Change]:
    """P(other | label) in the training images (before) and by the model (after), the closest company first."""
    found = [Change(label, *shares) for label, shares in together.items()]
    return sorted(found, key=lambda change: -max(change.before, change.after))


def in_words(found: list[Change], given: set[str], most: int = 3) -> list[tuple[str, str]]:
    """(label, "falls by 12 points, to 3%") of the labels that changed most, without those that were given."""
    told = [c for c in found if c.label not in given and abs(c.delta) >= _WORTH_SAYING][:most]
    return [
        (c.label, f"{'rises' if c.delta > 0 else 'falls'} by {100 * abs(c.delta):.0f} points, to {percent(c.after)}")
        for c in told
    ]


def figure(found: list[Change], dark: bool, names: tuple[str, str] = ("before", "after"), most: int = 8) -> go.Figure:
    """Before (ring) and after (dot) of the labels that changed most; `names` are what the legend calls them."""
    colours, shown = palette(dark), found[:most]
    rows = list(range(len(shown)))
    text = {"color": colours.text}
    fig = go.Figure()
    for row, change in zip(rows, shown, strict=True):
        colour = colours.finished if change.delta >= 0 else colours.chosen
        fig.add_scatter(
            x=[change.before, change.after], y=[row, row], mode="lines", line={"color": colour, "width": 3},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    hover = [f"{plain(c.label)}: {c.before:.3f} → {c.after:.3f}" for c in shown]
    for name, symbol, values in (
        (plain(names[0]), "circle-open", [c.before for c in shown]),
        (plain(names[1]), "circle", [c.after for c in shown]),
    ):
        fig.add_scatter(
            x=values, y=rows, name=name, mode="markers", hovertext=hover, hoverinfo="text",
            marker={"symbol": symbol, "size": 11, "color": colours.kept, "line": {"width": 2}},
        )  # fmt: skip
    fig.update_layout(
        height=70 + _BAR * len(shown), margin={"l": 0, "r": 24, "t": 4, "b": 0}, dragmode=False, font=text,
        legend={"orientation": "h", "y": 1.15, "font": text},
    )  # fmt: skip
    fig.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", fixedrange=True, tickfont=text)
    name_rows(fig, [plain(c.label) for c in shown], dark)
    return fig


def greyed(image: np.ndarray, strength: np.ndarray, share: float) -> np.ndarray:
    """An image (height, width, 3) whose `share` of pixels with the highest `strength` (height, width) is grey."""
    hidden = strength >= np.quantile(strength, 1 - share)
    return np.where(hidden[..., None], np.uint8(128), image)
