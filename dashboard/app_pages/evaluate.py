"""Evaluate: the metrics of an evaluation, and its errors one by one."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

import controls
import evaluations
import widgets
from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.utils.style import counted
from evaluate_tabs import choice, cooccurrence, label_errors, labels, mistakes, probabilities, slices

_FEWEST_IMAGES = 100  # whose metrics stand without a remark


def page() -> None:
    evaluation = choice.choose()
    if evaluation is None:
        st.info(
            "No evaluation is open: this checkpoint has none of its own. Evaluate the sample photographs above, or "
            "write one with `cnnrnn evaluate SOURCE --checkpoint … --record`.",
            icon=":material/rule:",
        )
        return
    _metrics(evaluation)
    pictured = evaluations.has_images(evaluation)
    if not pictured:
        st.caption(
            "These images can't be shown: start the dashboard with `cnnrnn dashboard --data PATH`, where PATH is the "
            "data set, or evaluate the sample photographs."
        )
    dark = controls.dark()
    parts: dict[str, Callable[[], None]] = {
        "Mistakes": lambda: mistakes.show(evaluation),
        "Labels": lambda: labels.show(evaluation, dark),
        "Probabilities": lambda: probabilities.show(evaluation, dark),
        "Slices": lambda: slices.show(evaluation),
        "Co-occurrence": lambda: cooccurrence.show(evaluation),
        "Label errors": lambda: label_errors.show(evaluation),
    }
    first = "Mistakes" if pictured else "Labels"  # which says most without the images
    tabs = st.tabs(list(parts), default=first, key="tab", bind="query-params")
    for tab, part in zip(tabs, parts.values(), strict=True):
        if tab.open:
            with tab:
                part()


def _metrics(evaluation: Evaluation) -> None:
    metrics = evaluation.metrics
    widgets.metrics(metrics)
    few = metrics["images"] < _FEWEST_IMAGES or metrics["labels_scored"] < len(evaluation.labels) / 2
    if few:
        st.markdown(
            f"**Figures of {counted(metrics['images'], 'image')}, mAP and C-F1 of {metrics['labels_scored']} of "
            f"{len(evaluation.labels)} labels: too few to compare with others.**"
        )
    st.caption(
        f"{metrics['images']} images, coverage {metrics['coverage']:.1f}%. mAP is computed from the labels' "
        f"probabilities; it and C-F1 are means over the {metrics['labels_scored']} labels with at least "
        f"{counted(metrics['min_positives'], 'positive')}. O-F1, C-F1 and exact match (subset accuracy) are those of "
        "the predicted label sets: the best paths, or of independent sigmoids what reaches their threshold."
    )
    if metrics["errors"]:
        st.warning(f"{len(metrics['errors'])} images could not be read.", icon=":material/warning:")


page()
