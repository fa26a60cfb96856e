"""The differences of two models' metrics as a chart: a point and its interval for each."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from cnnrnn.evaluation.paired import Difference
from cnnrnn.evaluation.reports import MAIN_METRICS
from cnnrnn.utils.style import palette
from views.style import name_rows

_ROW = 44  # pixels


def figure(found: Mapping[str, Difference], dark: bool) -> go.Figure:
    """Right of the line, the second model is better."""
    colours, values = palette(dark), list(found.values())
    middle = [value.other - value.one for value in values]
    fig = go.Figure(
        go.Scatter(
            x=middle,
            y=list(range(len(values))),
            mode="markers+text",
            marker={"size": 11, "color": colours.chosen},
            text=[f"{delta:+.1f}" for delta in middle],
            textposition="top center",
            textfont={"color": colours.text},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [value.high - delta for value, delta in zip(values, middle, strict=True)],
                "arrayminus": [delta - value.low for value, delta in zip(values, middle, strict=True)],
                "color": colours.chosen,
                "thickness": 2,
                "width": 6,
            },
            hovertext=[
                f"{MAIN_METRICS[key]}: {value.one:.1f}% and {value.other:.1f}%, difference {delta:+.1f} points "
                f"({value.low:+.1f} to {value.high:+.1f})"
                for (key, value), delta in zip(found.items(), middle, strict=True)
            ],
            hoverinfo="text",
            cliponaxis=False,
        )
    )
    fig.add_vline(x=0, line={"color": colours.faint, "width": 1})
    name_rows(fig, [f"{MAIN_METRICS[key]}  {value.one:.1f} → {value.other:.1f}" for key, value in found.items()], dark)
    text = {"color": colours.text}
    fig.update_xaxes(title="difference in percentage points", fixedrange=True, zeroline=False, tickfont=text)
    fig.update_yaxes(range=[len(values) - 0.5, -0.8], autorange=False, zeroline=False)
    fig.update_layout(
        height=70 + _ROW * len(values), margin={"l": 0, "r": 16, "t": 8, "b": 0}, dragmode=False, font=text
    )
    return fig
