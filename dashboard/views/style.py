"""How charts look and how untrusted text, such as a label, is escaped in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnrnn.utils.style import palette, plain, shorten

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


CHART = {"displayModeBar": False}  # plotly's configuration of every chart


def name_rows(fig: go.Figure, names: Sequence[str], dark: bool, columns: int = 24) -> None:
    """Write names beside rows 0, 1, …, first on top; two of them may be equal. A long one is shortened to so many
    columns: plotly would cut off its beginning."""
    fig.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[plain(shorten(name, columns)) for name in names],
        autorange="reversed",
        showgrid=False,
        zeroline=False,  # a line across the first row
        fixedrange=True,
        automargin=True,
        tickfont={"color": palette(dark).text},
    )


def markdown(text: str) -> str:
    """Untrusted text, such as a label, escaped for markdown."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+-.!|$:~" else letter for letter in text)


def spreadsheet(table: pd.DataFrame) -> str:
    """CSV in which text that a spreadsheet would run as a formula begins with an apostrophe."""

    def text(cell: object) -> object:
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell

    return table.map(text).to_csv(index=False)
