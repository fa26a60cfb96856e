"""Metrics by number of labels, frequency and object size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

import state
from cnnrnn.evaluation.breakdown import MOST_LABELS, by_frequency, by_number_of_labels, by_size
from cnnrnn.evaluation.evaluate import Evaluation


def show(evaluation: Evaluation) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.header("By the number of labels in an image")
        rows = [
            {
                "labels in the truth": f"{count}{' or more' if count == MOST_LABELS else ''}",
                "images": group.images,
                "predicted labels": group.predicted,
                "O-F1, %": group.of1,
                "exact match, %": group.exact_match,
            }
            for count, group in by_number_of_labels(evaluation).items()
        ]
        _table(rows)
    with right:
        _by_frequency(evaluation)
        _by_size(evaluation)


def _by_frequency(evaluation: Evaluation) -> None:
    counts, where = _training_counts(evaluation)
    st.header("By the frequency of the labels")
    rows = [
        {
            "labels": name,
            where: f"{group.fewest} to {group.most}",
            "mean AP, %": group.mean_ap,
            "precision, %": group.precision,
            "recall, %": group.recall,
            "F1, %": group.f1,
        }
        for name, group in by_frequency(evaluation, counts).items()
    ]
    _table(rows)


def _training_counts(evaluation: Evaluation) -> tuple[dict[str, int] | None, str]:
    """The labels' numbers of training images and what they are called; those of the truth for another model's file."""
    vocabulary = state.config(st.session_state.checkpoint)["vocabulary"]
    if tuple(vocabulary["labels"]) != evaluation.labels:
        return None, "images"
    return dict(zip(vocabulary["labels"], vocabulary["counts"], strict=True)), "training images"


def _by_size(evaluation: Evaluation) -> None:
    st.header("By the size of the objects")
    found = by_size(evaluation)
    if not found:
        st.caption(
            "The boxes of these images are not known. VOC and COCO have them; for a table, add `--boxes FILE` to "
            "`cnnrnn evaluate`."
        )
        return
    rows = [
        {
            "largest object of the label": name,
            "labels in images": size.positives,
            "recall, %": size.recall,
            "mean probability, %": size.probability,
        }
        for name, size in found.items()
    ]
    _table(rows)
    st.caption(
        "Of the labels in the truth whose boxes are known. Small is below 0.33% of the image, medium below 3%: "
        "COCO's 32² and 96² pixels in a photograph of 640 × 480."
    )


def _table(rows: Sequence[Mapping[str, object]]) -> None:
    """Numbers stay numbers: a table of texts would be sorted as texts."""
    st.dataframe(pd.DataFrame(rows).style.format(precision=1), hide_index=True, placeholder="–")
