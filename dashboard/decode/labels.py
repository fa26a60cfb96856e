"""The labels of a path, the probability of the path, and those of the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

import controls
import image_files
from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.utils.style import percent
from views import bars
from views.style import CHART, badge, markdown

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_PROBABLE = 0.3  # a label's probability from which on an empty sequence is a surprise


def predicted_labels(image: image_files.InputImage, trace: Trace, path: Path) -> DeltaGenerator:
    """What was predicted, how sure that is, and the most probable labels; returns a container beside the heading.

    What is put there stays together: beside the heading and its labels, or below them where there is no room.
    """
    with st.container(horizontal=True, gap="small", key="predicted_labels"):
        badges("Predicted labels" if path is trace.paths[0] else "Labels of the chosen path", trace, path)
        beside = st.container(horizontal=True, width="content", gap="small")
    if not path.tokens:
        st.markdown("*No label: END is predicted first.*" + _probable_all_the_same(trace, path))
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
    return beside


def _probable_all_the_same(trace: Trace, path: Path) -> str:
    """Why the best path has no label though one is probable."""
    best = int(trace.probabilities.argmax())
    probability = float(trace.probabilities[best])
    if path is not trace.paths[0] or probability < _PROBABLE:
        return ""
    head = "" if trace.auxiliary is None or trace.calibrated is None else ", and the auxiliary head's estimate,"
    return (
        f" **{markdown(trace.labels[best])}** has {markdown(percent(probability))} all the same: its probability "
        f"counts all sequences with it{head} and each of them alone is less probable than the empty one."
    )


def badges(heading: str, trace: Trace, path: Path) -> None:
    """A heading, and beside it the labels of a path."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(heading, width="content")
        for name in trace.names(path.tokens):
            st.badge(badge(name), color="orange", width="content")
