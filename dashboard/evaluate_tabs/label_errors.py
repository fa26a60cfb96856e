"""Likely errors in the labels of the data."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.evaluation.label_errors import likely_label_errors
from cnnrnn.utils.files import escape_surrogates
from cnnrnn.utils.style import percent
from evaluate_tabs.cards import card
from views.style import spreadsheet


def show(evaluation: Evaluation) -> None:
    found = likely_label_errors(evaluation)
    if not found:
        st.caption("No label of the truth is improbable enough, and none that it lacks is probable enough.")
        return
    table = pd.DataFrame(
        {
            "image": escape_surrogates(evaluation.split.samples[error.row].image.name),
            "label": error.label,
            "the label is": error.kind,
            "probability": error.probability,
        }
        for error in found
    )
    st.caption(
        "Labels that the truth lacks though the model is sure of them (missing), and labels that it has though the "
        "model sees none of them (not there), by the thresholds of confident learning. Look at each before you change "
        "it: the model may be wrong as well. On images that it was trained on, this finds little."
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        event = st.dataframe(
            table.style.format({"probability": percent}), hide_index=True, on_select="rerun",
            selection_mode="single-row", key="label_errors",
        )  # fmt: skip
        st.download_button(
            "CSV", lambda: spreadsheet(table), "label-errors.csv", "text/csv", icon=":material/download:",
            on_click="ignore", key="label_errors_csv",
        )  # fmt: skip
    if chosen := event["selection"]["rows"]:
        with right.container(border=True):
            if not card(evaluation, found[chosen[0]].row, "label_error"):
                st.caption("This image can't be shown.")
