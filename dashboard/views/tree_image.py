"""The tree of a beam search as a file for papers and talks, drawn without a browser from the data of its figure."""

from __future__ import annotations

import html
import io
import re
import threading
import warnings
from typing import TYPE_CHECKING, Literal

from cnnrnn.utils.style import LIGHT
from views import fonts

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.font_manager import FontProperties

_POINTS = 0.72  # of one pixel of the figure, at 100 pixels per inch
_COLUMN = 190  # pixels between neighboring steps
_DPI = 200  # of a PNG
_BOTTOM = 28  # pixels for the names of the steps
_MARKERS = {"circle": "o", "square": "s", "x-thin": "x"}
_DASHES = {"solid": "-", "dot": ":", None: "-"}
_FONT_SIZE = 11  # pixels
_drawing = threading.Lock()  # matplotlib is not safe for threads, and every download is one


def draw(figure: go.Figure, kind: Literal["svg", "png"]) -> bytes:
    """The figure that `decoding.tree.figure` returns, in the light theme.

    An SVG has the labels as text, so that they can be searched and edited.
    """
    import matplotlib  # takes a second, and only a download needs it
    from matplotlib.figure import Figure

    columns = len(figure.layout.xaxis.tickvals)
    width, height = _COLUMN * (columns + 1), figure.layout.height - 30  # without the legend
    with _drawing, warnings.catch_warnings():
        matplotlib.rcParams["svg.fonttype"] = "none"
        canvas = Figure(figsize=(width / 100, height / 100), facecolor=LIGHT.background)
        axes = canvas.add_axes((0.01, _BOTTOM / height, 0.98, 1 - _BOTTOM / height))
        _draw_traces(axes, figure, replace_missing=kind == "png")
        axes.set(xlim=(-0.2, columns + 0.55), ylim=figure.layout.yaxis.range, yticks=[])
        axes.set_xticks(figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext, color=LIGHT.text)
        axes.tick_params(length=0, labelsize=_FONT_SIZE * _POINTS)
        axes.spines[:].set_visible(False)
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # whoever opens an SVG may have one
        canvas.savefig(buffer := io.BytesIO(), format=kind, dpi=_DPI, metadata={"Date": None} if kind == "svg" else {})
    return buffer.getvalue()


def _draw_traces(axes: Axes, figure: go.Figure, replace_missing: bool) -> None:
    """Whoever opens an SVG may have a font for what is missing here."""
    texts = "".join(_plain(text) for trace in figure.data for text in trace.text or ())
    font, missing = _font(texts)
    marks = str.maketrans(dict.fromkeys(missing if replace_missing else "", "?"))
    for trace in figure.data:
        if trace.mode == "lines" and trace.x[0] is not None:
            axes.plot(
                *(list(map(_or_gap, values)) for values in (trace.x, trace.y)),
                color=trace.line.color,
                linewidth=trace.line.width * _POINTS,
                linestyle=_DASHES[trace.line.dash],
                alpha=trace.opacity,
                solid_capstyle="round",
                zorder=1,
            )
        elif trace.mode == "markers+text":
            shape = {"marker": _MARKERS[trace.marker.symbol], "s": (trace.marker.size * _POINTS) ** 2}
            axes.scatter(trace.x, trace.y, color=list(trace.marker.color), zorder=2, **shape)
            for x, y, text, color in zip(trace.x, trace.y, trace.text, trace.textfont.color, strict=True):
                axes.annotate(
                    _plain(text).translate(marks),
                    (x, y),
                    (0, 6),
                    textcoords="offset points",
                    ha="center",
                    color=color,
                    fontproperties=font,
                    fontsize=_FONT_SIZE * _POINTS,
                    parse_math=False,
                    zorder=3,
                )


def _plain(text: str) -> str:
    """A plotly text without its tags; what looks like one in a label is escaped there."""
    return html.unescape(re.sub(r"</?b>", "", text))


def _or_gap(value: float | None) -> float:
    return float("nan") if value is None else value


def _font(texts: str) -> tuple[FontProperties | None, str]:
    """The font that has most of these characters, and those that it doesn't have."""
    from matplotlib.font_manager import FontProperties

    font, missing = fonts.font_for(texts, _FONT_SIZE)
    path = getattr(font, "path", None)
    return (FontProperties(fname=path) if isinstance(path, str) else None), missing
