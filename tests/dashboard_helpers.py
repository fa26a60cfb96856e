"""What tests of several pages of the dashboard share; the fixtures are in dashboard/conftest.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from streamlit.testing.v1 import AppTest

# The types of fixtures.
Images = Callable[[AppTest], list[tuple[str, bytes]]]
Chart = Callable[[AppTest, str], list[dict[str, Any]]]
Data = Callable[[go.Figure], list[dict[str, Any]]]
Pixels = Callable[[bytes], np.ndarray]


def badges(app: AppTest) -> list[str]:
    """In Markdown, in their order, of all elements that have some."""
    return [badge for block in app.markdown for badge in re.findall(r":\w+-badge\[[^]]*\]", str(block.value))]


def texts(app: AppTest) -> str:
    return "\n".join(str(block.value) for block in [*app.markdown, *app.caption, *app.error, *app.info])
