"""What several pages show: the main figures of a report, and the numbers behind a chart."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def figures() -> None:
    import shown

    shown.measures({"mAP": 1.26, "OF1": 2.0, "CF1": 3.0, "exact_match": 4.0, "MAP@10": 5.0, "OP": 6.0})


def table() -> None:
    import pandas as pd
    import streamlit as st

    import shown

    def made() -> pd.DataFrame:
        st.session_state["made"] = True
        return pd.DataFrame({"label": ["cat", "dog"], "AP": [1.0, 2.0]})

    shown.table("As a table", "numbers", made)


def test_every_measure_stands_under_its_own_name() -> None:
    page = AppTest.from_function(figures).run()
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("mAP", "1.3 %"), ("O-F1", "2.0 %"), ("C-F1", "3.0 %"), ("exact set", "4.0 %"), ("MAP@10", "5.0 %"),
    ]  # fmt: skip


def test_a_table_is_made_when_it_is_opened_and_not_before() -> None:
    page = AppTest.from_function(table).run()
    assert not page.dataframe
    assert "made" not in page.session_state
    page.session_state["numbers"] = True
    page.run()
    assert page.dataframe[0].value.to_dict("list") == {"label": ["cat", "dog"], "AP": [1.0, 2.0]}
