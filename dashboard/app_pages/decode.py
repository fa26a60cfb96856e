"""Decode: one image, its predicted labels, the beam search that found them, and a map for every step."""

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
import state
import widgets
from cnnrnn.attribution.explain import Explanation
from cnnrnn.attribution.methods import METHODS
from cnnrnn.attribution.overlay import OPACITY
from cnnrnn.attribution.targets import TARGETS
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding import tree
from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.models.vocabulary import END_NAME
from cnnrnn.utils.style import percent
from views import bars, decode_report
from views.style import CHART, badge, markdown

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_CONTRAST = "contrast"
_TARGET_MEANINGS = {
    "log-odds": "evidence for the step's choice against all alternatives: its log-odds",
    "log-probability": "evidence that raises the log-probability of the step's choice; it vanishes as the choice "
    "becomes certain",
    "logit": "evidence that raises the logit of the step's choice, whatever the logits of the other labels are",
    "against END and the runner-up": "evidence for the step's choice and against END and the next best label",
}


def page() -> None:
    _, checkpoint = controls.chosen_sequence_model()
    beam = controls.beam()
    image = controls.image()
    trace = state.trace(checkpoint, image, beam)
    _decoded_image(checkpoint, image, trace)


def _choose_maps(checkpoint: Checkpoint) -> tuple[state.MapSettings, str]:
    """How the maps are computed and drawn, and a description of what they show."""
    with st.popover("Maps", icon=":material/tune:"):
        method = st.selectbox(
            "Map method",
            list(METHODS),
            key="method",
            bind="query-params",
            help="The method that attributes a step's choice to locations of the image.",
        )
        target: str | int = st.selectbox(
            "Map target",
            [*TARGETS, _CONTRAST],
            key="target",
            bind="query-params",
            help="A contrast shows the evidence for the step's choice against another label.",
        )
        meaning = _TARGET_MEANINGS.get(str(target), "")
        if target == _CONTRAST:
            names = [*checkpoint.vocabulary.labels, END_NAME]
            target = st.selectbox("Contrast with", range(len(names)), key="rival", format_func=names.__getitem__)
            meaning = f"evidence for the step's choice and against {names[target]}"
        opacity = st.slider("Opacity of the maps", 0.1, 1.0, OPACITY, 0.05, key="opacity")
        floor = st.slider(
            "Hide evidence below",
            0.0,
            0.9,
            0.0,
            0.05,
            key="floor",
            format="percent",
            help="Fraction of a map's scale.",
        )
        common_scale = st.toggle(
            "One scale for all steps",
            key="common_scale",
            help="Compares the steps' evidence. Without it each map fills its own scale, so that weak evidence can be "
            "seen as well; the number at each map says how strong it is.",
        )
    return state.MapSettings(str(method), target, opacity, floor, common_scale), meaning


def _scale_meaning(maps: state.MapSettings) -> str:
    if maps.common_scale:
        return "All maps have one scale: a faint map means weak evidence. The line is at half of the scale."
    return "Each map fills its own scale; the line surrounds evidence of at least half of the map's strongest."


@st.fragment
def _decoded_image(checkpoint: Checkpoint, image: state.InputImage, trace: Trace) -> None:
    """Everything that depends on the chosen path, step and maps; choosing others reruns only this."""
    chosen = _chosen_path(trace)
    maps, meaning = _choose_maps(checkpoint)
    path = trace.paths[chosen]
    explanation = state.explanation(checkpoint, image, path.tokens, maps)
    dark = controls.dark()
    overlays = state.overlays(checkpoint, image, path.tokens, maps)
    _predicted_labels(image, trace, path, explanation, maps, overlays, dark)
    _beam_search(trace, chosen, dark)
    contributions = state.prefix_contribution(checkpoint, image, path.tokens)
    _steps(trace, path, explanation, f"{meaning}. {_scale_meaning(maps)}", overlays, contributions, dark)
    explained = f"The maps ({maps.method}) show {meaning}. {_scale_meaning(maps)}"
    _export(image, trace, chosen, explained, overlays)


def _chosen_path(trace: Trace) -> int:
    """Index of the chosen path, which the URL contains. A new image, model or beam resets it to the best path."""
    session = st.session_state
    search = (trace.beam, trace.labels, trace.paths)
    if session.get("search") != search or "path" not in session:
        linked = "search" not in session  # a session's first run follows its link
        session.path = _read_query_param("path", len(trace.paths)) if linked else 0
        session.step = _read_query_param("step", len(trace.paths[session.path].tokens) + 2) if linked else 0
        session.search = search
    _write_query_param("path")
    return int(session.path)


