"""Decode for the sigmoid baseline: its labels and their class activation maps; it has no sequence to search."""

from __future__ import annotations

import streamlit as st

import controls
import image_files
import state
import tray
import widgets
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.threshold import probability_threshold
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.utils.style import percent
from decode import labels
from views import bars, strip
from views.style import CHART, markdown


def show(checkpoint: Checkpoint, image: image_files.InputImage) -> None:
    trace = state.predict(checkpoint, image, beam=1)
    path, maps = trace.paths[0], controls.chosen_maps()
    names = trace.names(path.tokens)
    tray.remember_labels(image, names)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        widgets.picture(image.pixels, f"The image {image.name}")
        st.caption(markdown(image.name))
    with right:
        known = labels.spelled_by(trace.labels, image.truth)
        labels.badges("Predicted labels", trace, path, known)
        assert isinstance(checkpoint.model, SigmoidClassifier)
        threshold = probability_threshold(checkpoint.model)
        truth = "" if image.truth is None else f" Ground truth {labels.ground_truth(image.truth, trace.labels)}."
        st.markdown(f"The labels with a probability of at least **{percent(threshold)}**.{truth}")
        st.plotly_chart(
            bars.label_probabilities(trace, path, controls.dark(), most=10, truth=known),
            config=CHART,
            key="probabilities",
            alt="Bars: the most probable labels of the image",
        )
    if overlays := state.label_overlays(checkpoint, image, path.tokens, maps):
        st.header("Class activation maps")
        widgets.maps(overlays, names, [f"Evidence for {name}, over the image" for name in names], 2 * strip.SIDE)
    st.caption(
        "This checkpoint is the sigmoid baseline: it predicts every label on its own, so there is no beam search, no "
        "label space and nothing to constrain. *Compare*, *Images*, *Evaluate* and *Model* work with it."
    )
