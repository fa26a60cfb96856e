"""One HTML file that opens offline: its frame, interactive figures and images inside it.

The body must already be escaped: names of labels and files are untrusted.
"""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import plotly.graph_objects as go

_GRAY = "#808080"  # legible on light and dark backgrounds
_FAINT = "rgba(128,128,128,0.25)"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
/* Light in every browser: the figures in it are, and it is printed and sent by e-mail. */
:root {{ color-scheme: light; background: #fff; color: #1f2328; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .25rem .9rem .25rem 0; text-align: right; }}
td:first-child, th:first-child {{ text-align: left; }} tr {{ border-bottom: 1px solid #8884; }}
.images {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 1.2rem; }}
@media print {{
  @page {{ margin: 12mm; }}
  body {{ max-width: none; margin: 0; font-size: 11px; }} h2 {{ break-after: avoid; }}
  figure, tr, .plotly-graph-div {{ break-inside: avoid; }}
  .images {{ grid-template-columns: repeat(4, 1fr); }}
}}
figure {{ margin: 0; }} figure img {{ width: 100%; border-radius: 6px; }} figcaption {{ font-size: .85rem; }}
</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def page(title: str, body: str) -> str:
    """The whole file; `title` is escaped here, `body` is HTML."""
    return _PAGE.format(title=html.escape(title), body=body)


def figure(fig: go.Figure, script: bool = False) -> str:
    """An interactive figure; the first one of a page brings plotly's script with it (about 5 MB)."""
    fig.update_layout(
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": _GRAY}, margin={"t": 30, "l": 10}
    )
    fig.update_xaxes(gridcolor=_FAINT, zerolinecolor=_FAINT)
    fig.update_yaxes(gridcolor=_FAINT, zerolinecolor=_FAINT)
    return fig.to_html(full_html=False, include_plotlyjs=script, config={"displaylogo": False})


def image(image: Image.Image, max_side: int) -> str:
    """An <img> that holds the image itself, no larger than `max_side` pixels."""
    return f'<img alt="" src="{data_uri(image, max_side)}">'


def data_uri(image: Image.Image, max_side: int) -> str:
    """The image as a JPEG inside an address."""
    small = image.copy()
    small.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=80)
    return jpeg_uri(buffer.getvalue())


def jpeg_uri(file: bytes) -> str:
    """A JPEG file inside an address."""
    return f"data:image/jpeg;base64,{base64.b64encode(file).decode()}"