def _chosen_step(last: int) -> int:
    """The step whose map lies over the image, 0 for none; the URL contains it."""
    session = st.session_state
    if session.get("step") is None or session.step > last:
        session.step = 0
    _write_query_param("step")
    return int(session.step)


def _write_query_param(name: str) -> None:
    """Put a choice into the URL, so that a link reopens it; 0 is the default and is left out."""
    if st.session_state[name]:
        st.query_params[name] = str(st.session_state[name])
    elif name in st.query_params:
        del st.query_params[name]


def _read_query_param(name: str, below: int) -> int:
    """A number in the URL; 0 if it is missing, invalid or not less than `below`."""
    value = st.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and int(value) < below else 0


def _predicted_labels(
    image: state.InputImage,
    trace: Trace,
    path: Path,
    explanation: Explanation,
    maps: state.MapSettings,
    overlays: list[bytes],
    dark: bool,
) -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        _image(image, trace.choices(path), explanation, maps, overlays)
    with right:
        best = path is trace.paths[0]
        st.subheader("Predicted labels" if best else "Labels of the chosen path")
        if path.tokens:
            with st.container(horizontal=True):
                for name in trace.names(path.tokens):
                    st.badge(badge(name), color="orange", width="content")
        else:
            st.markdown("*No label: END is predicted first.*")
        if image.truth is not None:
            st.markdown(f"Ground truth: **{markdown(', '.join(image.truth) or 'no label')}**")
        one, two = st.columns(2)
        one.metric(
            "Probability of this path",
            percent(path.prob),
            help="The probability of this label sequence followed by END.",
        )
        two.metric(
            "Search coverage",
            percent(trace.coverage),
            help="The total probability of all sequences that the search finished.",
        )
        st.markdown("**Probability of each label** (✓ on the chosen path)")
        st.plotly_chart(
            bars.label_probabilities(trace, path, dark),
            config=CHART,
            key="probabilities",
            alt="Bars: the most probable labels of the image; the table below has the numbers",
        )


@st.fragment
def _image(
    image: state.InputImage,
    choices: list[str],
    explanation: Explanation,
    maps: state.MapSettings,
    overlays: list[bytes],
) -> None:
    """The image with the map of the chosen step over it, and the controls of the step, which rerun only this."""
    step = _chosen_step(len(choices))
    displayed: Image.Image | bytes = image.pixels
    alt = f"The image {image.name}"
    placeholder = st.empty()
    st.segmented_control(
        "Show the map of step",
        range(len(choices) + 1),
        key="step",
        required=True,
        wrap=True,
        format_func=lambda number: f"{number} · {choices[number - 1]}" if number else "image",
        help="The arrow keys ← and → change the step.",
    )
    if step:
        others = [None, *(number for number in range(1, len(choices) + 1) if number != step)]
        subtracted = st.selectbox(
            "Subtract the map of step",
            others,
            key=f"subtract_{step}",
            format_func=lambda number: f"{number} · {choices[number - 1]}" if number else "none",
            help="Shows where this step has more evidence than the other one.",
        )
        displayed = overlays[step - 1]
        if subtracted:
            values = explanation.maps[step - 1] - explanation.maps[subtracted - 1].clamp(min=0)
            displayed = state.render_overlay(image, values, explanation.scales(maps.common_scale)[step - 1], maps)
        alt = f"The image {image.name} with the evidence of step {step}"
    placeholder.image(displayed, width="stretch", alt=alt, output_format="JPEG")
    previous, following = st.columns(2)
    previous.button("Previous step", shortcut="Left", on_click=_change_step, args=(-1, len(choices)), width="stretch")
    following.button("Next step", shortcut="Right", on_click=_change_step, args=(1, len(choices)), width="stretch")


def _change_step(by: int, last: int) -> None:
    st.session_state.step = min(max(st.session_state.step + by, 0), last)


def _beam_search(trace: Trace, chosen: int, dark: bool) -> None:
    st.subheader("Beam search")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.selectbox(
        "Path",
        range(len(trace.paths)),
        key="path",
        format_func=lambda index: _path_name(trace, trace.paths[index]),
        help="The finished paths that the search kept, best first. A click on a point of the tree chooses one as well.",
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
        alt="Tree of the label sequences that were kept, finished and dropped; the table below has the numbers",
    )
    st.caption(
        "● kept in the beam · ■ finished with END · ✕ dropped. A thicker line is a more probable choice. Hover over a "
        "point for its probabilities and the reason why it was dropped; click a point to choose the best finished path "
        "through it."
    )

    def rows() -> Styler:
        formats = {"this choice": "{:.2%}", "whole path": "{:.2%}", "log-probability": "{:.2f}"}
        return pd.DataFrame(tree.rows(trace, min_prob)).style.format(formats)

    widgets.table("Table of the tree", "tree_table", rows)


