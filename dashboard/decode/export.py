"""The popover "Export": files of a decoded image, each made when it is downloaded."""

from __future__ import annotations

import io
import json
from functools import partial
from importlib.metadata import version

import streamlit as st
from PIL import Image

from cnnrnn.utils.style import percent
from decode.step_view import View
from views import decode_report
from views.style import markdown


def show(view: View, chosen: int, explained: str) -> None:
    """`chosen` is the index of the view's path; `explained` says what the maps show."""
    stem = view.image.name.rsplit(".", 1)[0]
    facts, overlays = _facts(view), view.overlays  # a download is made outside the session
    captions = [f"{step} · {name}" for step, name in enumerate(view.choices, start=1)]

    def maps() -> list[Image.Image]:
        return [Image.open(io.BytesIO(overlay)) for overlay in overlays]

    def report() -> str:
        image = view.image
        return decode_report.report(image.name, image.pixels, view.trace, chosen, maps(), explained, facts)

    def map_strip() -> bytes:
        buffer = io.BytesIO()
        decode_report.map_strip(maps(), captions).save(buffer, "PNG")
        return buffer.getvalue()

    button = partial(st.download_button, on_click="ignore", icon=":material/download:", width="stretch")
    with st.popover("Export", icon=":material/download:"):
        button("Report (HTML)", report, f"{stem}.html", "text/html", help="One file that opens offline.")
        button("Maps (PNG)", map_strip, f"{stem}-maps.png", "image/png")
        if missing := decode_report.missing_characters(captions):
            st.caption(f"No font here has {markdown(missing)}; the PNG has ? instead. Install Noto Sans.")
        button(
            "Trace (JSON)",
            lambda: json.dumps(view.trace.to_json(), ensure_ascii=False),
            f"{stem}-trace.json",
            "application/json",
        )


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
