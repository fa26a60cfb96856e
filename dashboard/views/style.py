"""Colours for both themes, distinguishable when colour-blind (after Okabe and Ito), and the escaping of labels."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Palette:
    chosen: str
    kept: str
    finished: str
    faint: str
    text: str
    background: str


CHART = {"displayModeBar": False}  # plotly's configuration of every chart

LIGHT = Palette("#c8500f", "#0072b2", "#00775a", "#9a9a9a", "#1f2328", "#ffffff")
DARK = Palette("#ff9a5c", "#6cb8ea", "#3fc69b", "#7d838c", "#e8eaed", "#14171c")


def palette(dark: bool) -> Palette:
    return DARK if dark else LIGHT


def plain(label: str) -> str:
    """A label escaped for a plotly text, which interprets some HTML tags: labels are untrusted text."""
    return html.escape(label, quote=False)


def name_rows(fig: go.Figure, names: Sequence[str], dark: bool) -> None:
    """Write names (as plotly texts) beside rows 0, 1, …, first on top; two of them may be equal."""
    fig.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=list(names),
        autorange="reversed",
        showgrid=False,
        fixedrange=True,
        automargin=True,
        tickfont={"color": palette(dark).text},
    )


def markdown(text: str) -> str:
    """Untrusted text, such as a label, escaped for markdown."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+-.!|$:~" else letter for letter in text)


def badge(text: str) -> str:
    """As `markdown`, for st.badge, which escapes square brackets itself."""
    return markdown(text).replace("\\[", "[").replace("\\]", "]")


def spreadsheet(table: pd.DataFrame) -> str:
    """CSV in which text that a spreadsheet would run as a formula begins with an apostrophe."""

    def text(cell: object) -> object:
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell

    return table.map(text).to_csv(index=False)


def percent(probability: float) -> str:
    if 0 < probability < 0.001:
        return "<0.1%"
    return f"{probability:.0%}" if probability >= 0.0995 else f"{probability:.1%}"
