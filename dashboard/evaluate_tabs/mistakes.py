"""The worst mistakes."""

from __future__ import annotations

import streamlit as st

from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.evaluation.report import worst_mistakes
from evaluate_tabs.cards import LEGEND, cards

_GALLERY_SIZE = 12


def show(evaluation: Evaluation) -> None:
    rows = worst_mistakes(evaluation, _GALLERY_SIZE)
    if not rows:
        st.success("There are no errors: every label set is right.")
        return
    st.caption(
        "The images whose best path is wrong, first those with the error of which the model was surest. Labels are "
        f"{LEGEND}."
    )
    cards(evaluation, rows, "open", abreast=4)
