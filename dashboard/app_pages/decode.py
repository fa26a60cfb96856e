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
from decode import distributions, independent, search_tree, step_view


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
    """Everything that depends on the chosen path; choosing another reruns only this."""
    paths = range(len(trace.paths))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"The {len(paths)} most probable sequences found" if len(paths) > 1 else "The only sequence found",
            width="content",
            help="The label sequences that the beam search finished, with their probabilities. Choose another one to "
            "see its labels, maps and steps.",
        )
        chosen = st.selectbox(
            "Path",
            paths,
            key=address.keep("path", paths, 0, scope=step_view.search(trace)),
            format_func=lambda index: _path_name(trace, trace.paths[index]),
            label_visibility="collapsed",
        )
    step_view.show(checkpoint, image, trace, chosen)
    search_tree.show(trace, chosen, controls.dark())
    path = trace.paths[chosen]
    contributions = state.prefix_contribution(checkpoint, image, path.tokens)
    distributions.show(trace, path, contributions, controls.dark())


def _path_name(trace: Trace, path: Path) -> str:
    return f"{percent(path.prob)}   {' → '.join(trace.choices(path))}"


page()
