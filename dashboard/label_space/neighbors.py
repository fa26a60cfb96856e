"""Each label's nearest labels."""

from __future__ import annotations

import pandas as pd
import streamlit as st

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.label_space.neighbors import nearest
from views.style import spreadsheet


def show(name: str, checkpoint: Checkpoint) -> None:
    st.header("Nearest neighbors")
    if agreement := state.results(name)["label_space"]:
        st.markdown(
            f"**{agreement['labels']:.0f}%** of the {agreement['k']} nearest labels by angle belong to the label's "
            f"own group. By chance it would be {agreement['chance']:.0f}%; vectors made from the training set's "
            f"co-occurrences alone (an SVD of their PMI) reach {agreement['pmi']:.0f}%."
        )
    points, labels = checkpoint.rnn.label_vectors(), checkpoint.vocabulary.labels
    cosine, inner = (nearest(points, labels, 3, measure) for measure in ("cosine", "inner"))

    def listed(near: list[tuple[str, float]]) -> str:
        return ", ".join(f"{name} {value:.2f}" for name, value in near)

    table = pd.DataFrame(
        {
            "label": labels,
            "by angle (cosine)": [listed(cosine[label]) for label in labels],
            "by inner product": [listed(inner[label]) for label in labels],
        }
    )
    st.dataframe(table, hide_index=True)
    st.download_button("Neighbors as CSV", spreadsheet(table), "neighbors.csv", "text/csv")
