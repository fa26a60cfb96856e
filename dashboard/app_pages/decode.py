"""Decode: why these labels? One picture, its labels, the beam that found them, and a map for every step."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

import controls
import state
from cnnrnn.attribution import METHODS, TARGETS, Explanation
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding import Path, Trace
from cnnrnn.overlay import overlay
from cnnrnn.vocabulary import END_NAME
from views import bars, decoded, tree
from views.style import CHART, markdown, percent

_CONTRAST = "contrast"
_SHOWS = {
    "log-odds": "what speaks for the step's choice against all else it could have said, its log-odds",
    "log-probability": "what raises the log-probability of the step's choice, which fades where the choice is sure",
    "logit": "what raises the logit of the step's choice, whatever the other labels have",
}


@dataclass(frozen=True)
class Maps:
    """What the maps show and how they are drawn: the sidebar's choices."""

    method: str
    target: str | int  # a key of TARGETS, or the rival of a contrast
    shows: str  # in words
    opacity: float
    floor: float  # share of the scale below which evidence is left out

    def draw(self, picture: Image.Image, values: np.ndarray, scale: float) -> Image.Image:
        return overlay(picture, values, scale, self.opacity, self.floor)


def page() -> None:
    st.title("Why these labels?")
    st.markdown(
        "A CNN-RNN names a picture's labels one after the other and then says END. Choose a picture: you see the "
        "sequences it considered, what it picked from at each step, and where in the picture it found the evidence."
    )
    _, checkpoint = controls.chosen_sequence_model()
    beam = controls.beam()
    maps = _choose_maps(checkpoint)
    picture = controls.picture()
    trace = state.trace(checkpoint, picture, beam)
    _inspect(checkpoint, picture, trace, maps)


def _choose_maps(checkpoint: Checkpoint) -> Maps:
    with st.sidebar:
        method = st.selectbox(
            "Maps by",
            list(METHODS),
            key="method",
            bind="query-params",
            help="How the evidence for a step's choice is spread over the picture.",
        )
        target: str | int = st.selectbox(
            "Maps explain",
            [*TARGETS, _CONTRAST],
            key="target",
            bind="query-params",
            help="Contrast asks: why this label, and not that one?",
        )
        shows = _SHOWS.get(str(target), "")
        if target == _CONTRAST:
            names = [*checkpoint.vocabulary.labels, END_NAME]
            target = st.selectbox("and not", range(len(names)), key="rival", format_func=names.__getitem__)
            shows = f"what speaks for the step's choice and not for {names[target]}"
        opacity = st.slider("Opacity of the maps", 0.1, 1.0, 0.65, 0.05, key="opacity")
        floor = st.slider(
            "Leave out evidence below", 0.0, 0.9, 0.0, 0.05, key="floor", format="percent", help="Of the common scale."
        )
    return Maps(str(method), target, shows, opacity, floor)


@st.fragment
def _inspect(checkpoint: Checkpoint, picture: state.Picture, trace: Trace, maps: Maps) -> None:
    """Everything that follows the chosen path and step; choosing others reruns only this."""
    chosen, step = _chosen(trace)
    path = trace.paths[chosen]
    explanation = state.explanation(checkpoint, picture, path.tokens, maps.method, maps.target)
    dark = controls.dark()
    drawn = [maps.draw(picture.image, values, explanation.scale) for values in explanation.maps.cpu().numpy()]
    _answer(picture, trace, path, step, explanation, maps, drawn, dark)
    _search(trace, chosen, dark)
    worth = state.worth_of_labels_before(checkpoint, picture, path.tokens)
    _steps(trace, path, explanation, maps, drawn, worth, dark)
    _keep(picture, trace, chosen, explanation, maps, drawn)


