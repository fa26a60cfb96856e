"""Elements that several pages show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler

# a key of the report: name, explanation
_METRICS = {
    "mAP": ("mAP", "Mean average precision over the labels, from the labels' probabilities."),
    "OF1": ("O-F1", "F1 over all pairs of an image and a label."),
    "CF1": ("C-F1", "F1 of the precision and the recall averaged over the labels."),
    "exact_match": ("exact match", "Exact match (subset accuracy): images whose label set is right as a whole."),
    "MAP@10": ("MAP@10", "Mean over the images of the average precision of the ten most probable labels."),
}


def metrics(report: Mapping[str, Any]) -> None:
    """The main metrics of an evaluation's report, side by side."""
    for column, (key, (name, explanation)) in zip(st.columns(len(_METRICS)), _METRICS.items(), strict=True):
        column.metric(name, f"{report[key]:.1f} %", help=explanation)


def table(label: str, key: str, make: Callable[[], Styler | pd.DataFrame], hide_index: bool = True) -> None:
    """The numbers behind a chart, computed only when opened: formatting takes longer than drawing the chart."""
    with st.expander(label, key=key, on_change="rerun") as box:
        if box.open:
            st.dataframe(make(), hide_index=hide_index)
