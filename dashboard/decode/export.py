"""The popover "Export": files of a decoded image, each made when it is downloaded."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Literal

import streamlit as st
from PIL import Image

from cnnrnn.decoding import tree
from cnnrnn.utils.style import percent
from decode.view import View
from views import decode_report, tree_image
from views.style import markdown


def show(view: View, chosen: int, explained: str) -> None:
    """`chosen` is the index of the view's path; `explained` says what the maps show."""
    stem = view.image.name.rsplit(".", 1)[0]
    button = partial(st.download_button, on_click="ignore", icon=":material/download:", width="stretch")
    with st.popover("Export", icon=":material/download:"):
        button(
            "Report (HTML)",
            _report(view, chosen, explained),
            f"{stem}.html",
            "text/html",
            help="One file that opens offline.",
        )
        _maps(view, stem, button)
        button("Tree (SVG)", _tree(view, chosen, "svg"), f"{stem}-tree.svg", "image/svg+xml", help="To be edited.")
        button("Tree (PNG)", _tree(view, chosen, "png"), f"{stem}-tree.png", "image/png")
        button(
            "Trace (JSON)",
            lambda: json.dumps(view.trace.to_json(), ensure_ascii=False),
            f"{stem}-trace.json",
            "application/json",
        )


def _maps(view: View, stem: str, button: Callable[..., bool]) -> None:
    """The maps as one image and as animations."""
    captions = [f"{step} · {name}" for step, name in enumerate(view.choices, start=1)]

    def map_strip() -> bytes:
        buffer = io.BytesIO()
        decode_report.map_strip(_opened(view), captions).save(buffer, "PNG")
        return buffer.getvalue()

    def animation(kind: Literal["gif", "webp"]) -> bytes:
        return decode_report.animation(_opened(view), captions, kind)

    button("Maps (PNG)", map_strip, f"{stem}-maps.png", "image/png")
    button("Animation (GIF)", partial(animation, "gif"), f"{stem}-maps.gif", "image/gif", help="For slides.")
    button("Animation (WebP)", partial(animation, "webp"), f"{stem}-maps.webp", "image/webp", help="In full color.")
    if missing := decode_report.missing_characters(captions):
        st.caption(f"No font here has {markdown(missing)}; the images have ? instead. Install Noto Sans.")


def _opened(view: View) -> list[Image.Image]:
    return [Image.open(io.BytesIO(overlay)) for overlay in view.overlays]


def _report(view: View, chosen: int, explained: str) -> Callable[[], str]:
    image, facts = view.image, _facts(view)  # now: a download is made outside the session
    return lambda: decode_report.report(image.name, image.pixels, view.trace, chosen, _opened(view), explained, facts)


def _tree(view: View, chosen: int, kind: Literal["svg", "png"]) -> Callable[[], bytes]:
    """The tree as the page shows it first, folded."""

    def draw() -> bytes:
        root, _ = tree.fold(tree.build(view.trace, tree.MIN_PROB), view.path, chosen)
        return tree_image.draw(tree.figure(view.trace, chosen, False, tree.MIN_PROB, root), kind)

    return draw


def _facts(view: View) -> dict[str, str]:
    """What the result depends on."""
    return {
        "checkpoint": str(st.session_state.checkpoint),
        "weights, SHA-256": view.checkpoint.weights_hash,
        "image, SHA-256": view.image.digest,
        "beam width": str(view.trace.beam),
        "temperature": f"{view.checkpoint.rnn.config.temperature:g}",
        "evidence of each step, compared with the strongest": ", ".join(map(percent, view.explanation.strengths)),
        "cnnrnn": version("cnnrnn"),
    }
