"""What does this location say? The labels that one location of the image supports at a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
import torch

import address
import image_files
import state
from cnnrnn.attribution.explain import Explanation
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.models.vocabulary import END_NAME
from views import location_chart
from views.style import CHART, markdown

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


def ask(
    checkpoint: Checkpoint,
    image: image_files.InputImage,
    step: int,
    explanation: Explanation,
    displayed: bytes,
    width: int,
    answer: DeltaGenerator,
) -> None:
    """The image as a chart whose locations can be clicked, and in the container `answer` what the clicked one
    contributes to the step's logits.

    The contributions are exact: a logit is their sum over all locations.
    """
    support = state.location_support(checkpoint, image, explanation.tokens, step)  # (row, column, L+1)
    rows, columns, _ = support.shape
    offset = checkpoint.model.backbone.config.center_offset
    values = _where_they_look(resize_map(explanation.smoothed[step].cpu().numpy(), (columns, rows)), offset)
    event = st.plotly_chart(
        location_chart.figure(displayed, image.pixels.size, values, width, offset),
        config=CHART,
        key=f"locations_{step}",
        width="content",
        on_select="rerun",
        selection_mode="points",
        alt=f"The image {image.name} with the evidence of step {step + 1}; choose a location below or click one",
    )
    with answer:
        _contributions(checkpoint, (image.digest, explanation.tokens), step, support, values, event)


def _where_they_look(values: np.ndarray, offset: float) -> np.ndarray:
    """The values of a map (row, column) at the centers of the locations' receptive fields, `offset` cells behind the
    middle of the cells."""
    for _ in range(2):  # along the columns, then along the rows
        cells = np.arange(values.shape[1])
        values = np.stack([np.interp(cells + offset, cells, line) for line in values]).T
    return values


def _contributions(
    checkpoint: Checkpoint, scope: object, step: int, support: torch.Tensor, values: np.ndarray, event: Any
) -> None:
    """The location that was clicked last, or the strongest of the map `values` (row, column), and the labels to whose
    logits it adds most; `support` is (row, column, L+1)."""
    clicked = [int(point["customdata"]) for point in event["selection"]["points"]]
    made_for = f"{step}_{clicked[0] if clicked else 'strongest'}"  # a click sets both numbers
    row, column = divmod(clicked[0] if clicked else int(values.argmax()), values.shape[1])
    one, two = st.columns(2)
    with one:
        row = _number("row", row, values.shape[0], made_for, scope)
    with two:
        column = _number("column", column, values.shape[1], made_for, scope)
    names = [*checkpoint.vocabulary.labels, END_NAME]
    contributions, logits = support[row, column], support.sum(dim=(0, 1))
    best = contributions.argsort(descending=True)[:4].tolist()
    st.markdown(
        "It adds most to the logits of "
        + ", ".join(
            f"**{markdown(names[token])}** ({markdown(f'{contributions[token]:+.2f} of {logits[token]:.2f}')})"
            for token in best
        )
        + ".",
        help="Click a location of the image, or choose its row and its column. A label's logit at this step is the sum "
        f"of what all {values.size} locations add to it, some of them less than 0. Hover over the image for the values "
        "of the map.",
    )


def _number(name: str, start: int, most: int, made_for: str, scope: object) -> int:
    """A row or a column from 0; a person counts from 1."""
    key = address.keep(f"{name}_{made_for}", range(1, most + 1), 1 + start, name=name, scope=scope)
    return int(st.number_input(f"{name.capitalize()} (1 to {most})", 1, most, key=key)) - 1
