"""A decoded image for export: one HTML file that opens offline, and its maps as one image or an animation."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from cnnrnn.decoding import tree
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils import webpage
from cnnrnn.utils.style import percent
from views import bars, fonts

_SIDE = 360  # pixels of one map
_CAPTION = 34  # pixels below it
_FONT_SIZE = 18
_DURATION = 1200  # milliseconds of a step in an animation


def report(
    name: str,
    image: Image.Image,
    trace: Trace,
    chosen: int,
    maps: Sequence[Image.Image],
    explained: str,
    facts: Mapping[str, str] | None = None,
) -> str:
    """The labels, their probabilities, the tree and the maps of the chosen path; `explained` says what the maps show.

    `facts` are what the result depends on, such as settings and hashes, by name. The figures use the light theme.
    """
    path = trace.paths[chosen]
    choices = trace.choices(path)
    captions = [
        f"{step} · {name}, {percent(float(trace.distribution(path, step - 1)[token]))}"
        for step, (name, token) in enumerate(zip(choices[:-1], path.tokens, strict=True), start=1)
    ]
    captions.append(f"{len(choices)} · {choices[-1]}, the whole path {percent(path.prob)}")
    figures = "".join(
        f"<figure>{webpage.image(overlay, 2 * _SIDE)}<figcaption>{html.escape(caption)}</figcaption></figure>"
        for overlay, caption in zip(maps, captions, strict=True)
    )
    parts = [
        f'<div class="images"><figure>{webpage.image(image, 2 * _SIDE)}</figure></div>',
        f"<p>{html.escape(' → '.join(choices))}: probability {percent(path.prob)}; the search with a "
        f"beam of {trace.beam} covers {percent(trace.coverage)} of the probability.</p>",
        "<h2>Probability of each label</h2>",
        webpage.figure(bars.label_probabilities(trace, path, dark=False), script=True),
        "<h2>Beam search</h2>",
        webpage.figure(tree.figure(trace, chosen, dark=False, min_prob=0.01)),
        f"<h2>Decoding steps</h2><p>{html.escape(explained)}</p>",
        f'<div class="images">{figures}</div>',
        "<h2>All labels</h2>",
        _table(trace),
        *([] if facts is None else ["<h2>Made with</h2>", _rows(facts)]),
    ]
    return webpage.page(f"{name}, decoded", "\n".join(parts))


def _rows(facts: Mapping[str, str]) -> str:
    cells = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table>{''.join(cells)}</table>"


def _table(trace: Trace) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(trace.labels[label])}</td><td>{percent(trace.probabilities[label])}</td></tr>"
        for label in np.argsort(-trace.probabilities, kind="stable")
    )
    return f"<table><tr><th>label</th><th>probability</th></tr>{rows}</table>"


def map_strip(maps: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """All maps of a path side by side, each with its caption below."""
    sheets = captioned(maps, captions)
    strip = Image.new("RGB", (sum(sheet.width for sheet in sheets), sheets[0].height), "white")
    left = 0
    for sheet in sheets:
        strip.paste(sheet, (left, 0))
        left += sheet.width
    return strip


def captioned(maps: Sequence[Image.Image], captions: Sequence[str], side: int = _SIDE) -> list[Image.Image]:
    """Small copies of the maps, of at most `side` pixels, on sheets of one height with the captions below."""
    thumbnails = []
    for overlay in maps:
        thumbnail = overlay.copy()
        thumbnail.thumbnail((side, side))
        thumbnails.append(thumbnail)
    height = max(thumbnail.height for thumbnail in thumbnails) + _CAPTION
    font, missing = fonts.font_for("".join(captions), _FONT_SIZE)
    marks = str.maketrans(dict.fromkeys(missing, "?"))
    sheets = []
    for thumbnail, caption in zip(thumbnails, captions, strict=True):
        sheet = Image.new("RGB", (thumbnail.width, height), "white")
        sheet.paste(thumbnail, (0, 0))
        ImageDraw.Draw(sheet).text((6, height - _CAPTION + 6), caption.translate(marks), fill="black", font=font)
        sheets.append(sheet)
    return sheets


def animation(maps: Sequence[Image.Image], captions: Sequence[str], kind: Literal["gif", "webp"]) -> bytes:
    """The maps of a path one after the other, each with its caption, as an animation that repeats itself."""
    first, *others = captioned(maps, captions, 2 * _SIDE)
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=others, duration=_DURATION, loop=0)
    return buffer.getvalue()


def missing_characters(captions: Sequence[str]) -> str:
    """The characters of the captions that no font of this machine has; `map_strip` draws a question mark for each."""
    return fonts.font_for("".join(captions), _FONT_SIZE)[1]
