"""What if? The image decoded again as if something were certain, in another order, or with a part hidden."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
import torch
from PIL import Image

import controls
import shown
import state
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.beam_search import sequence_log_probs
from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.errors import UserError
from views import changes, tree
from views.style import CHART, markdown, percent

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_MOST_ORDERED = 5  # labels whose orders are all tried: 120


def page() -> None:
    name, checkpoint = controls.chosen_sequence_model()
    beam = controls.beam()
    image = controls.image()
    before = state.trace(checkpoint, image, beam)
    _told(checkpoint, image, before, beam)
    _orders(checkpoint, image, before)
    _hidden(checkpoint, image, before, beam)
    _company(name, before)


@st.fragment
def _told(checkpoint: Checkpoint, image: state.InputImage, before: Trace, beam: int) -> None:
    st.subheader("Told what to say")
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.image(image.pixels, width="stretch", alt=f"The image {image.name}")
    with right:
        constraints = _constraints(before)
    if constraints is None:
        return
    after = state.trace(checkpoint, image, beam, constraints)
    found = changes.changes(before, after)
    dark = controls.dark()
    with right:
        _summary(before, after, found, constraints)
        if constraints != NO_CONSTRAINTS:
            st.plotly_chart(
                changes.figure(found, dark),
                config=CHART,
                key="changes",
                alt="Dots: probability of the labels that change most, before and after, in the table below as numbers",
            )
    st.plotly_chart(
        tree.figure(after, 0, dark, 0.01),
        config=CHART,
        key="told_tree",
        alt="Tree of the label sequences the search kept with what was given",
    )

    def rows() -> Styler:
        told = [{"label": c.label, "before": c.before, "after": c.after, "Δ": c.delta} for c in found]
        return pd.DataFrame(told).style.format("{:.3f}", subset=["before", "after", "Δ"])

    shown.table("The same as a table", "told_table", rows)


def _constraints(trace: Trace) -> Constraints | None:
    """What the person chose; None, with a line that says why, where it contradicts itself."""
    rank = {label: index for index, label in enumerate(trace.labels)}
    starts = st.multiselect(
        "The sequence starts with", trace.labels, key="starts", help="In the order you choose them; END comes later."
    )
    one, two = st.columns([2, 1])
    label = one.selectbox("It also says", trace.labels, index=None, key="says", placeholder="any label, at a step")
    first = len(starts) + 1
    step = two.number_input("at step", first, len(trace.labels), first, key=f"at_step_from_{first}")
    never = st.multiselect("It never says", trace.labels, key="never")
    forced = [(position, rank[name]) for position, name in enumerate(starts)]
    if label is not None:
        forced.append((int(step) - 1, rank[label]))
    try:
        return Constraints(tuple(forced), tuple(rank[name] for name in never))
    except UserError:
        st.warning("A label can be given once: at one step, or never.", icon=":material/warning:")
        return None


def _summary(before: Trace, after: Trace, found: list[changes.Change], constraints: Constraints) -> None:
    if constraints == NO_CONSTRAINTS:
        st.info("Choose a label above. As it is, the model says: " + _sequence(before), icon=":material/alt_route:")
        return
    named = {before.labels[label] for label in [*(label for _, label in constraints.forced), *constraints.banned]}
    words = [f"**{markdown(label)}** {text}" for label, text in changes.in_words(found, named)]
    st.markdown(("; ".join(words) + ".") if words else "No other label changes by more than 2 points.")
    st.markdown(f"Best path before: {_sequence(before)}  \nBest path now: {_sequence(after)}")


def _sequence(trace: Trace) -> str:
    path = trace.paths[0]
    return " → ".join(map(markdown, trace.choices(path))) + f" ({percent(path.prob)})"


@st.fragment
def _orders(checkpoint: Checkpoint, image: state.InputImage, trace: Trace) -> None:
    st.subheader("Said in another order")
    best = trace.names(trace.paths[0].tokens)
    chosen = st.multiselect(
        "Labels whose orders are compared",
        trace.labels,
        best[:_MOST_ORDERED] if len(best) > 1 else _likely(trace),
        max_selections=_MOST_ORDERED,
        key=f"orders_{image.digest}_{checkpoint.weights_hash}",
        help="The model was trained on one order. How much it minds another one is what this shows.",
    )
    if len(chosen) < 2:
        st.info("Choose two labels or more: a single one has only one order.", icon=":material/swap_vert:")
        return
    rank = {label: index for index, label in enumerate(trace.labels)}
    orders = list(itertools.permutations(chosen))
    sequences = torch.tensor([[rank[name] for name in order] for order in orders], device=checkpoint.model.device)
    log_probs = sequence_log_probs(checkpoint.rnn, state.feature(checkpoint, image), sequences).tolist()
    ranked = sorted(zip(log_probs, orders, strict=True), reverse=True)
    total = sum(math.exp(value) for value in log_probs)
    columns = st.columns(3)
    columns[0].metric("Exactly these labels, in any order", percent(total))
    columns[1].metric("BatchShard of the best order", percent(math.exp(ranked[0][0]) / total) if total else "0%")
    columns[2].metric(
        "Best to worst", f"{ranked[0][0] - ranked[-1][0]:.1f} nats", help="Difference of log-probabilities."
    )
    rows = [
        {"order": " → ".join([*order, "END"]), "probability": math.exp(value), "log-probability": value}
        for value, order in ranked
    ]
    st.dataframe(
        pd.DataFrame(rows).style.format({"probability": "{:.2%}", "log-probability": "{:.2f}"}), hide_index=True
    )


def _likely(trace: Trace) -> list[str]:
    return [trace.labels[label] for label in np.argsort(-trace.marginals, kind="stable")[:2]]


@st.fragment
def _hidden(checkpoint: Checkpoint, image: state.InputImage, before: Trace, beam: int) -> None:
    st.subheader("With the evidence hidden")
    path = before.paths[0]
    if not path.tokens:
        st.info("The best path has no label whose evidence could be hidden.", icon=":material/visibility_off:")
        return
    one, two = st.columns(2)
    names = before.names(path.tokens)
    step = one.selectbox(
        "Hide what this step looked at", range(len(names)), key="hidden_step", format_func=lambda step: names[step]
    )
    share = two.slider(
        "BatchShard of the image that is hidden", 0.05, 0.6, 0.25, 0.05, key="hidden_share", format="percent"
    )
    values = state.explanation(checkpoint, image, path.tokens).maps[step].cpu().numpy()
    pixels = changes.greyed(np.asarray(image.pixels), resize_map(values, image.pixels.size), share)
    hidden = state.altered(image, f"{step} {share} hidden", Image.fromarray(pixels))
    after = state.trace(checkpoint, hidden, beam)
    left, right = st.columns([2, 3], gap="large")
    left.image(hidden.pixels, width="stretch", alt=f"The image with the evidence for {names[step]} in grey")
    with right:
        token = path.tokens[step]
        old, new = float(before.marginals[token]), float(after.marginals[token])
        st.metric(f"Probability of {markdown(names[step])}", percent(new), f"{100 * (new - old):+.0f} points")
        st.markdown(
            "The label goes: the map shows what it rests on."
            if new < 0.5 <= old
            else "The label stays: it also rests on what is still to be seen."
        )
        st.markdown(f"Best path now: {_sequence(after)}")
        st.plotly_chart(
            changes.figure(changes.changes(before, after), controls.dark()),
            config=CHART,
            key="hidden_changes",
            alt="Dots: probability of the labels that change most when the evidence is hidden",
        )


@st.fragment
def _company(name: str, trace: Trace) -> None:
    st.subheader("What goes with what")
    together = state.results(name)["cooccurrence"]
    if not together:
        st.info("This checkpoint doesn't tell; train it again and it will.", icon=":material/group:")
        return
    likeliest = trace.labels[int(np.argmax(trace.marginals))]
    label = st.selectbox("In images with", trace.labels, trace.labels.index(likeliest), key=f"company_{likeliest}")
    found = changes.company(together.get(label, {}))
    st.plotly_chart(
        changes.figure(found, controls.dark(), ("in the training images", "as the model says")),
        config=CHART,
        key="company",
        alt=f"Dots: how often other labels stand beside {label}, in the table below as numbers",
    )
    st.caption(
        "How often the other labels stand beside it: in the training images, and among the sequences that the model "
        "finds for the validation images, each by its probability. Where the two part, it has learned something else "
        "than counts, or hasn't learned them."
    )

    def rows() -> Styler:
        shares = [{"label": c.label, "in training": c.before, "by the model": c.after} for c in found]
        return pd.DataFrame(shares).style.format({"in training": "{:.1%}", "by the model": "{:.1%}"})

    shown.table("The company as a table", "company_table", rows)


page()
