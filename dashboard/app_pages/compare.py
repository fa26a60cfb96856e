"""Compare: two models on one image or on many, or one model on two images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

import address
import compare_many
import controls
import image_files
import state
import widgets
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.style import percent, points, shorten
from views import marginal_diff
from views.style import CHART, markdown

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_MODELS, _IMAGES, _MANY = "two models", "two images", "two models, many images"
_LABEL_COLUMNS = 40  # of a label's name
_MAX_NAMED = 12  # labels of only one side that are listed in a sentence
_MAP_WIDTH = 165  # pixels
_TREE_WIDTH = 1000  # pixels, of one tree or of both


@dataclass(frozen=True)
class Side:
    """One side of the comparison: a model and an image that it decoded."""

    name: str
    checkpoint: Checkpoint
    image: image_files.InputImage
    trace: Trace

    @property
    def predicted_labels(self) -> list[str]:
        return self.trace.names(self.trace.paths[0].tokens)


def page() -> None:
    beam = controls.beam()
    kinds = [_MODELS, _MANY, _IMAGES]
    what = st.segmented_control("Compare", kinds, required=True, key=address.keep("compare", kinds, _MODELS))
    if what == _MANY:  # recorded predictions need no model
        for_model, for_images, for_rule = st.columns([2, 2, 1], vertical_alignment="bottom")
        with for_model:
            other_name = _other_model(st.session_state.checkpoint)
        if other_name is not None:
            with for_images:
                source = compare_many.choose_images(st.session_state.checkpoint, other_name)
            with for_rule:
                rule = compare_many.choose_rule(st.session_state.checkpoint, other_name)
            compare_many.show(st.session_state.checkpoint, other_name, source, rule, beam, controls.dark())
        return
    name, checkpoint = controls.chosen_checkpoint()
    if what == _MODELS:
        other_name = _other_model(name)
        if other_name is None:
            return
        image = controls.image()
        compared = [(name, checkpoint, image), (other_name, state.load_checkpoint(other_name), image)]
    else:
        image, other = controls.image(), controls.second_image()
        compared = [(image.name, checkpoint, image), (other.name, checkpoint, other)]
    left, right = (Side(*one, state.predict(*one[1:], beam)) for one in compared)
    _labels(left, right)
    _probabilities(left, right)
    _beam_searches(left, right)
    _evidence(left, right)


def _other_model(name: str) -> str | None:
    others = [other for other in state.checkpoint_names() if other != name]
    if not others:
        st.info(
            "There is only one model in `checkpoints/`. Copy another checkpoint's folder there, for example "
            "`runs/mine/best`, or compare two images.",
            icon=":material/compare_arrows:",
        )
        return None
    key = address.keep("other_model", others, others[0])
    return st.selectbox("Compare the model in the sidebar with", others, key=key)


def _labels(left: Side, right: Side) -> None:
    same_image = left.image is right.image
    if same_image:  # beside what the models say of it
        beside, *columns = st.columns([4, 3, 3], gap="large")
        with beside:
            widgets.picture(left.image.pixels, f"The image {left.image.name}")
    else:
        columns = list(st.columns(2, gap="large"))
    for column, side, other in zip(columns, (left, right), (right, left), strict=True):
        with column:
            st.header(markdown(side.name))
            if not same_image:
                widgets.picture(side.image.pixels, f"The image {side.image.name}")
            st.markdown(_badges(side, other) or "*No label.*")
            st.caption(
                f"Label set probability {percent(side.trace.paths[0].prob)}, with independent sigmoids"
                if not side.trace.steps
                else f"Path probability {percent(side.trace.paths[0].prob)}, coverage {percent(side.trace.coverage)}"
            )


def _badges(side: Side, other: Side) -> str:
    """The predicted labels as Markdown. Those that only this side predicts are marked, but not as a difference where
    the other model doesn't have the label."""
    known = marginal_diff.matching_labels(side.trace.labels, other.trace.labels)
    badges = []
    for label in side.predicted_labels:
        text = markdown(shorten(label, _LABEL_COLUMNS))
        differs = label in known and known[label] not in other.predicted_labels
        if differs:
            text = f"only here: {text}"
        elif label not in known:
            text = f"{text}, not a label of {markdown(shorten(other.name, _LABEL_COLUMNS))}"
        badges.append(f":{'orange' if differs else 'gray'}-badge[{text}]")
    return " ".join(badges)


