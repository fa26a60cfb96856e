"""The image with the map of one step, the predicted labels, and the steps as a strip of small maps to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

import address
import image_files
import player
import state
import widgets
from cnnrnn.attribution.overlay import color_bar
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.style import decimals, percent
from decode import export, labels, location, map_settings
from decode.view import View
from views import strip
from views.style import markdown

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

# The theme's primary color, as style.css has it; also while the pointer is over the button, when streamlit has others.
_CHOSEN = (
    "background: light-dark(#b3420b, #ff8f4c) !important; border-color: transparent !important; "
    "color: light-dark(#ffffff, #14171c) !important"
)

_SCALE_MEANING = (
    "What a location adds to the score that the map explains, usually the log-odds of the step's choice. 0.7 nats more "
    "double the odds."
)


def search(trace: Trace) -> tuple[object, ...]:
    """What the choice of a path or of a step is made for: another image, model or beam begins with the best path."""
    return trace.beam, trace.labels, trace.paths


@st.fragment
def show(checkpoint: Checkpoint, image: image_files.InputImage, trace: Trace, chosen: int) -> None:
    """The path with the index `chosen`; another step or another setting of the maps reruns only this.

    What takes least comes first: a page is drawn as it is written.
    """
    path = trace.paths[chosen]
    choices = trace.choices(path)
    first = 1 if len(choices) > 1 else 0  # the map of the first label, or the image if there is none
    step = st.session_state[address.keep("step", range(len(choices) + 1), first, scope=search(trace))]
    left, right = st.columns([2, 3], gap="medium")
    with right:
        beside_labels = labels.predicted_labels(image, trace, path)
    with beside_labels:
        settings = map_settings.choose(trace, path, step, scope=search(trace))
    with left.container(key="picture", gap="small"):
        width, picture, caption = _picture(image)
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            _step_buttons(len(choices))
            st.toggle("Animate", key="animate")
            asking = bool(step) and checkpoint.rnn.config.spatial
            if asking:
                asking = st.toggle("Ask a location", key=address.keep("ask_location", (False, True), False))
        view = View(checkpoint, image, trace, path, settings.maps)
        answer = st.container() if asking else None
        _image(view, step, settings.subtracted, width, picture, caption, answer)
    with right:
        _strip(view, None if st.session_state.animate else step)  # the player has steps of its own
    with beside_labels:
        export.show(view, chosen, settings.explained)


def _strip(view: View, chosen: int | None) -> None:
    """A small map for every step, with a bar for the strength of its evidence, and a button that chooses the step."""
    names, strengths = view.choices, view.explanation.strengths
    with st.container(horizontal=True, gap="xsmall", key="strip"):
        for number, small in enumerate(view.thumbnails):
            with st.container(width=strip.SIDE, gap="xsmall"):
                alt = "The image without a map"
                if number:
                    alt = f"Evidence for {names[number - 1]} at step {number}, {percent(strengths[number - 1])}"
                st.image(small, width="stretch", output_format="JPEG", alt=alt)
                st.button(
                    f"{number} · {markdown(names[number - 1])}" if number else "image",
                    key=f"step_{number}",
                    width="stretch",
                    on_click=_set_step,
                    args=(number,),
                    help=_step_facts(view, number - 1, strengths[number - 1]) if number else None,
                )
        # A style, since a button that becomes a primary one is another element and loses the keyboard's focus.
        if chosen is not None:
            st.html(f"<style>.st-key-step_{chosen} button {{ {_CHOSEN} }}</style><span hidden></span>")


def _step_facts(view: View, step: int, strength: float) -> str:
    token = view.path.token(step, view.trace.end)
    chosen = float(view.trace.distribution(view.path, step)[token])
    evidence = f"{percent(strength)} of the strongest step's evidence" if strength > 0 else "no positive evidence"
    return f"{percent(chosen)} given the labels before it; {evidence} (the bar)"


def _picture(image: image_files.InputImage) -> tuple[int, DeltaGenerator, DeltaGenerator]:
    """The width of the picture, and the empty places for it and for what stands below it."""
    address.keep("animate", (False, True), False)
    width = widgets.picture_width(image.pixels.size)
    picture = st.container(width=width).empty()
    return width, picture, st.container(horizontal=True, vertical_alignment="center", gap="small")


def _step_buttons(last: int) -> None:
    for name, by, key in (("Previous", -1, "Left"), ("Next", 1, "Right")):
        st.button(name, key=f"{key}_step", shortcut=key, on_click=_change_step, args=(by, last))


def _image(
    view: View,
    step: int,
    subtracted: int | None,
    width: int,
    picture: DeltaGenerator,
    caption: DeltaGenerator,
    answer: DeltaGenerator | None,
) -> None:
    """The image with the map of the chosen step over it, or all maps to be played. `answer` is the container for what
    a location says, if it is asked."""
    animated = st.session_state.animate
    displayed, alt, scale = _displayed(view, step, subtracted)
    with caption:
        st.caption(markdown(view.image.name))
        if animated:
            maps = view.maps
            strongest = f"{decimals(max(view.explanation.peaks))} nats" if maps.common_scale else "each map's strongest"
            _color_scale(maps.colormap, "0", strongest)
        elif scale is not None:
            signed = subtracted is not None
            strongest = decimals(scale)
            _color_scale(view.maps.colormap, f"−{strongest}" if signed else "0", f"{strongest} nats", signed)
    if animated:
        with picture.container():
            _animation(view, step)
    elif answer is not None:
        with picture.container():
            location.ask(view.checkpoint, view.image, step - 1, view.explanation, displayed, width, answer)
    else:
        address.write("row", [])
        address.write("column", [])
        picture.image(displayed, width="stretch", alt=alt, output_format="JPEG")


def _animation(view: View, step: int) -> None:
    """All maps of the path, to be played in the browser."""
    captions = [f"{number} · {name}" for number, name in enumerate(view.choices, start=1)]
    alts = [f"The image {view.image.name} with the evidence of step {caption}" for caption in captions]
    player.show(view.overlays, captions, alts, first=max(step - 1, 0), key="player")


def _displayed(view: View, step: int, subtracted: int | None) -> tuple[bytes, str, float | None]:
    """The image with the step's map, less that of another one, its description, and the map's scale."""
    if not step:
        return image_files.full_size(view.image), f"The image {view.image.name}", None
    explanation = view.explanation
    scale = explanation.scales(view.maps.common_scale)[step - 1]
    alt = f"The image {view.image.name} with the evidence of step {step}"
    if subtracted is None:
        return state.step_overlay(view.checkpoint, view.image, view.path.tokens, view.maps, step - 1), alt, scale
    values = explanation.smoothed[step - 1] - explanation.smoothed[subtracted - 1]
    return state.render_overlay(view.image, values, scale, view.maps, signed=True), alt, scale


def _color_scale(colormap: str, low: str, high: str, signed: bool = False) -> None:
    """What the colors stand for, below the image."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content", key="color_scale"):
        st.caption(low, width="content")
        st.image(color_bar(colormap, signed), width=110, alt=f"Color scale from {low} to {high}")
        st.caption(high, width="content", help=_SCALE_MEANING)


def _set_step(step: int) -> None:
    st.session_state.step = step


def _change_step(by: int, last: int) -> None:
    st.session_state.step = min(max(st.session_state.step + by, 0), last)
