"""Widgets of several pages: the main metrics of a report, and the table behind a chart."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def metrics() -> None:
    import widgets

    widgets.metrics({"mAP": 1.26, "OF1": 2.0, "CF1": 3.0, "exact_match": 4.0, "MAP@10": 5.0, "OP": 6.0})


def table() -> None:
    import pandas as pd
    import streamlit as st

    import widgets

    def make() -> pd.DataFrame:
        st.session_state["made"] = True
        return pd.DataFrame({"label": ["cat", "dog"], "AP": [1.0, 2.0]})

    widgets.table("As a table", "numbers", make)


def test_every_metric_has_its_value() -> None:
    page = AppTest.from_function(metrics).run()
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("mAP", "1.3%"), ("O-F1", "2.0%"), ("C-F1", "3.0%"), ("exact match", "4.0%"), ("MAP@10", "5.0%"),
    ]  # fmt: skip


def test_a_table_is_computed_only_when_opened() -> None:
    page = AppTest.from_function(table).run()
    assert not page.dataframe
    assert "made" not in page.session_state
    page.session_state["numbers"] = True
    page.run()
    assert page.dataframe[0].value.to_dict("list") == {"label": ["cat", "dog"], "AP": [1.0, 2.0]}
