"""A decoded image to keep: one HTML file that opens offline, and its maps as one image."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cnnrnn.decoding.trace import Trace
from cnnrnn.utils import webpage
from views import bars, tree
from views.style import percent

_SIDE = 360  # pixels of one map
_CAPTION = 34  # pixels below it


def report(
    name: str, image: Image.Image, trace: Trace, chosen: int, maps: Sequence[Image.Image], explained: str
) -> str:
    """The page: the labels, their probabilities, the tree and the chosen path's maps; `explained` says what they show.

    Figures are drawn for a light ground.
    """
    path = trace.paths[chosen]
    choices = trace.choices(path)
    captions = [
        f"{step + 1} · {choice}, {percent(float(trace.distribution(path, step)[path.token(step, trace.end)]))}"
        for step, choice in enumerate(choices)
    ]
    figures = "".join(
        f"<figure>{webpage.image(one, 2 * _SIDE)}<figcaption>{html.escape(caption)}</figcaption></figure>"
        for one, caption in zip(maps, captions, strict=True)
    )
    parts = [
        f'<div class="images"><figure>{webpage.image(image, 2 * _SIDE)}</figure></div>',
        f"<p>{html.escape(' → '.join(choices))}: {percent(path.prob)} of the probability; the search closed "
        f"{percent(trace.coverage)} of it with a beam of {trace.beam}.</p>",
        "<h2>Probability that a label is emitted at all</h2>",
        webpage.figure(bars.marginals(trace, path, dark=False), script=True),
        "<h2>How the beam got there</h2>",
        webpage.figure(tree.figure(trace, chosen, dark=False, min_prob=0.01)),
        f"<h2>Step by step</h2><p>{html.escape(explained)}</p>",
        f'<div class="images">{figures}</div>',
        "<h2>All labels</h2>",
        _table(trace),
    ]
    return webpage.page(f"{name}, decoded", "\n".join(parts))


def _table(trace: Trace) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(trace.labels[label])}</td><td>{100 * trace.marginals[label]:.2f} %</td></tr>"
        for label in np.argsort(-trace.marginals, kind="stable")
    )
    return f"<table><tr><th>label</th><th>probability</th></tr>{rows}</table>"


def strip(maps: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """All maps of a path side by side, each with its caption below."""
    small = []
    for one in maps:
        one = one.copy()
        one.thumbnail((_SIDE, _SIDE))
        small.append(one)
    height = max(one.height for one in small) + _CAPTION
    sheet = Image.new("RGB", (sum(one.width for one in small), height), "white")
    draw, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(size=18), 0
    for one, caption in zip(small, captions, strict=True):
        sheet.paste(one, (left, 0))
        draw.text((left + 6, height - _CAPTION + 6), caption, fill="black", font=font)
        left += one.width
    return sheet
