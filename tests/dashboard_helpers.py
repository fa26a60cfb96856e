"""What tests of several pages of the dashboard share; the fixtures are in dashboard/conftest.py."""

from __future__ import annotations

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


def texts(app: AppTest) -> str:
    return "\n".join(str(block.value) for block in [*app.markdown, *app.caption, *app.error, *app.info])
