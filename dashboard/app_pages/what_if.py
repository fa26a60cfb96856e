"""What if? The image decoded again under constraints, in another label order, or with evidence occluded."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
import torch
from PIL import Image

import address
import controls
import image_files
import state
import widgets
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.beam_search import sequence_log_probs
from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.style import percent, points
from views import marginal_diff
from views.style import CHART, markdown

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_MAX_ORDERED = 5  # labels, whose 120 orders are all scored
_MIN_DIFFERENCE = 0.02  # of probabilities; a smaller one shows nothing
_MARGINAL = "marginal probability"
_MARGINAL_MEANING = (
    "The marginal probability of a label is that of all label sequences with it, among those that the beam search "
    "finished: a lower bound. *Decode* shows calibrated probabilities; for a search with constraints there is no "
    "calibration."
)
_MODEL_MEANING = "in the label sequences that the model finds for the validation images, weighted by their probability"
_LIFTS_MEANING = (
    "How many times as often a label occurs in images with this one as in all images: in the training images, and "
    f"{_MODEL_MEANING}. At 1× the labels are independent. Each is compared with how often it occurs at all, since the "
    "sequences have fewer labels than the images."
)
_CONDITIONAL_MEANING = (
    f"The probability of another label given this one: in the training images, and {_MODEL_MEANING}. The sequences "
    "have fewer labels than the images, so lower values of the model are no sign of a co-occurrence that it lacks; a "
    "checkpoint trained now also records how often each label occurs."
)


def page() -> None:
    name, checkpoint = controls.chosen_sequence_model(
        "independent sigmoids predict each label without regard to the others, so there is nothing to force or exclude."
    )
    beam = controls.beam()
    image = controls.image()
    before = state.trace(checkpoint, image, beam)
    _constrained_decoding(checkpoint, image, before, beam)
    _label_order(checkpoint, image, before)
    _occlusion(checkpoint, image, before, beam)
    _cooccurrence(name, before)


@st.fragment
def _constrained_decoding(checkpoint: Checkpoint, image: image_files.InputImage, before: Trace, beam: int) -> None:
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
                marginal_diff.figure(found, dark, quantity=_MARGINAL),
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
            "Choose a label above. The best path without constraints is: " + _sequence(before),
            icon=":material/alt_route:",
        )
        return
    constrained = {before.labels[label] for label in [*(label for _, label in constraints.forced), *constraints.banned]}
    described = [f"**{markdown(label)}** {text}" for label, text in marginal_diff.describe(found, constrained)]
    changes = "; ".join(described) or "no other label changes by more than 2 points"
    st.markdown(f"Marginal probability: {changes}.")
    st.markdown(f"Best path before: {_sequence(before)}  \nBest path after: {_sequence(after)}")


def _sequence(trace: Trace) -> str:
    path = trace.paths[0]
    return " → ".join(map(markdown, trace.choices(path))) + f" ({percent(path.prob)})"


@st.fragment
def _label_order(checkpoint: Checkpoint, image: image_files.InputImage, trace: Trace) -> None:
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


@st.fragment
def _occlusion(checkpoint: Checkpoint, image: image_files.InputImage, before: Trace, beam: int) -> None:
    st.header("Occlusion of the evidence")
    path = before.paths[0]
    if not path.tokens:
        st.info("The best path has no label whose evidence could be occluded.", icon=":material/visibility_off:")
        return
    one, two = st.columns(2)
    names = before.names(path.tokens)
    steps = range(len(names))
    step = one.selectbox(
        "Occlude the evidence for",
        steps,
        key=address.keep("occluded_step", steps, 0, scope=path.tokens),
        format_func=lambda step: names[step],
    )
    fractions = [number / 20 for number in range(1, 13)]
    fraction = two.slider(
        "Occluded fraction of the image",
        0.05,
        0.6,
        step=0.05,
        key=address.keep("occluded_fraction", fractions, 0.25),
        format="percent",
    )
    values = state.explanation(checkpoint, image, path.tokens, state.MapSettings()).smoothed[step].cpu().numpy()
    evidence = marginal_diff.strongest(resize_map(values, image.pixels.size), fraction)
    occluded = _occluded(image, evidence, f"{step} {fraction} occluded")
    after = state.trace(checkpoint, occluded, beam)
    left, right = st.columns([2, 3], gap="large")
    with left:
        widgets.picture(occluded.pixels, f"The image with the evidence for {names[step]} in grey")
    with right:
        one, two = st.columns(2)
        token = path.tokens[step]
        quantity = "probability" if marginal_diff.has_probabilities(before) else _MARGINAL
        with one:
            _change(f"{quantity.capitalize()} of {markdown(names[step])}", before, [after], token)
        others = state.traces(
            checkpoint,
            tuple(
                _occluded(image, region, f"{step} {fraction} control {number}")
                for number, region in enumerate(marginal_diff.elsewhere(evidence))
            ),
            beam,
        )
        with two:
            _change(
                "Elsewhere occluded",
                before,
                others,
                token,
                help=f"A control: the mean over {len(others)} images in which a region of the same size and shape is "
                "grey elsewhere.",
            )
        st.markdown(_finding(names[step], token, after, others))
        st.markdown(f"Best path after: {_sequence(after)}")
        mean = dict(zip(before.labels, np.mean([trace.probabilities for trace in others], axis=0), strict=True))
        st.plotly_chart(
            marginal_diff.figure(
                marginal_diff.compare_probabilities(before, after),
                controls.dark(),
                quantity=quantity,
                control=("elsewhere", mean),
            ),
            config=CHART,
            key="occlusion_diff",
            alt="Chart: probabilities of the labels that change most when the evidence is occluded",
        )


def _occluded(image: image_files.InputImage, region: np.ndarray, how: str) -> image_files.InputImage:
    pixels = marginal_diff.grey_out(np.asarray(image.pixels), region)
    return image_files.derived_image(image, how, Image.fromarray(pixels))


def _change(name: str, before: Trace, after: list[Trace], token: int, help: str | None = None) -> None:
    """The label's mean probability after an occlusion, and by how much it changed."""
    new = float(np.mean([trace.probabilities[token] for trace in after]))
    change = points(new - float(before.probabilities[token]))
    changed = change[0] in "+-"
    st.metric(
        name,
        percent(new),
        change,
        delta_color="normal" if changed else "off",
        delta_arrow="auto" if changed else "off",
        help=help,
    )


