"""How probable the same labels are in other orders."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import streamlit as st
import torch

import address
import image_files
import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.beam_search import sequence_log_probs
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.style import percent

_MAX_ORDERED = 5  # labels, whose 120 orders are all scored


@st.fragment
def show(checkpoint: Checkpoint, image: image_files.InputImage, trace: Trace) -> None:
    st.header("Label order")
    best = trace.names(trace.paths[0].tokens)
    default = best[:_MAX_ORDERED] if len(best) > 1 else _most_probable(trace)
    chosen = st.multiselect(
        "Labels to permute",
        trace.labels,
        max_selections=_MAX_ORDERED,
        key=address.keep(f"orders_{image.digest}_{checkpoint.weights_hash}", trace.labels, default, name="orders"),
        help="The model was trained on one order of the labels. The table shows how probable the other orders are.",
    )
    if len(chosen) < 2:
        st.info("Choose two labels or more: a single label has only one order.", icon=":material/swap_vert:")
        return
    rank = {label: index for index, label in enumerate(trace.labels)}
    orders = list(itertools.permutations(chosen))
    sequences = torch.tensor([[rank[name] for name in order] for order in orders], device=checkpoint.model.device)
    log_probs = sequence_log_probs(checkpoint.rnn, state.feature(checkpoint, image), sequences).tolist()
    ranked = sorted(zip(log_probs, orders, strict=True), reverse=True)
    total = sum(math.exp(value) for value in log_probs)
    columns = st.columns(3)
    columns[0].metric("This label set, in any order", percent(total))
    columns[1].metric("Share of the best order", percent(math.exp(ranked[0][0]) / total) if total else "0%")
    columns[2].metric(
        "Best against worst order",
        f"{ranked[0][0] - ranked[-1][0]:.1f} nats",
        help="The difference of their log-probabilities. 0.7 nats are a factor of two.",
    )
    rows = [
        {"order": " → ".join([*order, "END"]), "probability": math.exp(value), "log-probability": value}
        for value, order in ranked
    ]
    st.dataframe(
        pd.DataFrame(rows).style.format({"probability": percent, "log-probability": "{:.2f}"}), hide_index=True
    )


def _most_probable(trace: Trace) -> list[str]:
    return [trace.labels[label] for label in np.argsort(-trace.marginals, kind="stable")[:2]]
