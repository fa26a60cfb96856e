"""Label space: a map of the labels with an image's decoding steps, and the similarity of the labels."""

from __future__ import annotations

import streamlit as st

import controls
from label_space import label_map, neighbors, similarity


def page() -> None:
    name, checkpoint = controls.chosen_sequence_model(
        "independent sigmoids have no vectors that labels and decoding steps share."
    )
    if len(checkpoint.vocabulary) < 3:
        st.info("A map needs three labels or more.", icon=":material/scatter_plot:")
        return
    image = controls.image()
    label_map.show(name, checkpoint, image)
    neighbors.show(name, checkpoint)
    similarity.show(checkpoint)


page()
