"""What several pages show."""

from __future__ import annotations

from typing import Any

import streamlit as st

_MEASURES = {"mAP": "mAP", "OF1": "O-F1", "CF1": "C-F1", "exact_match": "exact set", "MAP@10": "MAP@10"}


def measures(report: dict[str, Any]) -> None:
    """The main figures of an evaluation's report, side by side."""
    for column, (key, name) in zip(st.columns(len(_MEASURES)), _MEASURES.items(), strict=True):
        column.metric(name, f"{report[key]:.1f} %")
