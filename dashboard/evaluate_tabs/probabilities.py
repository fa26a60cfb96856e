"""Metrics at a threshold, precision and recall, and calibration."""

from __future__ import annotations

import streamlit as st

import address
from cnnrnn.evaluation.evaluate import Evaluation
from views import error_analysis, training
from views.style import CHART

_ALL_LABELS = "all labels"


@st.fragment
def show(evaluation: Evaluation, dark: bool) -> None:
    one, two, three = st.columns([2, 4, 4], gap="large")
    with one:
        labels = [_ALL_LABELS, *evaluation.labels]
        label = st.selectbox("Label", labels, key=address.keep("curve", labels, _ALL_LABELS))
        measured = round(evaluation.metrics["threshold"], 2)  # the checkpoint's own, where the evaluation is
        key = address.keep("threshold", [number / 100 for number in range(101)], measured, scope=measured)
        threshold = st.slider("Threshold on the label's probability", 0.0, 1.0, step=0.01, key=key)
        only = None if label == _ALL_LABELS else label
        for name, value in error_analysis.metrics_at_threshold(evaluation, only, threshold).items():
            st.metric(name, f"{value:.1f}%")
    with two:
        st.header("Precision and recall")
        st.plotly_chart(
            error_analysis.precision_recall(evaluation, only, threshold, dark),
            config=CHART,
            key="precision_recall",
            alt="Curve of precision against recall; the metrics at the chosen threshold are beside it",
        )
    with three:
        st.header("Calibration")
        calibration = evaluation.metrics["calibration"]
        st.plotly_chart(
            training.reliability(calibration, dark),
            config=CHART,
            key="reliability",
            alt="Line: observed frequency of labels against their predicted probability",
        )
        st.caption(
            f"Expected calibration error {calibration['ece']:.2f}%, and {calibration['ece_likely']:.1f}% among "
            "probabilities of at least 10%."
        )
