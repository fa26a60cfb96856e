"""Decode: why these labels? One image, its labels, the beam that found them, and a map for every step."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

import controls
import shown
import state
from cnnrnn.attribution.explain import Explanation
from cnnrnn.attribution.methods import METHODS
from cnnrnn.attribution.targets import TARGETS
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.models.vocabulary import END_NAME
from views import bars, decoded, tree
from views.style import CHART, badge, markdown, percent

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_CONTRAST = "contrast"
_SHOWS = {
    "log-odds": "what speaks for the step's choice against all else it could have said, its log-odds",
    "log-probability": "what raises the log-probability of the step's choice, which fades where the choice is sure",
    "logit": "what raises the logit of the step's choice, whatever the other labels have",
    "against END and the runner-up": "what speaks for the step's choice, not for END nor the next best label",
}


def page() -> None:
    _, checkpoint = controls.chosen_sequence_model()
    beam = controls.beam()
    image = controls.image()
    trace = state.trace(checkpoint, image, beam)
    _inspect(checkpoint, image, trace)


def _choose_maps(checkpoint: Checkpoint) -> tuple[state.Maps, str]:
    """How the maps are made and drawn, and in words what they show."""
    with st.popover("Maps", icon=":material/tune:"):
        method = st.selectbox(
            "Maps by",
            list(METHODS),
            key="method",
            bind="query-params",
            help="How the evidence for a step's choice is spread over the image.",
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
    return state.Maps(str(method), target, opacity, floor), shows


@st.fragment
def _inspect(checkpoint: Checkpoint, image: state.InputImage, trace: Trace) -> None:
    """Everything that follows the chosen path, step and maps; choosing others reruns only this."""
    chosen = _chosen(trace)
    maps, shows = _choose_maps(checkpoint)
    path = trace.paths[chosen]
    explanation = state.explanation(checkpoint, image, path.tokens, maps)
    dark = controls.dark()
    drawn = state.drawn(checkpoint, image, path.tokens, maps)
    _answer(image, trace, path, explanation, maps, drawn, dark)
    _search(trace, chosen, dark)
    worth = state.prefix_contribution(checkpoint, image, path.tokens)
    _steps(trace, path, explanation, shows, drawn, worth, dark)
    _keep(image, trace, chosen, f"Maps ({maps.method}) show {shows}. Bright is more, all on one scale.", drawn)


def _chosen(trace: Trace) -> int:
    """Index of the chosen path; the address names it. The best path and no step for a new image, model or beam."""
    session = st.session_state
    search = (trace.beam, trace.labels, trace.paths)
    if session.get("search") != search or "path" not in session:
        linked = "search" not in session  # a session's first run: what its link says
        session.path = _addressed("path", len(trace.paths)) if linked else 0
        session.step = _addressed("step", len(trace.paths[session.path].tokens) + 2) if linked else 0
        session.search = search
    _address("path")
    return int(session.path)


def _step_looked_at(last: int) -> int:
    """The step whose map lies over the image, 0 for none; the address names it."""
    session = st.session_state
    if session.get("step") is None or session.step > last:
        session.step = 0
    _address("step")
    return int(session.step)


def _address(name: str) -> None:
    """A link to what is chosen now."""
    if st.session_state[name]:
        st.query_params[name] = str(st.session_state[name])
    elif name in st.query_params:
        del st.query_params[name]


def _addressed(name: str, below: int) -> int:
    """A number in the address, if it is one and can be."""
    value = st.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and int(value) < below else 0


def _answer(
    image: state.InputImage,
    trace: Trace,
    path: Path,
    explanation: Explanation,
    maps: state.Maps,
    drawn: list[bytes],
    dark: bool,
) -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        _image(image, trace.choices(path), explanation, maps, drawn)
    with right:
        best = path is trace.paths[0]
        st.subheader("Its labels" if best else "The chosen path's labels")
        if path.tokens:
            with st.container(horizontal=True):
                for name in trace.names(path.tokens):
                    st.badge(badge(name), color="orange", width="content")
        else:
            st.markdown("*None: END is emitted first.*")
        if image.truth is not None:
            st.markdown(f"Truth: **{markdown(', '.join(image.truth) or 'no label')}**")
        one, two = st.columns(2)
        one.metric("Probability of this path", percent(path.prob), help="Of this sequence of labels and END.")
        two.metric("Search coverage", percent(trace.coverage), help="Probability of all sequences the search closed.")
        st.markdown("**Probability that a label is emitted at all** (✓ on the chosen path)")
        st.plotly_chart(
            bars.marginals(trace, path, dark),
            config=CHART,
            key="marginals",
            alt="Bars: the most probable labels of the image, in the table below as numbers",
        )


@st.fragment
def _image(
    image: state.InputImage,
    choices: list[str],
    explanation: Explanation,
    maps: state.Maps,
    drawn: list[bytes],
) -> None:
    """The image, with the map of the step that is looked at, and what chooses the step; another reruns only this."""
    step = _step_looked_at(len(choices))
    looked_at: Image.Image | bytes = image.pixels
    alt = f"The image {image.name}"
    place = st.empty()
    st.segmented_control(
        "Look at",
        range(len(choices) + 1),
        key="step",
        required=True,
        wrap=True,
        format_func=lambda number: f"{number} · {choices[number - 1]}" if number else "image",
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
        looked_at = drawn[step - 1]
        if less:
            values = explanation.maps[step - 1] - explanation.maps[less - 1].clamp(min=0)
            looked_at = state.draw(image, values, explanation.scale, maps)
        alt = f"The image {image.name} with the evidence of step {step}"
    place.image(looked_at, width="stretch", alt=alt, output_format="JPEG")
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

    def rows() -> Styler:
        formats = {"this choice": "{:.2%}", "whole path": "{:.2%}", "log-probability": "{:.2f}"}
        return pd.DataFrame(tree.rows(trace, min_prob)).style.format(formats)

    shown.table("The tree as a table", "tree_table", rows)


def _steps(
    trace: Trace,
    path: Path,
    explanation: Explanation,
    shows: str,
    drawn: list[bytes],
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
        f"Maps ({explanation.method}) show {markdown(shows)}. Bright is more, all on one scale: a dark map is "
        "weak evidence. Bars show what the step chose from, given the labels before it (✓ its choice); “labels before "
        "it” is what they add to the choice's log-odds, in nats, compared with saying it first."
    )
    shown.table("The same as a table", "steps_table", lambda: _distributions(trace, path), hide_index=False)


def _distributions(trace: Trace, path: Path) -> Styler:
    """What every step chose from, and what is emitted at all."""
    names = trace.choices(path)
    probs = np.stack([trace.distribution(path, step) for step in range(len(names))], axis=1)  # (L+1, step)
    columns = [f"{step + 1}: {name}" for step, name in enumerate(names)]
    table = pd.DataFrame(100 * probs, index=[*trace.labels, trace.name(trace.end)], columns=columns)
    table.insert(0, "emitted at all", [*(100 * trace.marginals), 100 * trace.coverage])
    return table.sort_values("emitted at all", ascending=False).style.format("{:.2f} %")


def _step(trace: Trace, path: Path, step: int, drawn: bytes, strength: float, worth: float, dark: bool) -> None:
    """`strength` is the step's strongest evidence, as a share of the scale."""
    name = trace.name(path.token(step, trace.end))
    st.markdown(f"**{step + 1} · {markdown(name)}**")
    st.image(
        drawn,
        width="stretch",
        output_format="JPEG",
        alt=f"Evidence for {name} at step {step + 1}, over the image",
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


def _keep(image: state.InputImage, trace: Trace, chosen: int, explained: str, drawn: list[bytes]) -> None:
    """Downloads, made only when they are asked for; `explained` says what the maps show."""
    st.subheader("Keep it")
    stem = image.name.rsplit(".", 1)[0]
    captions = [f"{step} · {name}" for step, name in enumerate(trace.choices(trace.paths[chosen]), start=1)]

    def opened() -> list[Image.Image]:
        return [Image.open(io.BytesIO(one)) for one in drawn]

    def report() -> str:
        return decoded.report(image.name, image.pixels, trace, chosen, opened(), explained)

    def sheet() -> bytes:
        buffer = io.BytesIO()
        decoded.strip(opened(), captions).save(buffer, "PNG")
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