def _finding(name: str, token: int, after: Trace, others: list[Trace]) -> str:
    """Whether the label is still in the best path, and whether that is because of what was occluded."""
    predicted = [token in trace.paths[0].tokens for trace in (after, *others)]
    lowest = min(float(trace.probabilities[token]) for trace in others)
    if float(after.probabilities[token]) < lowest - _MIN_DIFFERENCE:
        meaning = "Its probability falls further than with any region elsewhere: it depends on the occluded evidence."
    else:
        meaning = "Its probability does not fall further than with regions elsewhere, so that nothing shows that it "
        meaning += "depends on the occluded evidence in particular."
    return (
        f"**{markdown(name)}** is {'still' if predicted[0] else 'no longer'} in the best path; with a region elsewhere "
        f"occluded, it is in {sum(predicted[1:])} of {len(others)}. {meaning}"
    )


@st.fragment
def _cooccurrence(name: str, trace: Trace) -> None:
    st.header("Co-occurrence")
    results = state.results(name)
    table, rates = results["cooccurrence"], results["label_rates"]
    if not table:
        st.info("This checkpoint has no co-occurrence table. Train it again to record one.", icon=":material/group:")
        return
    most_probable = trace.labels[int(np.argmax(trace.marginals))]
    label = st.selectbox(
        "In images with",
        trace.labels,
        key=address.keep(f"cooccurrence_{most_probable}", trace.labels, most_probable, name="cooccurrence"),
    )
    found = marginal_diff.cooccurring_labels(table.get(label, {}))
    lifts = marginal_diff.lifts(found, rates) if rates else []
    st.plotly_chart(
        marginal_diff.cooccurrence_figure(lifts or found, controls.dark(), bool(lifts)),
        config=CHART,
        key="cooccurrence",
        alt=f"Chart: how often other labels occur together with {label}; the table below has the numbers",
    )
    st.caption(_LIFTS_MEANING if lifts else _CONDITIONAL_MEANING)

    def rows() -> Styler:
        cells = pd.DataFrame([{"label": c.label, "in training": c.before, "by the model": c.after} for c in found])
        shares, ratios = ["in training", "by the model"], []
        if lifts:
            ratios = [f"times as often {where}" for where in shares]
            cells[ratios] = [(c.before, c.after) for c in lifts]
        return cells.style.format(percent, subset=shares).format("{:.1f}×", subset=ratios)

    widgets.table("Table of the co-occurrence", "cooccurrence_table", rows)


page()
