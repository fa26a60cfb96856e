"""Decode: one image, its predicted labels, the beam search that found them, and a map for every step."""

from __future__ import annotations

import streamlit as st

import address
import controls
import image_files
import state
import tray
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.utils.style import percent
from decode import distributions, export, independent, map_settings, search_tree, step_view


def page() -> None:
    _, checkpoint = controls.chosen_checkpoint()
    if isinstance(checkpoint.model, SigmoidClassifier):
        independent.show(checkpoint, controls.image())
        return
    beam = controls.beam()
    image = controls.image()
    trace = state.trace(checkpoint, image, beam)
    tray.remember_labels(image, trace.names(trace.paths[0].tokens))
    _decoded_image(checkpoint, image, trace)


@st.fragment
def _decoded_image(checkpoint: Checkpoint, image: image_files.InputImage, trace: Trace) -> None:
    """Everything that depends on the chosen path, step and maps; choosing others reruns only this."""
    paths = range(len(trace.paths))
    toolbar = st.container(horizontal=True, key="toolbar")
    with toolbar:
        chosen = st.selectbox(
            "Path",
            paths,
            key=address.keep("path", paths, 0, scope=step_view.search(trace)),
            format_func=lambda index: _path_name(trace, trace.paths[index]),
            label_visibility="collapsed",
        )
        maps, explained = map_settings.choose(checkpoint)
        path = trace.paths[chosen]
        view = step_view.View(checkpoint, image, trace, path, maps)
    step_view.show(view)
    with toolbar:
        export.show(view, chosen, explained)
    search_tree.show(trace, chosen, controls.dark())
    contributions = state.prefix_contribution(checkpoint, image, path.tokens)
    distributions.show(trace, path, contributions, explained, controls.dark())


def _path_name(trace: Trace, path: Path) -> str:
    return f"{percent(path.prob)}   {' → '.join(trace.choices(path))}"


page()