def _steps(
    trace: Trace,
    path: Path,
    explanation: Explanation,
    meaning: str,
    overlays: list[bytes],
    contributions: Sequence[float],
    dark: bool,
) -> None:
    st.subheader("Decoding steps")
    strengths = explanation.strengths
    per_row = min(max(len(overlays), 3), 4)
    for start in range(0, len(overlays), per_row):
        for step, column in enumerate(st.columns(per_row), start=start):
            if step < len(overlays):
                with column:
                    _step(trace, path, step, overlays[step], strengths[step], contributions[step], dark)
    st.caption(
        f"The maps ({explanation.method}) show {markdown(meaning)} The bars show the step's distribution given the "
        "labels before it (✓ its choice). The prefix contribution is what the labels before it add to the log-odds of "
        "the choice, compared with choosing it first."
    )
    widgets.table("Table of the steps", "steps_table", lambda: _distributions(trace, path), hide_index=False)


def _distributions(trace: Trace, path: Path) -> Styler:
    """The distribution of every step, and the labels' probabilities."""
    names = trace.choices(path)
    probs = np.stack([trace.distribution(path, step) for step in range(len(names))], axis=1)  # (L+1, step)
    columns = [f"{step + 1}: {name}" for step, name in enumerate(names)]
    table = pd.DataFrame(100 * probs, index=[*trace.labels, trace.name(trace.end)], columns=columns)
    table.insert(0, "probability", [*(100 * trace.probabilities), 100 * trace.coverage])
    return table.sort_values("probability", ascending=False).style.format("{:.2f} %")


def _step(
    trace: Trace, path: Path, step: int, overlay: bytes, strength: float, contribution: float, dark: bool
) -> None:
    """`strength` is the step's strongest evidence, as a fraction of the strongest step's."""
    name = trace.name(path.token(step, trace.end))
    st.markdown(f"**{step + 1} · {markdown(name)}**")
    st.image(
        overlay,
        width="stretch",
        output_format="JPEG",
        alt=f"Evidence for {name} at step {step + 1}, over the image",
    )
    evidence = f"{percent(strength)} of the strongest step's evidence" if strength > 0 else "no positive evidence"
    end = float(trace.distribution(path, step)[trace.end])
    st.caption(
        " · ".join(
            [evidence, f"END {percent(end)}", *([f"prefix contribution {contribution:+.1f} nats"] if step else [])]
        )
    )
    st.plotly_chart(
        bars.step_distribution(trace, path, step, dark),
        config=CHART,
        key=f"step-{step}",
        alt=f"Bars: the distribution of step {step + 1}; the table below has the numbers",
    )


def _export(image: state.InputImage, trace: Trace, chosen: int, explained: str, overlays: list[bytes]) -> None:
    """Downloads, each computed when it is clicked; `explained` says what the maps show."""
    st.subheader("Export")
    stem = image.name.rsplit(".", 1)[0]
    captions = [f"{step} · {name}" for step, name in enumerate(trace.choices(trace.paths[chosen]), start=1)]

    def maps() -> list[Image.Image]:
        return [Image.open(io.BytesIO(overlay)) for overlay in overlays]

    def report() -> str:
        return decode_report.report(image.name, image.pixels, trace, chosen, maps(), explained)

    def map_strip() -> bytes:
        buffer = io.BytesIO()
        decode_report.map_strip(maps(), captions).save(buffer, "PNG")
        return buffer.getvalue()

    button = partial(st.download_button, on_click="ignore", icon=":material/download:")
    with st.container(horizontal=True):
        button("Report (HTML)", report, f"{stem}.html", "text/html", help="One file that opens offline.")
        button("Maps (PNG)", map_strip, f"{stem}-maps.png", "image/png")
        button(
            "Trace (JSON)",
            lambda: json.dumps(trace.to_json(), ensure_ascii=False),
            f"{stem}-trace.json",
            "application/json",
        )


def _path_name(trace: Trace, path: Path) -> str:
    return f"{percent(path.prob)}   {' → '.join(trace.choices(path))}"


page()
