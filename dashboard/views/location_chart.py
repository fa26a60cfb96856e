"""An image whose locations can be hovered over and clicked: a chart with a point at each location of the grid."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from cnnrnn.utils.webpage import jpeg_uri


def figure(
    image: bytes,
    size: tuple[int, int],
    values: np.ndarray,
    width: int,
    offset: float = 0.0,
    chosen: tuple[int, int] | None = None,
) -> go.Figure:
    """A JPEG file of `size` (width, height), drawn `width` pixels wide, with the map's values (row, column) on hover.

    A point's customdata is its index, row by row. The points are where the locations look, `offset` cells to the right
    of and below the middle of their cells; the `chosen` one (row, column) has a frame.
    """
    rows, columns = values.shape
    height = round(width * size[1] / size[0])
    y, x = np.mgrid[:rows, :columns]
    fig = go.Figure(
        go.Scatter(
            x=((x.ravel() + 0.5 + offset) / columns).tolist(),
            y=((y.ravel() + 0.5 + offset) / rows).tolist(),
            mode="markers",
            # As large as a location, so that a click anywhere in it hits its point.
            marker={"symbol": "square-open", "size": max(4, min(width / columns, height / rows)), "opacity": 0},
            customdata=list(range(rows * columns)),
            hovertext=[f"{value:+.3f} nats" for value in values.ravel()],
            hoverinfo="text",
        )
    )
    if chosen is not None:
        top, left = (place + offset for place in chosen)
        frame = {"x0": left / columns, "x1": (left + 1) / columns, "y0": top / rows, "y1": (top + 1) / rows}
        for color, line_width in (("black", 5), ("white", 2)):  # seen on bright and on dark images
            fig.add_shape(**frame, line={"color": color, "width": line_width})
    fig.add_layout_image(
        source=jpeg_uri(image),
        xref="x", yref="y", x=0, y=0, sizex=1, sizey=1, sizing="stretch", layer="below",
    )  # fmt: skip
    fig.update_xaxes(visible=False, range=[0, 1], fixedrange=True)
    fig.update_yaxes(visible=False, range=[1, 0], fixedrange=True)
    fig.update_layout(
        width=width,
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        dragmode=False,
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return fig
