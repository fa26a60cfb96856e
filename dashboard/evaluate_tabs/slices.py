"""Metrics by number of labels, frequency and object size."""

from __future__ import annotations

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
                "predicted labels": f"{group.predicted:.1f}",
                "O-F1, %": f"{group.of1:.1f}",
                "exact match, %": f"{group.exact_match:.1f}",
            }
            for count, group in by_number_of_labels(evaluation).items()
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True)
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
            "mean AP, %": "–" if group.mean_ap is None else f"{group.mean_ap:.1f}",
            "precision, %": f"{group.precision:.1f}",
            "recall, %": f"{group.recall:.1f}",
            "F1, %": f"{group.f1:.1f}",
        }
        for name, group in by_frequency(evaluation, counts).items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


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
            "recall, %": f"{size.recall:.1f}",
            "mean probability, %": f"{size.probability:.1f}",
        }
        for name, size in found.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        "Of the labels in the truth whose boxes are known. Small is below 0.33% of the image, medium below 3%: "
        "COCO's 32² and 96² pixels in a photograph of 640 × 480."
    )
