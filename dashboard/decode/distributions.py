"""What each step of a path chose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

import widgets
from cnnrnn.decoding.trace import Path, Trace
from cnnrnn.utils.style import percent
from views import bars
from views.style import CHART, markdown

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler


def show(trace: Trace, path: Path, contributions: Sequence[float], dark: bool) -> None:
    """The distribution of every step, with the `contributions` of the labels before it."""
    st.header(
        "Decoding steps",
        help="What each step chose from. Contributions to log-odds are in nats: 0.7 more double the odds, 2.3 more are "
        "ten times the odds.",
    )
    names = trace.choices(path)
    per_row = min(max(len(names), 3), 4)
    for start in range(0, len(names), per_row):
        for step, column in enumerate(st.columns(per_row), start=start):
            if step < len(names):
                with column:
                    _distribution(trace, path, step, contributions[step], dark)
    st.caption(
        "The bars show the step's distribution given the labels before it (✓ its choice). The prefix contribution is "
        "what the labels before it add to the log-odds of the choice, compared with choosing it first."
    )
    widgets.table("Table of the steps", "steps_table", lambda: _table(trace, path), hide_index=False)


def _distribution(trace: Trace, path: Path, step: int, contribution: float, dark: bool) -> None:
    name = trace.name(path.token(step, trace.end))
    st.markdown(f"**{step + 1} · {markdown(name)}**")
    end = float(trace.distribution(path, step)[trace.end])
    facts = [f"the whole sequence {percent(path.prob)}" if step == len(path.tokens) else f"END {percent(end)}"]
    st.caption(" · ".join([*facts, *([f"prefix contribution {contribution:+.1f} nats"] if step else [])]))
    st.plotly_chart(
        bars.step_distribution(trace, path, step, dark),
        config=CHART,
        key=f"step-{step}",
        alt=f"Bars: the distribution of step {step + 1}; the table below has the numbers",
    )


def _table(trace: Trace, path: Path) -> Styler:
    """The distribution of every step, and the labels' probabilities."""
    names = trace.choices(path)
    probs = np.stack([trace.distribution(path, step) for step in range(len(names))], axis=1)  # (L+1, step)
    columns = [f"{step + 1}: {name}" for step, name in enumerate(names)]
    table = pd.DataFrame(probs, index=[*trace.labels, trace.name(trace.end)], columns=columns)
    table.insert(0, "probability", [*trace.probabilities, trace.coverage])
    return table.sort_values("probability", ascending=False).style.format(percent)
