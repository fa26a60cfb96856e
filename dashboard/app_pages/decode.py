"""Decode: one image, its predicted labels, the beam search that found them, and a map for every step."""

from __future__ import annotations

import streamlit as st

import controls
import state
import tray
import widgets
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
def _decoded_image(checkpoint: Checkpoint, image: state.InputImage, trace: Trace) -> None:
    """Everything that depends on the chosen path, step and maps; choosing others reruns only this."""
    chosen = _chosen_path(trace)
    with st.container(horizontal=True, key="toolbar"):
        st.selectbox(
            "Path",
            range(len(trace.paths)),
            key="path",
            format_func=lambda index: _path_name(trace, trace.paths[index]),
            label_visibility="collapsed",
        )
        maps, explained = map_settings.choose(checkpoint)
        path = trace.paths[chosen]
        view = step_view.View(checkpoint, image, trace, path, maps)
        export.show(view, chosen, explained)
    step_view.show(view)
    search_tree.show(trace, chosen, controls.dark())
    contributions = state.prefix_contribution(checkpoint, image, path.tokens)
    distributions.show(trace, path, contributions, explained, controls.dark())


def _chosen_path(trace: Trace) -> int:
    """Index of the chosen path, which the URL contains. A new image, model or beam resets it to the best path."""
    session = st.session_state
    search = (trace.beam, trace.labels, trace.paths)
    if "search" not in session:  # a session's first run follows its link
        session.path = _read_query_param("path", len(trace.paths))
        session.step = _read_query_param("step", len(trace.paths[session.path].tokens) + 2)
    elif session.search != search:
        session.path = session.step = 0
    elif "path" not in session:  # back from another page: streamlit forgets a widget that isn't drawn
        session.path = session.kept_path
    session.search, session.kept_path = search, session.path
    widgets.write_query_param("path")
    return int(session.path)


def _read_query_param(name: str, below: int) -> int:
    """A number in the URL; 0 if it is missing, invalid or not less than `below`."""
    value = st.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and int(value) < below else 0


def _path_name(trace: Trace, path: Path) -> str:
    return f"{percent(path.prob)}   {' → '.join(trace.choices(path))}"


page()
