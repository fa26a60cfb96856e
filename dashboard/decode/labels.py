"""The labels of a path, the probability of the path, and those of the labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

import controls
import image_files
import state
from cnnrnn.checkpoint import chosen_threshold
from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.utils.style import percent
from views import bars
from views.marginal_diff import has_probabilities, matching_labels
from views.style import CHART, markdown

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_LOOKS = {  # of a badge, by `bars.verdict`: color and icon
    "": ("orange", ""),
    "right": ("green", ":material/check: "),
    "wrong": ("red", ":material/close: "),
}
_MARGINAL = "marginal probability, that of all sequences with it that the search finished: a lower bound"


def predicted_labels(image: image_files.InputImage, trace: Trace, path: Path) -> DeltaGenerator:
    """What was predicted, how sure that is, and the most probable labels; returns a container beside the heading.

    What is put there stays together: beside the heading and its labels, or below them where there is no room.
    """
    truth = spelled_by(trace.labels, image.truth)
    title = "Predicted labels" if path is trace.paths[0] else "Labels of the chosen path"
    with st.container(horizontal=True, gap="small", key="predicted_labels"):
        badges(title, trace, path, truth)
        beside = st.container(horizontal=True, width="content", gap="small")
    if not path.tokens:
        st.markdown("*No label: END is predicted first.*")
    threshold = chosen_threshold(state.checkpoint_folder(st.session_state.checkpoint))
    facts = [
        f"this sequence **{markdown(percent(path.prob))}**",
        f"search coverage **{markdown(percent(trace.coverage))}**",
        *([] if trace.calibrated is None else ["bars calibrated, the sequence and the tree are not"]),
        *([] if image.truth is None else [f"ground truth {ground_truth(image.truth, trace.labels)}"]),
    ]
    probability = "probability, calibrated on validation images" if has_probabilities(trace) else _MARGINAL
    st.markdown(
        " · ".join(facts) + _also_probable(trace, path, threshold),
        help="The probability of this label sequence followed by END, and the total probability of all sequences that "
        f"the search finished. The bars show each label's {probability}. Also probable are labels that the sequence "
        f"lacks, of at least {percent(threshold)}, the threshold with the best O-F1 on the validation images.",
    )
    st.plotly_chart(
        bars.label_probabilities(trace, path, controls.dark(), truth=truth),
        config=CHART,
        key="probabilities",
        alt="Bars: the most probable labels of the image; the table below has the numbers",
    )
    return beside


def ground_truth(truth: Sequence[str], labels: Sequence[str]) -> str:
    """The labels of an image, those that the model doesn't have behind the others, as markdown."""
    known = matching_labels(truth, labels)
    unknown = [label for label in truth if label not in known]
    nothing = "none that the model has" if unknown else "no label"
    text = f"**{markdown(', '.join(known) or nothing)}**"
    return f"{text} (not labels of this model: {markdown(', '.join(unknown))})" if unknown else text


def spelled_by(labels: Sequence[str], truth: Sequence[str] | None) -> list[str] | None:
    """The ground truth in the names of a model's `labels`."""
    return None if truth is None else list(matching_labels(truth, labels).values())


def _also_probable(trace: Trace, path: Path, threshold: float) -> str:
    """A second line that names the labels which reach the threshold but are not on the path, if there are any."""
    ranked = np.argsort(-trace.probabilities, kind="stable")
    others = [label for label in ranked if trace.probabilities[label] >= threshold and label not in path.tokens]
    if not others:
        return ""
    named = [f"{markdown(trace.labels[label])} {markdown(percent(trace.probabilities[label]))}" for label in others]
    return f"  \nalso probable **{', '.join(named)}**"


def badges(heading: str, trace: Trace, path: Path, truth: Collection[str] | None) -> None:
    """A heading, and beside it the labels of a path, marked as right or wrong if the truth is known.

    They are one element: of several, those of an image with more labels would stay until the page is complete.
    """
    badges = []
    for name in trace.names(path.tokens):
        color, icon = _LOOKS[bars.verdict(name, True, truth)]
        badges.append(f":{color}-badge[{icon}{markdown(name)}]")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(heading, width="content")
        st.markdown(" ".join(badges), width="content")
