"""Average precision and errors of each label, and which labels are confused."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import widgets
from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.utils.style import counted
from views import error_analysis
from views.style import CHART, markdown


def show(evaluation: Evaluation, dark: bool) -> None:
    rows = error_analysis.errors_by_label(evaluation)
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Average precision and errors")
        st.markdown(_summary(rows))
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            height=560,
            column_config={"AP, %": st.column_config.ProgressColumn(format="%.1f", min_value=0, max_value=100)},
            placeholder="–",
        )
    with right:
        st.header("Confusions")
        with st.container(key="confusions_box"):  # scrolls sideways on a narrow screen
            st.plotly_chart(
                error_analysis.confusion_matrix(evaluation, dark),
                config=CHART,
                key="confusions",
                alt="Matrix: in how many images a label was missed while another was predicted wrongly; a table is "
                "below",
            )
        st.caption(
            "The number of images in which a label was missed while another was predicted wrongly, of the labels with "
            "the most errors; in the last column, no label was predicted wrongly."
        )
        widgets.table(
            "Table of the confusions",
            "confusions_table",
            lambda: pd.DataFrame(error_analysis.count_confusions(evaluation), evaluation.labels, evaluation.labels),
            hide_index=False,
        )


def _summary(rows: list[dict[str, Any]]) -> str:
    missed = max(rows, key=lambda row: int(row["missed"]))
    wrong = max(rows, key=lambda row: int(row["false positives"]))
    return (
        f"Most misses: **{markdown(missed['label'])}**, {missed['missed']} of {missed['positives']} positives. "
        f"Most false positives: **{markdown(wrong['label'])}**, {counted(wrong['false positives'], 'image')}."
    )