def _chosen(trace: Trace) -> tuple[int, int]:
    """Index of the chosen path, and the step that is looked at, 0 for none; the address names both.

    The best path and no step for a new picture, model or beam.
    """
    session = st.session_state
    search = (trace.beam, trace.labels, trace.paths)
    if session.get("search") != search or "path" not in session:
        linked = "search" not in session  # a session's first run: what its link says
        session.path = _addressed("path", len(trace.paths)) if linked else 0
        session.step = _addressed("step", len(trace.paths[session.path].tokens) + 2) if linked else 0
        session.search = search
    last = len(trace.paths[session.path].tokens) + 1
    if session.get("step") is None or session.step > last:
        session.step = 0
    for name in ("path", "step"):
        if session[name]:
            st.query_params[name] = str(session[name])
        elif name in st.query_params:
            del st.query_params[name]
    return int(session.path), int(session.step)


def _addressed(name: str, below: int) -> int:
    """A number in the address, if it is one and can be."""
    value = st.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and int(value) < below else 0


def _answer(
    picture: state.Picture,
    trace: Trace,
    path: Path,
    step: int,
    explanation: Explanation,
    maps: Maps,
    drawn: list[Image.Image],
    dark: bool,
) -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        _picture(picture, trace.choices(path), step, explanation, maps, drawn)
    with right:
        best = path is trace.paths[0]
        st.subheader("Its labels" if best else "The chosen path's labels")
        if path.tokens:
            with st.container(horizontal=True):
                for name in trace.names(path.tokens):
                    st.badge(markdown(name), color="orange", width="content")
        else:
            st.markdown("*None: END is emitted first.*")
        if picture.truth is not None:
            st.markdown(f"Truth: **{markdown(', '.join(picture.truth) or 'no label')}**")
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


def _picture(
    picture: state.Picture,
    choices: list[str],
    step: int,
    explanation: Explanation,
    maps: Maps,
    drawn: list[Image.Image],
) -> None:
    """The picture, with the map of the step that is looked at, and what chooses the step."""
    shown, alt = picture.image, f"The picture {picture.name}"
    place = st.empty()
    st.segmented_control(
        "Look at",
        range(len(choices) + 1),
        key="step",
        required=True,
        wrap=True,
        format_func=lambda number: f"{number} · {choices[number - 1]}" if number else "picture",
        help="The arrow keys ← and → go from step to step.",
    )
    if step:
        others = [None, *(number for number in range(1, len(choices) + 1) if number != step)]
        less = st.selectbox(
            "less the map of",
            others,
            key=f"less_{step}",
            format_func=lambda number: f"{number} · {choices[number - 1]}" if number else "no other step",
            help="What this step looks at more than the other one.",
        )
        shown = drawn[step - 1]
        if less:
            values = explanation.maps[step - 1] - explanation.maps[less - 1].clamp(min=0)
            shown = maps.draw(picture.image, values.cpu().numpy(), explanation.scale)
        alt = f"The picture {picture.name} with the evidence of step {step}"
    place.image(shown, width="stretch", alt=alt, output_format="JPEG")
    back, on = st.columns(2)
    back.button("Step back", shortcut="Left", on_click=_go, args=(-1, len(choices)), width="stretch")
    on.button("Next step", shortcut="Right", on_click=_go, args=(1, len(choices)), width="stretch")


def _go(by: int, last: int) -> None:
    st.session_state.step = min(max(st.session_state.step + by, 0), last)


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
    min_prob = 0.0005 if rare else 0.01

    def follow_click() -> None:
        points = st.session_state.tree["selection"]["points"]
        if points and points[0]["customdata"] >= 0:
            st.session_state.path = points[0]["customdata"]

    st.plotly_chart(
        tree.figure(trace, chosen, dark, min_prob),
        config=CHART,
        key="tree",
        on_select=follow_click,
        selection_mode="points",
        alt="Tree of the label sequences the beam search kept, finished and dropped, in the table below as numbers",
    )
    st.caption(
        "● kept in the beam · ■ finished with END · ✕ dropped. A thicker line is a more probable choice. Hover for "
        "probabilities and for what a dropped branch lost to; click a point to follow its best finished path."
    )
    with st.expander("The tree as a table"):
        table = pd.DataFrame(tree.rows(trace, min_prob))
        formats = {"this choice": "{:.2%}", "whole path": "{:.2%}", "log-probability": "{:.2f}"}
        st.dataframe(table.style.format(formats), hide_index=True)


