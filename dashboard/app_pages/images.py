"""Images: all images of the session with their predicted labels, as a table to sort, download and open from."""

from __future__ import annotations

import json
from functools import partial

import pandas as pd
import streamlit as st

import controls
import image_files
import state
import tray
import widgets
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.trace import Trace
from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.utils.style import percent
from views.style import markdown, spreadsheet

_MOST = 5  # labels that are listed with their probabilities
_LIKELY = 0.01


def page() -> None:
    name, checkpoint = controls.chosen_checkpoint()
    beam = controls.beam()
    tray.uploader()
    tray.show_errors()
    images = tray.images()
    if not images:
        st.info(
            "Drop images here: each gets a row with its labels. One that was uploaded on another page is here as well.",
            icon=":material/photo_library:",
        )
        st.button(f"Try the {len(image_files.samples())} samples", icon=":material/play_arrow:", on_click=_add_samples)
        return
    traces = _predict(checkpoint, images, beam)
    rows = [_row(image, trace) for image, trace in zip(images, traces, strict=True)]
    for image, trace in zip(images, traces, strict=True):
        tray.remember_labels(image, trace.names(trace.paths[0].tokens))
    table, is_rnn = pd.DataFrame(rows), isinstance(checkpoint.model, CNNRNN)
    _downloads(name, images, traces, table)
    chosen = widgets.image_table(
        table.assign(probability=100 * table["probability"]),
        [image_files.thumbnail(image) for image in images],
        key="images_table",
        columns={
            "labels": st.column_config.TextColumn(width="medium"),
            "probability": st.column_config.ProgressColumn(
                "this sequence" if is_rnn else "these labels",
                format="%.1f%%",
                min_value=0,
                max_value=100,
                width="small",
                help="The probability of the label sequence in this order, followed by END." if is_rnn else None,
            ),
            "most probable": st.column_config.TextColumn("most probable labels", width="large"),
        },
    )
    st.caption("A click on the box before a row chooses its image; a click on a heading sorts.")
    if chosen is not None:
        image = images[chosen]
        if st.button(f"Open {markdown(image.name)} in Decode", type="primary"):
            tray.select(image)
            st.switch_page("app_pages/decode.py")


def _add_samples() -> None:
    tray.read([(title, partial(image_files.open_sample, title)) for title in image_files.samples()])


def _predict(checkpoint: Checkpoint, images: list[image_files.InputImage], beam: int) -> list[Trace]:
    with st.empty():
        traces = []
        for number, image in enumerate(images):
            st.progress(number / len(images), f"{number} of {len(images)} images")
            traces.append(state.predict(checkpoint, image, beam))
        st.markdown("")
    return traces


def _row(image: image_files.InputImage, trace: Trace) -> dict[str, object]:
    ranked = sorted(zip(trace.probabilities.tolist(), trace.labels, strict=True), reverse=True)[:_MOST]
    return {
        "name": image.name,
        "labels": ", ".join(trace.names(trace.paths[0].tokens)) or "no label",
        "probability": trace.paths[0].prob,
        "most probable": ", ".join(f"{label} {percent(prob)}" for prob, label in ranked if prob >= _LIKELY),
    }


def _downloads(name: str, images: list[image_files.InputImage], traces: list[Trace], table: pd.DataFrame) -> None:
    def as_json() -> str:
        found = [{"image": image.name, **trace.summary()} for image, trace in zip(images, traces, strict=True)]
        return json.dumps({"checkpoint": name, "images": found}, ensure_ascii=False, indent=1)

    with st.container(horizontal=True):
        st.download_button(
            "CSV", lambda: spreadsheet(table), "labels.csv", "text/csv", icon=":material/download:", on_click="ignore"
        )
        st.download_button(
            "JSON", as_json, "labels.json", "application/json", icon=":material/download:", on_click="ignore"
        )


page()