def _probabilities(left: Side, right: Side) -> None:
    quantity, meaning = _quantity(left, right)
    st.header(quantity.capitalize())
    found = marginal_diff.compare_probabilities(left.trace, right.trace)
    if not found:
        st.info("The two models have no label in common.", icon=":material/compare_arrows:")
        return
    described = marginal_diff.describe(found, set())
    st.markdown(
        f"From {markdown(left.name)} to {markdown(right.name)}: "
        + ("; ".join(f"**{markdown(label)}** {text}" for label, text in described) or "no label changes by 2 points")
        + "."
    )
    st.plotly_chart(
        marginal_diff.figure(found, controls.dark(), names=(left.name, right.name), quantity=quantity),
        config=CHART,
        key="compared",
        alt="Chart: probabilities of the labels that differ most, on both sides; the table below has the numbers",
    )
    st.caption(meaning)
    for number, (side, other) in enumerate(((left, right), (right, left))):
        _unshared_labels(side, other, f"unshared_{number}")

    def rows() -> Styler:
        cells = [{"label": c.label, "left": c.before, "right": c.after, "difference": c.delta} for c in found]
        return pd.DataFrame(cells).style.format({"left": percent, "right": percent, "difference": points})

    widgets.table("Table of the probabilities", "compared_table", rows)


def _quantity(left: Side, right: Side) -> tuple[str, str]:
    """What is compared of a label, and how to read it."""
    if not all(marginal_diff.has_probabilities(side.trace) for side in (left, right)):
        return "marginal probability", (
            "The probability that a label is anywhere in the sequence, by beam search: a lower bound, which lacks the "
            "paths that the search did not finish. Independent sigmoids have no search; theirs is their output."
        )
    uncalibrated = [markdown(side.name) for side in (left, right) if side.trace.calibrated is None]
    if not uncalibrated:
        return "probability", "The probability that a label is in the image, calibrated on validation images."
    return "probability", (
        f"The probability that a label is in the image. That of {' and '.join(uncalibrated)} is a sigmoid's output as "
        "it is; it was not calibrated."
    )


def _unshared_labels(side: Side, other: Side, key: str) -> None:
    """The labels that only one side has: the first ones by name, all of them in a table."""
    known = marginal_diff.matching_labels(side.trace.labels, other.trace.labels)
    unshared = [label for label in side.trace.labels if label not in known]
    if not unshared:
        return
    named = ", ".join(markdown(shorten(label, _LABEL_COLUMNS)) for label in unshared[:_MAX_NAMED])
    if len(unshared) <= _MAX_NAMED:
        st.caption(f"Only {markdown(side.name)} has the labels: {named}")
        return
    st.caption(f"{markdown(other.name)} lacks {len(unshared)} labels of {markdown(side.name)}, such as {named}.")
    widgets.table(f"Labels of {markdown(side.name)} alone", key, lambda: pd.DataFrame({"label": unshared}))


def _beam_searches(left: Side, right: Side) -> None:
    searched = [side for side in (left, right) if side.trace.steps]
    if not searched:
        return
    st.header("Beam searches")
    with st.container(key="trees"):  # side by side where there is room for two
        columns = st.columns(len(searched), gap="large")
    for position, (column, side) in enumerate(zip(columns, searched, strict=True)):
        with column:
            st.markdown(f"**{markdown(side.name)}**")
            widgets.beam_tree(
                side.trace,
                f"tree_{position}",
                controls.dark(),
                _TREE_WIDTH // len(searched),
                f"Tree of the label sequences that the beam search kept: {side.name}",
            )
    if len(searched) == 1:
        st.caption("The independent sigmoids of the other model predict no sequence, so they have no search.")


def _evidence(left: Side, right: Side) -> None:
    st.header("Evidence")
    maps = controls.chosen_maps()
    for column, side in zip(st.columns(2, gap="large"), (left, right), strict=True):
        with column:
            st.markdown(f"**{markdown(side.name)}**")
            if side.trace.steps:
                _step_maps(side, maps)
            else:
                _label_maps(side, maps)
    st.caption("The maps of a path have one scale." if maps.common_scale else "Each map fills its own scale.")


def _step_maps(side: Side, maps: state.MapSettings) -> None:
    path = side.trace.paths[0]
    overlays = state.overlays(side.checkpoint, side.image, path.tokens, maps)
    names = list(enumerate(side.trace.choices(path), start=1))
    alts = [f"Evidence for {name} at step {step}, over the image" for step, name in names]
    captions = [f"{step} · {shorten(name, _LABEL_COLUMNS)}" for step, name in names]
    widgets.maps(overlays, captions, alts, _MAP_WIDTH)


def _label_maps(side: Side, maps: state.MapSettings) -> None:
    """The baseline's class activation maps."""
    overlays = state.label_overlays(side.checkpoint, side.image, side.trace.paths[0].tokens, maps)
    if not overlays:
        st.caption("No map: the model predicts no label, or scores no locations.")
        return
    alts = [f"Evidence for {name}, over the image" for name in side.predicted_labels]
    captions = [shorten(name, _LABEL_COLUMNS) for name in side.predicted_labels]
    widgets.maps(overlays, captions, alts, _MAP_WIDTH)


page()
