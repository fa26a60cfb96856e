"""The image decoded again with labels forced or excluded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

import address
import controls
import image_files
import state
import widgets
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.style import percent, points
from views import marginal_diff
from views.style import CHART, markdown
from what_if.texts import MARGINAL, best_path

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_MARGINAL_MEANING = (
    "The marginal probability of a label is that of all label sequences with it, among those that the beam search "
    "finished: a lower bound. *Decode* shows calibrated probabilities; for a search with constraints there is no "
    "calibration."
)


@st.fragment
def show(checkpoint: Checkpoint, image: image_files.InputImage, before: Trace, beam: int) -> None:
    st.header("Constrained decoding", help=_MARGINAL_MEANING)
    left, right = st.columns([2, 3], gap="large")
    with left:
        widgets.picture(image.pixels, f"The image {image.name}")
    with right:
        constraints = _choose_constraints(before)
    if constraints is None:
        return
    after = before if constraints == NO_CONSTRAINTS else state.trace(checkpoint, image, beam, constraints)
    found = marginal_diff.compare_marginals(before, after)
    dark = controls.dark()
    with right:
        _summary(before, after, found, constraints)
        if constraints != NO_CONSTRAINTS:
            st.plotly_chart(
                marginal_diff.figure(found, dark, quantity=MARGINAL),
                config=CHART,
                key="marginal_diff",
                alt="Chart: the largest changes of marginal probability; the table below has the numbers",
            )
    widgets.beam_tree(
        after,
        "constrained_tree",
        dark,
        760,
        "Tree of the label sequences that the beam search kept under the constraints",
    )

    def rows() -> Styler:
        cells = [{"label": c.label, "before": c.before, "after": c.after, "Δ": c.delta} for c in found]
        return pd.DataFrame(cells).style.format({"before": percent, "after": percent, "Δ": points})

    widgets.table("Table of the marginal probabilities", "constrained_table", rows)


def _choose_constraints(trace: Trace) -> Constraints | None:
    """The constraints that were chosen; None, with a warning, if they contradict each other."""
    rank = {label: index for index, label in enumerate(trace.labels)}
    first_labels = st.multiselect(
        "First labels",
        trace.labels,
        key=address.keep("first_labels", trace.labels, []),
        help="The sequence starts with these labels, in the order of choice.",
    )
    one, two = st.columns([2, 1])
    full = len(first_labels) == len(trace.labels)  # no step is left for another label
    label = one.selectbox(
        "Forced label",
        trace.labels,
        index=None,
        key=address.keep("forced_label", trace.labels),
        placeholder="any label, at a step",
        disabled=full,
    )
    lowest, highest = min(len(first_labels) + 1, len(trace.labels)), len(trace.labels)
    key = address.keep(f"at_step_from_{lowest}", range(lowest, highest + 1), lowest, name="at_step")
    step = two.number_input("at step", lowest, highest, key=key, disabled=full)
    excluded = st.multiselect("Excluded labels", trace.labels, key=address.keep("excluded", trace.labels, []))
    forced = [(position, rank[name]) for position, name in enumerate(first_labels)]
    if label is not None and not full:
        forced.append((int(step) - 1, rank[label]))
    try:
        constraints = Constraints(tuple(forced), tuple(rank[name] for name in excluded))
    except UserError:
        st.warning(
            "The constraints contradict each other: force a label at one step, or exclude it.",
            icon=":material/warning:",
        )
        return None
    try:
        constraints.check(len(trace.labels))
    except UserError as error:
        st.warning(f"No label sequence is possible: {error}.", icon=":material/warning:")
        return None
    return constraints


def _summary(before: Trace, after: Trace, found: list[marginal_diff.MarginalChange], constraints: Constraints) -> None:
    if constraints == NO_CONSTRAINTS:
        st.info(
            "Choose a label above. The best path without constraints is: " + best_path(before),
            icon=":material/alt_route:",
        )
        return
    constrained = {before.labels[label] for label in [*(label for _, label in constraints.forced), *constraints.banned]}
    described = [f"**{markdown(label)}** {text}" for label, text in marginal_diff.describe(found, constrained)]
    changes = "; ".join(described) or "no other label changes by more than 2 points"
    st.markdown(f"Marginal probability: {changes}.")
    st.markdown(f"Best path before: {best_path(before)}  \nBest path after: {best_path(after)}")
