"""Which labels go together, in the training images and by the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

import address
import controls
import state
import widgets
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.style import percent
from views import marginal_diff
from views.style import CHART

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_MODEL_MEANING = "in the label sequences that the model finds for the validation images, weighted by their probability"
_LIFTS_MEANING = (
    "How many times as often a label occurs in images with this one as in all images: in the training images, and "
    f"{_MODEL_MEANING}. At 1× the labels are independent. Each is compared with how often it occurs at all, since the "
    "sequences have fewer labels than the images."
)
_CONDITIONAL_MEANING = (
    f"The probability of another label given this one: in the training images, and {_MODEL_MEANING}. The sequences "
    "have fewer labels than the images, so lower values of the model are no sign of a co-occurrence that it lacks; a "
    "checkpoint trained now also records how often each label occurs."
)


@st.fragment
def show(name: str, trace: Trace) -> None:
    st.header("Co-occurrence")
    results = state.results(name)
    table, rates = results["cooccurrence"], results["label_rates"]
    if not table:
        st.info("This checkpoint has no co-occurrence table. Train it again to record one.", icon=":material/group:")
        return
    most_probable = trace.labels[int(np.argmax(trace.marginals))]
    label = st.selectbox(
        "In images with",
        trace.labels,
        key=address.keep(f"cooccurrence_{most_probable}", trace.labels, most_probable, name="cooccurrence"),
    )
    found = marginal_diff.cooccurring_labels(table.get(label, {}))
    lifts = marginal_diff.lifts(found, rates) if rates else []
    st.plotly_chart(
        marginal_diff.cooccurrence_figure(lifts or found, controls.dark(), bool(lifts)),
        config=CHART,
        key="cooccurrence",
        alt=f"Chart: how often other labels occur together with {label}; the table below has the numbers",
    )
    st.caption(_LIFTS_MEANING if lifts else _CONDITIONAL_MEANING)

    def rows() -> Styler:
        cells = pd.DataFrame([{"label": c.label, "in training": c.before, "by the model": c.after} for c in found])
        shares, ratios = ["in training", "by the model"], []
        if lifts:
            ratios = [f"times as often {where}" for where in shares]
            cells[ratios] = [(c.before, c.after) for c in lifts]
        return cells.style.format(percent, subset=shares).format("{:.1f}×", subset=ratios)

    widgets.table("Table of the co-occurrence", "cooccurrence_table", rows)