def _steps(
    trace: Trace,
    path: Path,
    explanation: Explanation,
    maps: Maps,
    drawn: list[Image.Image],
    worth: Sequence[float],
    dark: bool,
) -> None:
    st.subheader("Step by step")
    strengths = (explanation.maps.amax(dim=(1, 2)) / explanation.scale).tolist() if explanation.scale else None
    a_row = min(max(len(drawn), 3), 4)
    for start in range(0, len(drawn), a_row):
        for step, column in enumerate(st.columns(a_row), start=start):
            if step < len(drawn):
                with column:
                    strength = strengths[step] if strengths else 0.0
                    _step(trace, path, step, drawn[step], strength, worth[step], dark)
    st.caption(
        f"Maps ({explanation.method}) show {markdown(maps.shows)}. Bright is more, all on one scale: a dark map is "
        "weak evidence. Bars show what the step chose from, given the labels before it (✓ its choice); “labels before "
        "it” is what they add to the choice's log-odds, in nats, compared with saying it first."
    )
    with st.expander("The same as a table"):
        names = trace.choices(path)
        probs = np.stack([trace.distribution(path, step) for step in range(len(drawn))], axis=1)  # (L+1, step)
        columns = [f"{step + 1}: {name}" for step, name in enumerate(names)]
        table = pd.DataFrame(100 * probs, index=[*trace.labels, trace.name(trace.end)], columns=columns)
        table.insert(0, "emitted at all", [*(100 * trace.marginals), 100 * trace.coverage])
        st.dataframe(table.sort_values("emitted at all", ascending=False).style.format("{:.2f} %"))


def _step(trace: Trace, path: Path, step: int, drawn: Image.Image, strength: float, worth: float, dark: bool) -> None:
    """`strength` is the step's strongest evidence, as a share of the scale."""
    name = trace.name(path.token(step, trace.end))
    st.markdown(f"**{step + 1} · {markdown(name)}**")
    st.image(
        drawn,
        width="stretch",
        output_format="JPEG",
        alt=f"Evidence for {name} at step {step + 1}, over the picture",
    )
    found = f"evidence up to {percent(strength)} of the scale" if strength > 0 else "no positive evidence"
    end = float(trace.distribution(path, step)[trace.end])
    st.caption(" · ".join([found, f"END {percent(end)}", *([f"labels before it {worth:+.1f} nats"] if step else [])]))
    st.plotly_chart(
        bars.step_distribution(trace, path, step, dark),
        config=CHART,
        key=f"step-{step}",
        alt=f"Bars: what step {step + 1} chose from, in the table below as numbers",
    )


def _keep(
    picture: state.Picture,
    trace: Trace,
    chosen: int,
    explanation: Explanation,
    maps: Maps,
    drawn: list[Image.Image],
) -> None:
    """Downloads, made only when they are asked for."""
    st.subheader("Keep it")
    stem = picture.name.rsplit(".", 1)[0]
    captions = [f"{step} · {name}" for step, name in enumerate(trace.choices(trace.paths[chosen]), start=1)]

    def report() -> str:
        explained = f"Maps ({explanation.method}) show {maps.shows}. Bright is more, all on one scale."
        return decoded.report(picture.name, picture.image, trace, chosen, drawn, explained)

    def sheet() -> bytes:
        buffer = io.BytesIO()
        decoded.strip(drawn, captions).save(buffer, "PNG")
        return buffer.getvalue()

    button = partial(st.download_button, on_click="ignore", icon=":material/download:")
    with st.container(horizontal=True):
        button("Report (HTML)", report, f"{stem}.html", "text/html", help="One file that opens offline.")
        button("Maps (PNG)", sheet, f"{stem}-maps.png", "image/png")
        button(
            "Search (JSON)",
            lambda: json.dumps(trace.to_json(), ensure_ascii=False),
            f"{stem}-trace.json",
            "application/json",
        )


def _path_name(trace: Trace, path: Path) -> str:
    return f"{percent(path.prob)}   {' → '.join(trace.choices(path))}"


page()
