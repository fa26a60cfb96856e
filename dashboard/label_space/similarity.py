"""The similarity of every two labels, or of a part of them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

import address
import controls
import widgets
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.label_space.neighbors import nearest_to, similarities
from cnnrnn.utils.style import shorten
from label_space import LABEL_COLUMNS
from views import space
from views.style import CHART, markdown

_MAX_ROWS = 100  # of the matrix
_ROWS_AROUND = 40  # of the matrix around one label


@st.fragment
def show(checkpoint: Checkpoint) -> None:
    st.header("Label similarity")
    vectors, vocabulary = checkpoint.rnn.label_vectors(), checkpoint.vocabulary
    part, description = _part(checkpoint)
    labels = [vocabulary.labels[index] for index in part]
    matrix = similarities(vectors[part], "cosine").cpu().double().numpy()
    with st.container(key="similarity_box"):
        st.plotly_chart(
            space.similarity_matrix(matrix, labels, controls.dark()),
            config=CHART,
            key="similarity",
            alt="Matrix of the cosine similarities of the labels; the table below has the numbers",
        )
    st.caption(
        f"Cosine similarity of every two labels{description}; similar labels are adjacent. The colours end at the "
        "largest cosine of two labels. A map in two dimensions shows only part of this."
    )
    widgets.table(
        "Table of the similarities",
        "similarity_table",
        lambda: pd.DataFrame(matrix, labels, labels).round(2),
        hide_index=False,
    )


def _part(checkpoint: Checkpoint) -> tuple[list[int], str]:
    """The labels that the matrix compares, by index, and what they are: all, a group, or those around a label."""
    labels, groups = checkpoint.vocabulary.labels, checkpoint.vocabulary.groups
    everything = [("all", 0)] if len(labels) <= _MAX_ROWS else []
    options = [
        *everything,
        *(("group", groups.index(group)) for group in dict.fromkeys(groups)),
        *(("label", index) for index in range(len(labels))),
    ]

    def name(option: tuple[str, int]) -> str:
        kind, index = option
        return {"all": "all labels", "group": f"group: {groups[index] if groups else ''}", "label": labels[index]}[kind]

    start = options.index(("label", 0)) if not everything else 0
    key = address.keep("compared_labels", options, options[start], scope=labels)
    kind, index = st.selectbox("Compare", options, key=key, format_func=name)
    if kind == "all":
        return list(range(len(labels))), ""
    if kind == "group":
        members = [other for other, group in enumerate(groups) if group == groups[index]]
        return members[:_MAX_ROWS], f" of the group {markdown(groups[index])}"
    vectors = checkpoint.rnn.label_vectors()
    near = nearest_to(vectors, index, _ROWS_AROUND - 1)
    return [
        index,
        *(other for other, _ in near),
    ], f" among {markdown(shorten(labels[index], LABEL_COLUMNS))} and the {len(near)} labels nearest to it"
