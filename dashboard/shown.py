"""What several pages show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler

_MEASURES = {"mAP": "mAP", "OF1": "O-F1", "CF1": "C-F1", "exact_match": "exact set", "MAP@10": "MAP@10"}


def measures(report: Mapping[str, Any]) -> None:
    """The main figures of an evaluation's report, side by side."""
    for column, (key, name) in zip(st.columns(len(_MEASURES)), _MEASURES.items(), strict=True):
        column.metric(name, f"{report[key]:.1f} %")


def table(label: str, key: str, make: Callable[[], Styler | pd.DataFrame], hide_index: bool = True) -> None:
    """The numbers behind a chart, made when somebody opens them: formatting takes longer than drawing the chart."""
    with st.expander(label, key=key, on_change="rerun") as box:
        if box.open:
            st.dataframe(make(), hide_index=hide_index)
