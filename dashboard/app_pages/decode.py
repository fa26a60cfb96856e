"""Decode: one image, its predicted labels, the beam search that found them, and a map for every step."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

import controls
import state
import tray
import widgets
from cnnrnn.attribution.explain import Explanation
from cnnrnn.attribution.methods import METHODS
from cnnrnn.attribution.overlay import COLORMAPS, OPACITY, color_bar, resize_map
from cnnrnn.attribution.targets import TARGETS
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding import tree
from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.models.vocabulary import END_NAME
from cnnrnn.utils.style import percent
from views import bars, decode_report, location_chart, strip
from views.style import CHART, badge, markdown

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_CONTRAST = "contrast"
METHOD_NAMES = {
    "cam": "class activation map",
    "grad-cam": "Grad-CAM",
    "hires-cam": "HiResCAM",
    "occlusion": "occlusion",
    "integrated-gradients": "integrated gradients",
    "smoothgrad": "SmoothGrad",
    "input-x-gradient": "input × gradient",
    "guided-grad-cam": "guided Grad-CAM",
}
_TARGET_MEANINGS = {
    "log-odds": "evidence for the step's choice against all alternatives: its log-odds",
    "log-probability": "evidence that raises the log-probability of the step's choice; it vanishes as the choice "
    "becomes certain",
    "logit": "evidence that raises the logit of the step's choice, whatever the logits of the other labels are",
    "against END and the runner-up": "evidence for the step's choice and against END and the next best label",
}


def page() -> None:
    _, checkpoint = controls.chosen_checkpoint()
    if isinstance(checkpoint.model, SigmoidClassifier):
        _independent_labels(checkpoint, controls.image())
        return
    beam = controls.beam()
    image = controls.image()
    trace = state.trace(checkpoint, image, beam)
    tray.remember_labels(image, trace.names(trace.paths[0].tokens))
    _decoded_image(checkpoint, image, trace)


def _independent_labels(checkpoint: Checkpoint, image: state.InputImage) -> None:
    """The sigmoid baseline's labels and their class activation maps; it has no sequence to search."""
    trace = state.predict(checkpoint, image, beam=1)
    path, maps = trace.paths[0], controls.chosen_maps()
    tray.remember_labels(image, trace.names(path.tokens))
    left, right = st.columns([2, 3], gap="medium")
    with left:
        widgets.picture(image.pixels, f"The image {image.name}")
        st.caption(markdown(image.name))
    with right:
        _label_badges("Predicted labels", trace, path)
        threshold = float(checkpoint.model.threshold)  # type: ignore[arg-type]
        truth = "" if image.truth is None else f" Ground truth **{markdown(', '.join(image.truth) or 'no label')}**."
        st.markdown(f"The labels with a probability of at least **{percent(threshold)}**.{truth}")
        st.plotly_chart(
            bars.label_probabilities(trace, path, controls.dark(), most=10),
            config=CHART,
            key="probabilities",
            alt="Bars: the most probable labels of the image",
        )
    if overlays := state.label_overlays(checkpoint, image, path.tokens, maps):
        st.subheader("Class activation maps")
        with st.container(horizontal=True):
            for name, overlay in zip(trace.names(path.tokens), overlays, strict=True):
                with st.container(width=2 * strip.SIDE, gap="xsmall"):
                    st.image(overlay, width="stretch", output_format="JPEG", alt=f"Evidence for {name}, over the image")
                    st.caption(markdown(name))
    st.caption(
        "This checkpoint is the sigmoid baseline: it predicts every label on its own, so there is no beam search, no "
        "label space and nothing to constrain. *Compare*, *Images*, *Evaluate* and *Model* work with it."
    )


def _label_badges(heading: str, trace: Trace, path: Path) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(heading, width="content")
        for name in trace.names(path.tokens):
            st.badge(badge(name), color="orange", width="content")


