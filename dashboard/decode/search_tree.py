"""The beam search as a tree in which a path is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

import address
import widgets
from cnnrnn.decoding import tree
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.style import percent
from views.style import CHART

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_HEIGHT = 640  # pixels, from which on the tree scrolls
_WHY = 560  # pixels, of the column with the reasons


def show(trace: Trace, chosen: int, dark: bool) -> None:
    """The tree, and its table; `chosen` is the index of the path that is highlighted."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Beam search", width="content")
        everything = st.toggle(
            "Unfold all branches",
            key=address.keep("rare", (False, True), False),
            help="From a probability of 0.05 % on.",
        )
    min_prob = 0.0005 if everything else tree.MIN_PROB
    root, remark = tree.build(trace, min_prob), ""
    if everything:
        root = tree.gather(root)
        remark = "Of many dropped branches, the less probable ones are one point; the table has them all. "
    else:
        root, share = tree.fold(root, trace.paths[chosen], chosen)
        remark = f"Branches below {percent(share)} are folded. "
    figure = tree.figure(trace, chosen, dark, min_prob, root)
    tall = figure.layout.height > _HEIGHT
    # It scrolls sideways on a narrow screen.
    with st.container(key="tree_box", height=_HEIGHT if tall else "content", border=False):
        st.plotly_chart(
            figure,
            config=CHART,
            key="tree",
            on_select=_follow_click,
            selection_mode="points",
            alt="Tree of the label sequences that were kept, finished and dropped; the table below has the numbers",
        )
    st.caption(
        f"{remark}Beside a label stands its probability given the labels before it; a thicker line is a more probable "
        "choice. Click a point to choose the best finished path through it; hover over it for its probabilities and "
        "the reason why it was dropped."
    )

    def rows() -> Styler:
        formats = {"this choice": percent, "prefix": percent, "log-probability": "{:.2f}"}
        return pd.DataFrame(tree.rows(trace, min_prob)).style.format(formats)

    # A reason is a sentence, which the table would cut off after a few words.
    widgets.table("Table of the tree", "tree_table", rows, columns={"why": st.column_config.TextColumn(width=_WHY)})


def _follow_click() -> None:
    """Choose the best finished path through the point that was clicked, if there is one."""
    points = st.session_state.tree["selection"]["points"]
    if points and points[0]["customdata"] >= 0:
        st.session_state.path = points[0]["customdata"]
