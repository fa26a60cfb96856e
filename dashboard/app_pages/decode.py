"""Decode: why these labels? One picture, its labels, the beam that found them, and a map for every step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

import controls
import state
from cnnrnn.attribution import METHODS, Explanation
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding import Path, Trace
from cnnrnn.overlay import overlay
from views import bars, tree
from views.style import CHART, markdown, percent


def page() -> None:
    st.title("Why these labels?")
    st.markdown(
        "A CNN-RNN names a picture's labels one after the other and then says END. Choose a picture: you see the "
        "sequences it considered, what it picked from at each step, and where in the picture it found the evidence."
    )
    _, checkpoint = controls.chosen_checkpoint()
    beam = controls.beam()
    method = st.sidebar.selectbox(
        "Maps by",
        list(METHODS),
        key="method",
        bind="query-params",
        help="How the evidence for a step's choice is spread over the picture.",
    )
    picture = controls.picture()
    trace = state.trace(checkpoint, picture, beam)
    _inspect(checkpoint, picture, trace, method)


@st.fragment
def _inspect(checkpoint: Checkpoint, picture: state.Picture, trace: Trace, method: str) -> None:
    """Everything that follows the chosen path; choosing another one reruns only this."""
    chosen = _chosen_path(trace)
    path = trace.paths[chosen]
    explanation = state.explanation(checkpoint, picture, path.tokens, method)
    dark = controls.dark()
    _answer(picture, trace, path, dark)
    _search(trace, chosen, dark)
    _steps(picture, trace, path, explanation, dark)


def _chosen_path(trace: Trace) -> int:
    """Index of the chosen path; the best one for a new picture, model or beam."""
    search = (trace.beam, trace.labels, trace.paths)
    if st.session_state.get("search") != search:
        st.session_state.update(search=search, path=0)
    return int(st.session_state.path)


def _answer(picture: state.Picture, trace: Trace, path: Path, dark: bool) -> None:
    left, right = st.columns([2, 3], gap="large")
    left.image(picture.image, width="stretch", alt=f"The picture {picture.name}")
    with right:
        best = path is trace.paths[0]
        st.subheader("Its labels" if best else "The chosen path's labels")
        if path.tokens:
            with st.container(horizontal=True):
                for name in trace.names(path.tokens):
                    st.badge(markdown(name), color="orange", width="content")
        else:
            st.markdown("*None: END is emitted first.*")
        one, two = st.columns(2)
        one.metric("Probability of this path", percent(path.prob), help="Of this sequence of labels and END.")
        two.metric("Search coverage", percent(trace.coverage), help="Probability of all sequences the search closed.")
        st.markdown("**Probability that a label is emitted at all** (✓ on the chosen path)")
        st.plotly_chart(
            bars.marginals(trace, path, dark),
            config=CHART,
            key="marginals",
            alt="Bars: the most probable labels of the picture, in the table below as numbers",
        )


def _search(trace: Trace, chosen: int, dark: bool) -> None:
    st.subheader("How the beam got there")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.selectbox(
        "Path",
        range(len(trace.paths)),
        key="path",
        format_func=lambda index: _path_name(trace, trace.paths[index]),
        help="The finished paths the search kept, best first. A click on a point of the tree chooses one, too.",
    )
    rare = right.toggle("Show branches below 1 %", key="rare")

    def follow_click() -> None:
        points = st.session_state.tree["selection"]["points"]
        if points and points[0]["customdata"] >= 0:
            st.session_state.path = points[0]["customdata"]

    st.plotly_chart(
        tree.figure(trace, chosen, dark, 0.0005 if rare else 0.01),
        config=CHART,
        key="tree",
        on_select=follow_click,
        selection_mode="points",
        alt="Tree of the label sequences the beam search kept, finished and dropped, step by step",
    )
    st.caption(
        "● kept in the beam · ■ finished with END · ✕ dropped. A thicker line is a more probable choice. Hover for "
        "probabilities and for what a dropped branch lost to; click a point to follow its best finished path."
    )


def _steps(picture: state.Picture, trace: Trace, path: Path, explanation: Explanation, dark: bool) -> None:
    st.subheader("Step by step")
    maps, scale = explanation.maps.cpu().numpy(), explanation.scale  # (step, height, width)
    names = trace.choices(path)
    a_row = min(max(len(maps), 3), 4)
    for start in range(0, len(maps), a_row):
        for step, column in enumerate(st.columns(a_row), start=start):
            if step < len(maps):
                with column:
                    _step(picture, trace, path, step, maps[step], scale, dark)
    st.caption(
        f"Maps ({explanation.method}) show what speaks for the step's choice against all else it could have said, its "
        "log-odds. Bright is more, all on one scale: a dark map is weak evidence. Bars show what the step chose from, "
        "given the labels before it (✓ its choice)."
    )
    with st.expander("The same as a table"):
        probs = np.stack([trace.distribution(path, step) for step in range(len(maps))], axis=1)  # (L+1, step)
        columns = [f"{step + 1}: {name}" for step, name in enumerate(names)]
        table = pd.DataFrame(100 * probs, index=[*trace.labels, trace.name(trace.end)], columns=columns)
        table.insert(0, "emitted at all", [*(100 * trace.marginals), 100 * trace.coverage])
        st.dataframe(table.sort_values("emitted at all", ascending=False).style.format("{:.2f} %"))


def _step(
    picture: state.Picture, trace: Trace, path: Path, step: int, values: np.ndarray, scale: float, dark: bool
) -> None:
    name = trace.name(path.token(step, trace.end))
    st.markdown(f"**{step + 1} · {markdown(name)}**")
    st.image(
        overlay(picture.image, values, scale),
        width="stretch",
        output_format="JPEG",
        alt=f"Evidence for {name} at step {step + 1}, over the picture",
    )
    strength = float(values.max()) / scale if scale > 0 else 0.0
    st.caption(f"evidence up to {percent(strength)} of the scale" if strength > 0 else "no positive evidence")
    st.plotly_chart(
        bars.step_distribution(trace, path, step, dark),
        config=CHART,
        key=f"step-{step}",
        alt=f"Bars: what step {step + 1} chose from, in the table below as numbers",
    )


def _path_name(trace: Trace, path: Path) -> str:
    return f"{percent(path.prob)}   {' → '.join(trace.choices(path))}"


page()
