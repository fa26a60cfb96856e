"""The labels of a path, the probability of the path, and those of the labels."""

from __future__ import annotations

import streamlit as st

import controls
import state
from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.utils.style import percent
from views import bars
from views.style import CHART, badge, markdown


def predicted_labels(image: state.InputImage, trace: Trace, path: Path) -> None:
    """What was predicted, how sure that is, and the most probable labels."""
    badges("Predicted labels" if path is trace.paths[0] else "Labels of the chosen path", trace, path)
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


def badges(heading: str, trace: Trace, path: Path) -> None:
    """A heading, and beside it the labels of a path."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(heading, width="content")
        for name in trace.names(path.tokens):
            st.badge(badge(name), color="orange", width="content")
