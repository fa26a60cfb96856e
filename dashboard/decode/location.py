"""What does this location say? The labels that one location of the image supports at a step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

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
    """The image as a chart whose locations can be clicked, and in the container `answer` what the chosen one, at first
    the strongest of the map, contributes to the step's logits.

    The contributions are exact: a logit is their sum over all locations.
    """
    support = state.location_support(checkpoint, image, explanation.tokens, step)  # (row, column, L+1)
    rows, columns, _ = support.shape
    offset = checkpoint.model.backbone.config.center_offset
    values = _where_they_look(resize_map(explanation.smoothed[step].cpu().numpy(), (columns, rows)), offset)
    with answer:
        place = _place(values, (image.digest, explanation.tokens, step))
        _contributions(checkpoint, place, support)
    key = f"locations_{step}"
    st.plotly_chart(
        location_chart.figure(displayed, image.pixels.size, values, width, offset, place),
        config=CHART,
        key=key,
        width="content",
        on_select=partial(_take, key, columns),
        selection_mode="points",
        alt=f"The image {image.name} with the evidence of step {step + 1}; the chosen location has a frame",
    )


def _take(key: str, columns: int) -> None:
    """Choose the location that was clicked."""
    if points := st.session_state[key]["selection"]["points"]:
        row, column = divmod(int(points[-1]["customdata"]), columns)
        st.session_state.update(row=row + 1, column=column + 1)


def _where_they_look(values: np.ndarray, offset: float) -> np.ndarray:
    """The values of a map (row, column) at the centers of the locations' receptive fields, `offset` cells behind the
    middle of the cells."""
    for _ in range(2):  # along the columns, then along the rows
        cells = np.arange(values.shape[1])
        values = np.stack([np.interp(cells + offset, cells, line) for line in values]).T
    return values


def _place(values: np.ndarray, scope: object) -> tuple[int, int]:
    """The chosen row and column, at first those of the strongest location of the map `values` (row, column)."""
    strongest = divmod(int(values.argmax()), values.shape[1])
    chosen = []
    for container, name, start, most in zip(st.columns(2), ("row", "column"), strongest, values.shape, strict=True):
        key = address.keep(name, range(1, most + 1), 1 + start, scope=scope)  # a person counts from 1
        chosen.append(int(container.number_input(f"{name.capitalize()} (1 to {most})", 1, most, key=key)) - 1)
    row, column = chosen
    return row, column


def _contributions(checkpoint: Checkpoint, place: tuple[int, int], support: torch.Tensor) -> None:
    """The labels to whose logits the location at a row and a column adds most; `support` is (row, column, L+1)."""
    names = [*checkpoint.vocabulary.labels, END_NAME]
    contributions, logits = support[place], support.sum(dim=(0, 1))
    best = contributions.argsort(descending=True)[:4].tolist()
    supported = ", ".join(
        f"**{markdown(names[token])}** ({markdown(f'{contributions[token]:+.2f} of {logits[token]:.2f}')})"
        for token in best
    )
    st.markdown(
        f"The location in the frame adds most to the logits of {supported}. Click the image for another one.",
        help=f"A label's logit at this step is the sum of what all {support.shape[0] * support.shape[1]} locations add "
        "to it, some of them less than 0. Hover over the image for the values of the map.",
    )
