"""The popover "Maps": how the maps of a path's steps are computed and drawn.

A browser makes the widgets of a popover when it is opened, which may be several runs after they were first drawn. They
then have their default, not the choice that an earlier run has sent, so each has its choice as its default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

import address
import state
from cnnrnn.attribution.methods import DEFAULT_METHOD, METHODS
from cnnrnn.attribution.overlay import COLORMAPS, OPACITY
from cnnrnn.attribution.targets import TARGETS
from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.models.vocabulary import END_NAME
from views.style import markdown

_CONTRAST = "contrast"
_STEP = 0.05  # of the sliders
_METHOD_NAMES = {
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


@dataclass(frozen=True)
class MapChoice:
    """What was chosen in the popover."""

    maps: state.MapSettings
    explained: str  # a sentence that says what the maps show
    subtracted: int | None = None  # the step whose map is subtracted from that of the chosen one


def choose(trace: Trace, path: Path, step: int, scope: object) -> MapChoice:
    """The settings for the steps of a path; `step` is the chosen one, from 1 on, or 0 for the image alone.

    `scope` is the search: in another one, no rival is chosen yet, and the step of another path is not subtracted.
    """
    choices = trace.choices(path)
    with st.popover("Maps", icon=":material/tune:"):
        method, target, meaning = _evidence(trace, path, scope)
        explained = f"The maps ({_METHOD_NAMES.get(method, method)}) show {meaning}."
        st.caption(markdown(explained))
        maps = _drawing(method, target)
        subtracted = _subtracted(choices, step, (scope, path.tokens))
    st.session_state.maps = maps  # for the other pages
    return MapChoice(maps, f"{explained} {_scale_meaning(maps)}", subtracted)


def _evidence(trace: Trace, path: Path, scope: object) -> tuple[str, str | int, str]:
    """The method, the target, and what the maps then show."""
    method = _select(
        "Map method",
        list(METHODS),
        address.keep("method", list(METHODS), DEFAULT_METHOD),
        format_func=lambda name: _METHOD_NAMES.get(name, name),
        help="The method that attributes a step's choice to locations of the image.",
    )
    targets = [*TARGETS, _CONTRAST]
    target = _select(
        "Map target",
        targets,
        address.keep("target", targets, targets[0]),
        help="A contrast shows the evidence for the step's choice against another label.",
    )
    if target != _CONTRAST:
        address.write("rival", [])
        return method, target, _TARGET_MEANINGS[target]
    names = [*trace.labels, END_NAME]
    rival = _select("Contrast with", names, address.keep("rival", names, _runner_up(trace, path), scope=scope))
    meaning = f"evidence for the step's choice and against {rival}"
    choices = trace.choices(path)
    if rival in choices:
        meaning += (
            f". There is none from step {choices.index(rival) + 1} on, where it is the choice or was emitted before"
        )
    return method, names.index(rival), meaning


def _runner_up(trace: Trace, path: Path) -> str:
    """The most probable label that is not in the path: every step can be contrasted with it."""
    others = np.delete(np.arange(trace.end), path.tokens)
    return trace.labels[others[trace.probabilities[others].argmax()]] if len(others) else END_NAME


def _drawing(method: str, target: str | int) -> state.MapSettings:
    """The settings that change only how a map is drawn, and with them all."""
    colormap = _select(
        "Colors",
        COLORMAPS,
        address.keep("colormap", COLORMAPS, COLORMAPS[0]),
        help="All three grow lighter with the evidence; cividis looks nearly the same to color-blind people.",
    )
    key = address.keep("opacity", _fractions(0.1, 1.0), OPACITY)
    opacity = st.slider("Opacity of the maps", 0.1, 1.0, st.session_state[key], _STEP, key=key)
    key = address.keep("floor", _fractions(0.0, 0.9), 0.0)
    floor = st.slider(
        "Hide evidence below",
        0.0,
        0.9,
        st.session_state[key],
        _STEP,
        key=key,
        format="percent",
        help="Fraction of a map's scale.",
    )
    key = address.keep("contour", (False, True), True)
    contour = st.toggle("Contour at half of the scale", st.session_state[key], key=key)
    key = address.keep("common_scale", (False, True), False)
    common_scale = st.toggle(
        "One scale for all steps",
        st.session_state[key],
        key=key,
        help="Compares the steps' evidence. Without it each map fills its own scale, so that weak evidence can be seen "
        "as well; the bar under each small map says how strong it is.",
    )
    return state.MapSettings(method, target, opacity, floor, common_scale, str(colormap), contour)


def _select(label: str, options: Sequence[Any], key: str, **settings: Any) -> Any:
    return st.selectbox(label, options, options.index(st.session_state[key]), key=key, **settings)


def _fractions(low: float, high: float) -> list[float]:
    """The values of a slider."""
    return [round(low + number * _STEP, 2) for number in range(1 + round((high - low) / _STEP))]


def _scale_meaning(maps: state.MapSettings) -> str:
    if maps.common_scale:
        return "All maps have one scale: a faint map means weak evidence. The line is at half of the scale."
    return "Each map fills its own scale; the line surrounds evidence of at least half of the map's strongest."


def _subtracted(choices: Sequence[str], step: int, scope: object) -> int | None:
    if not step:
        address.write("subtract", [])
        return None
    others = [None, *(number for number in range(1, len(choices) + 1) if number != step)]
    return _select(
        "Subtract the map of step",
        others,
        address.keep(f"subtract_{step}", others, name="subtract", scope=scope),
        format_func=lambda number: f"{number} · {choices[number - 1]}" if number else "none",
        help="Shows where this step has more evidence than the other one, in orange, and less, in blue.",
    )
