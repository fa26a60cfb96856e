"""Labels that were predicted because of others that often go with them."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from cnnrnn.evaluation.bias import MOST_STRENGTH, biased_pairs
from cnnrnn.evaluation.evaluate import Evaluation
from evaluate_tabs.cards import cards
from views.style import markdown

_PAIR_IMAGES = 4
_HEIGHT, _ROW_HEIGHT = 560, 35  # pixels: at most of the table, and of one of its rows


def show(evaluation: Evaluation) -> None:
    if evaluation.steps is None:
        st.caption(
            "What the recurrence adds to each label was not recorded, or the model has no recurrence. Evaluate the "
            "sample photographs, or write a new file with `cnnrnn evaluate --per-image` or `--record`."
        )
        return
    pairs = biased_pairs(evaluation)
    if not pairs:
        st.success("No label was predicted because of co-occurrence alone.")
        return
    st.caption(
        "Labels that were predicted wrongly, probably because of co-occurrence: a label before them at least doubled "
        "their odds, and the image speaks little for them: their map reaches at most "
        f"{MOST_STRENGTH:.0%} of the strongest of its path. The last column counts the images in which the same pair "
        "was right. Choose a row to see its images."
    )
    table = pd.DataFrame(
        {
            "predicted wrongly": pair.label,
            "after": pair.after,
            "images": len(pair.rows),
            "odds": math.exp(pair.raised),
            "map": pair.strength,
            "rightly": pair.right,
        }
        for pair in pairs
    )
    left, right = st.columns(2, gap="large")
    with left:
        event = st.dataframe(
            table.style.format({"odds": "× {:,.1f}", "map": "{:.0%}"}),
            placeholder="–",
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key="pairs",
            height=min(_HEIGHT, _ROW_HEIGHT * (len(table) + 1) + 3),
        )
        chosen = event["selection"]["rows"]
        pair = pairs[chosen[0] if chosen else 0]
    with right:
        of = f", {_PAIR_IMAGES} of {len(pair.rows)} images" if len(pair.rows) > _PAIR_IMAGES else ""
        st.markdown(f"**{markdown(pair.label)}** predicted wrongly after **{markdown(pair.after)}**{of}")
        cards(evaluation, pair.rows[:_PAIR_IMAGES], "pair", abreast=2)