def _choose_maps(checkpoint: Checkpoint) -> tuple[state.MapSettings, str]:
    """How the maps are computed and drawn, and a description of what they show."""
    if "method" not in st.session_state and "maps" in st.session_state:  # streamlit forgets widgets of other pages
        st.session_state.update(asdict(controls.chosen_maps()))
    with st.popover("Maps", icon=":material/tune:"):
        method = st.selectbox(
            "Map method",
            list(METHODS),
            key="method",
            bind="query-params",
            format_func=lambda name: METHOD_NAMES.get(name, name),
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
        colormap = st.selectbox(
            "Colors",
            COLORMAPS,
            key="colormap",
            bind="query-params",
            help="All three grow lighter with the evidence; cividis looks nearly the same to color-blind people.",
        )
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
        contour = st.toggle("Contour at half of the scale", True, key="contour")
        common_scale = st.toggle(
            "One scale for all steps",
            key="common_scale",
            help="Compares the steps' evidence. Without it each map fills its own scale, so that weak evidence can be "
            "seen as well; the bar under each small map says how strong it is.",
        )
    maps = state.MapSettings(str(method), target, opacity, floor, common_scale, str(colormap), contour)
    st.session_state.maps = maps  # for the other pages
    return maps, meaning


def _scale_meaning(maps: state.MapSettings) -> str:
    if maps.common_scale:
        return "All maps have one scale: a faint map means weak evidence. The line is at half of the scale."
    return "Each map fills its own scale; the line surrounds evidence of at least half of the map's strongest."


@st.fragment
def _decoded_image(checkpoint: Checkpoint, image: state.InputImage, trace: Trace) -> None:
    """Everything that depends on the chosen path, step and maps; choosing others reruns only this."""
    chosen = _chosen_path(trace)
    toolbar = st.container(horizontal=True, key="toolbar")
    with toolbar:
        st.selectbox(
            "Path",
            range(len(trace.paths)),
            key="path",
            format_func=lambda index: _path_name(trace, trace.paths[index]),
            label_visibility="collapsed",
        )
        maps, meaning = _choose_maps(checkpoint)
    path, dark = trace.paths[chosen], controls.dark()
    overlays = state.overlays(checkpoint, image, path.tokens, maps)
    explained = f"The maps ({METHOD_NAMES.get(maps.method, maps.method)}) show {meaning}. {_scale_meaning(maps)}"
    with toolbar:
        strengths = state.explanation(checkpoint, image, path.tokens, maps).strengths
        _downloads(checkpoint, image, trace, chosen, explained, strengths, overlays)
    _step_by_step(checkpoint, image, trace, path, maps, overlays)
    _beam_search(trace, chosen, dark)
    _distributions(trace, path, state.prefix_contribution(checkpoint, image, path.tokens), explained, dark)


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


@st.fragment
def _step_by_step(
    checkpoint: Checkpoint,
    image: state.InputImage,
    trace: Trace,
    path: Path,
    maps: state.MapSettings,
    overlays: list[bytes],
) -> None:
    """The image with the map of the chosen step over it, the labels, and the steps to choose from, which rerun only
    this."""
    explanation = state.explanation(checkpoint, image, path.tokens, maps)
    step = _chosen_step(len(overlays))
    left, right = st.columns([2, 3], gap="medium")
    with left.container(key="picture", gap="small"):
        _image(checkpoint, image, trace.choices(path), step, explanation, maps, overlays)
    with right:
        _predicted_labels(image, trace, path)
        _strip(image, trace, path, step, explanation.strengths, overlays)


def _predicted_labels(image: state.InputImage, trace: Trace, path: Path) -> None:
    _label_badges("Predicted labels" if path is trace.paths[0] else "Labels of the chosen path", trace, path)
    if not path.tokens:
        st.markdown(
            "*No label: END is predicted first.* A label below may still be probable: its probability is that of all "
            "sequences with it, and each of them alone is less probable than the empty one."
        )
    facts = [
        f"this sequence **{markdown(percent(path.prob))}**",
        f"search coverage **{markdown(percent(trace.coverage))}**",
        *([] if image.truth is None else [f"ground truth **{markdown(', '.join(image.truth) or 'no label')}**"]),
    ]
    st.markdown(
        " · ".join(facts),
        help="The probability of this label sequence followed by END, and the total probability of all sequences that "
        "the search finished.",
    )
    st.plotly_chart(
        bars.label_probabilities(trace, path, controls.dark()),
        config=CHART,
        key="probabilities",
        alt="Bars: the most probable labels of the image; the table below has the numbers",
    )


def _strip(
    image: state.InputImage, trace: Trace, path: Path, chosen: int, strengths: list[float], overlays: list[bytes]
) -> None:
    """A small map for every step, with a bar for the strength of its evidence, and a button that chooses the step."""
    choices = trace.choices(path)
    with st.container(horizontal=True, gap="xsmall", key="strip"):
        for number in range(len(overlays) + 1):
            with st.container(width=strip.SIDE, gap="xsmall"):
                if number:
                    small = strip.thumbnail(Image.open(io.BytesIO(overlays[number - 1])), strengths[number - 1])
                    alt = f"Evidence for {choices[number - 1]} at step {number}, {percent(strengths[number - 1])}"
                else:
                    small, alt = strip.thumbnail(image.pixels), "The image without a map"
                st.image(small, width="stretch", output_format="JPEG", alt=alt)
                st.button(
                    f"{number} · {markdown(choices[number - 1])}" if number else "image",
                    key=f"step_{number}",
                    type="primary" if number == chosen else "secondary",
                    width="stretch",
                    on_click=_set_step,
                    args=(number,),
                    help=_step_facts(trace, path, number - 1, strengths[number - 1]) if number else None,
                )


def _step_facts(trace: Trace, path: Path, step: int, strength: float) -> str:
    chosen = float(trace.distribution(path, step)[path.token(step, trace.end)])
    evidence = f"{percent(strength)} of the strongest step's evidence" if strength > 0 else "no positive evidence"
    return f"{percent(chosen)} given the labels before it; {evidence} (the bar)"


def _image(
    checkpoint: Checkpoint,
    image: state.InputImage,
    choices: list[str],
    step: int,
    explanation: Explanation,
    maps: state.MapSettings,
    overlays: list[bytes],
) -> None:
    """The image with the map of the chosen step over it, as large as the screen allows."""
    shown_width = widgets.picture_width(image.pixels.size)
    placeholder = st.container(width=shown_width).empty()
    displayed: Image.Image | bytes = image.pixels
    alt = f"The image {image.name}"
    asking, subtracted, scale = False, None, None
    if step:
        displayed, alt = overlays[step - 1], f"The image {image.name} with the evidence of step {step}"
        subtracted = st.session_state.get(f"subtract_{step}")
        scale = explanation.scales(maps.common_scale)[step - 1]
        if subtracted:
            values = explanation.maps[step - 1] - explanation.maps[subtracted - 1]
            displayed = state.render_overlay(image, values, scale, maps, signed=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(markdown(image.name))
        if scale is not None:
            _color_scale(maps.colormap, bool(subtracted), scale)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for name, by, key in (("Previous step", -1, "Left"), ("Next step", 1, "Right")):
            st.button(name, key=f"{key}_step", shortcut=key, on_click=_change_step, args=(by, len(choices)))
        if step:
            with st.popover("More"):
                others = [None, *(number for number in range(1, len(choices) + 1) if number != step)]
                st.selectbox(
                    "Subtract the map of step",
                    others,
                    key=f"subtract_{step}",
                    format_func=lambda number: f"{number} · {choices[number - 1]}" if number else "none",
                    help="Shows where this step has more evidence than the other one, in orange, and less, in blue.",
                )
                if checkpoint.rnn.config.spatial:
                    asking = st.toggle(
                        "Ask a location",
                        key="ask_location",
                        help="Hover over the image for the map's values; click a location for the labels it supports.",
                    )
    if asking and isinstance(displayed, bytes):
        with placeholder.container():
            _ask_location(checkpoint, image, step - 1, explanation, displayed, shown_width)
    else:
        placeholder.image(displayed, width="stretch", alt=alt, output_format="JPEG")


def _ask_location(
    checkpoint: Checkpoint,
    image: state.InputImage,
    step: int,
    explanation: Explanation,
    displayed: bytes,
    width: int,
) -> None:
    """The image as a chart whose locations can be clicked, and what the clicked one contributes to the step's logits.

    The contributions are exact: a logit is their sum over all locations.
    """
    support = state.location_support(checkpoint, image, explanation.tokens, step)  # (row, column, L+1)
    rows, columns, _ = support.shape
    values = resize_map(explanation.maps[step].cpu().numpy(), (columns, rows))
    figure = location_chart.figure(displayed, image.pixels.size, values, width)
    event = st.plotly_chart(
        figure,
        config=CHART,
        key=f"locations_{step}",
        width="content",
        on_select="rerun",
        selection_mode="points",
        alt=f"The image {image.name} with the evidence of step {step + 1}; choose a location below or click one",
    )
    clicked = [point["customdata"] for point in event["selection"]["points"]]
    location = st.number_input(
        "Location (row by row from the top left)",
        1,
        rows * columns,
        1 + int(clicked[0] if clicked else values.argmax()),
        key=f"location_{step}_{clicked[0] if clicked else 'strongest'}",
    )
    names = [*checkpoint.vocabulary.labels, END_NAME]
    row, column = divmod(int(location) - 1, columns)
    contributions = support[row, column]
    best = contributions.argsort(descending=True)[:4].tolist()
    st.markdown(
        f"Row {row + 1}, column {column + 1} adds most to the logits of "
        + ", ".join(
            f"**{markdown(names[token])}** ({markdown(f'{float(contributions[token]):+.2f}')})" for token in best
        )
        + "."
    )


def _color_scale(colormap: str, signed: bool, scale: float) -> None:
    """What the colors stand for, below the image."""
    low, high = (f"−{scale:.2f}" if signed else "0"), f"{scale:.2f} nats"
    st.caption(low, width="content")
    st.image(color_bar(colormap, signed), width=110, alt=f"Color scale from {low} to {high}")
    st.caption(high, width="content")


def _set_step(step: int) -> None:
    st.session_state.step = step


def _change_step(by: int, last: int) -> None:
    st.session_state.step = min(max(st.session_state.step + by, 0), last)


def _beam_search(trace: Trace, chosen: int, dark: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Beam search", width="content")
        everything = st.toggle("Unfold all branches", key="rare", help="From a probability of 0.05 % on.")
    min_prob = 0.0005 if everything else 0.01
    root, remark = tree.build(trace, min_prob), ""
    if not everything:
        root, share = tree.fold(root, trace.paths[chosen], chosen)
        remark = f"Branches below {percent(share)} are folded. "

    def follow_click() -> None:
        points = st.session_state.tree["selection"]["points"]
        if points and points[0]["customdata"] >= 0:
            st.session_state.path = points[0]["customdata"]

    with st.container(key="tree_box"):  # scrolls sideways on a narrow screen
        st.plotly_chart(
            tree.figure(trace, chosen, dark, min_prob, root),
            config=CHART,
            key="tree",
            on_select=follow_click,
            selection_mode="points",
            alt="Tree of the label sequences that were kept, finished and dropped; the table below has the numbers",
        )
    st.caption(
        f"{remark}● kept in the beam · ■ finished with END · ✕ dropped. A thicker line is a more probable choice. "
        "Hover over a point for its probabilities and the reason why it was dropped; click a point to choose the best "
        "finished path through it."
    )

    def rows() -> Styler:
        formats = {"this choice": "{:.2%}", "whole path": "{:.2%}", "log-probability": "{:.2f}"}
        return pd.DataFrame(tree.rows(trace, min_prob)).style.format(formats)

    widgets.table("Table of the tree", "tree_table", rows)


def _distributions(trace: Trace, path: Path, contributions: Sequence[float], explained: str, dark: bool) -> None:
    """What each step chose from."""
    st.subheader("Decoding steps")
    names = trace.choices(path)
    per_row = min(max(len(names), 3), 4)
    for start in range(0, len(names), per_row):
        for step, column in enumerate(st.columns(per_row), start=start):
            if step < len(names):
                with column:
                    _distribution(trace, path, step, contributions[step], dark)
    st.caption(
        f"{markdown(explained)} The bars show the step's distribution given the labels before it (✓ its choice). The "
        "prefix contribution is what the labels before it add to the log-odds of the choice, compared with choosing it "
        "first."
    )
    widgets.table("Table of the steps", "steps_table", lambda: _distribution_table(trace, path), hide_index=False)


def _distribution(trace: Trace, path: Path, step: int, contribution: float, dark: bool) -> None:
    name = trace.name(path.token(step, trace.end))
    st.markdown(f"**{step + 1} · {markdown(name)}**")
    end = float(trace.distribution(path, step)[trace.end])
    facts = [f"the whole sequence {percent(path.prob)}" if step == len(path.tokens) else f"END {percent(end)}"]
    st.caption(" · ".join([*facts, *([f"prefix contribution {contribution:+.1f} nats"] if step else [])]))
    st.plotly_chart(
        bars.step_distribution(trace, path, step, dark),
        config=CHART,
        key=f"step-{step}",
        alt=f"Bars: the distribution of step {step + 1}; the table below has the numbers",
    )


def _distribution_table(trace: Trace, path: Path) -> Styler:
    """The distribution of every step, and the labels' probabilities."""
    names = trace.choices(path)
    probs = np.stack([trace.distribution(path, step) for step in range(len(names))], axis=1)  # (L+1, step)
    columns = [f"{step + 1}: {name}" for step, name in enumerate(names)]
    table = pd.DataFrame(100 * probs, index=[*trace.labels, trace.name(trace.end)], columns=columns)
    table.insert(0, "probability", [*(100 * trace.probabilities), 100 * trace.coverage])
    return table.sort_values("probability", ascending=False).style.format("{:.2f} %")


def _downloads(
    checkpoint: Checkpoint,
    image: state.InputImage,
    trace: Trace,
    chosen: int,
    explained: str,
    strengths: list[float],
    overlays: list[bytes],
) -> None:
    """Downloads, each computed when it is clicked; `explained` says what the maps show."""
    stem = image.name.rsplit(".", 1)[0]
    checkpoint_name = str(st.session_state.checkpoint)  # a download is made outside the session
    captions = [f"{step} · {name}" for step, name in enumerate(trace.choices(trace.paths[chosen]), start=1)]

    def maps() -> list[Image.Image]:
        return [Image.open(io.BytesIO(overlay)) for overlay in overlays]

    def report() -> str:
        facts = {
            "checkpoint": checkpoint_name,
            "weights, SHA-256": checkpoint.weights_hash,
            "image, SHA-256": image.digest,
            "beam width": str(trace.beam),
            "temperature": f"{checkpoint.rnn.config.temperature:g}",
            "evidence of each step, compared with the strongest": ", ".join(map(percent, strengths)),
            "cnnrnn": version("cnnrnn"),
        }
        return decode_report.report(image.name, image.pixels, trace, chosen, maps(), explained, facts)

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
            lambda: json.dumps(trace.to_json(), ensure_ascii=False),
            f"{stem}-trace.json",
            "application/json",
        )


def _path_name(trace: Trace, path: Path) -> str:
    return f"{percent(path.prob)}   {' → '.join(trace.choices(path))}"


page()
