"""What does this location say? The labels that one location of the image supports at a step."""

from __future__ import annotations

import streamlit as st

import address
import image_files
import state
from cnnrnn.attribution.explain import Explanation
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.models.vocabulary import END_NAME
from views import location_chart
from views.style import CHART, markdown


def ask(
    checkpoint: Checkpoint,
    image: image_files.InputImage,
    step: int,
    explanation: Explanation,
    displayed: bytes,
    width: int,
) -> None:
    """The image as a chart whose locations can be clicked, and what the clicked one contributes to the step's logits.

    The contributions are exact: a logit is their sum over all locations.
    """
    support = state.location_support(checkpoint, image, explanation.tokens, step)  # (row, column, L+1)
    rows, columns, _ = support.shape
    values = resize_map(explanation.smoothed[step].cpu().numpy(), (columns, rows))
    event = st.plotly_chart(
        location_chart.figure(displayed, image.pixels.size, values, width),
        config=CHART,
        key=f"locations_{step}",
        width="content",
        on_select="rerun",
        selection_mode="points",
        alt=f"The image {image.name} with the evidence of step {step + 1}; choose a location below or click one",
    )
    st.caption("Hover over the image for the map's values; click a location for the labels it supports.")
    clicked = [point["customdata"] for point in event["selection"]["points"]]
    strongest = 1 + int(values.argmax())
    location = st.number_input(
        "Location (row by row from the top left)",
        1,
        rows * columns,
        key=address.keep(
            f"location_{step}_{clicked[0] if clicked else 'strongest'}",
            range(1, rows * columns + 1),
            1 + int(clicked[0]) if clicked else strongest,
            name="location",
            scope=(image.digest, explanation.tokens),
        ),
    )
    names = [*checkpoint.vocabulary.labels, END_NAME]
    row, column = divmod(int(location) - 1, columns)
    contributions = support[row, column]
    best = contributions.argsort(descending=True)[:4].tolist()
    st.markdown(
        f"Row {row + 1}, column {column + 1} adds most to the logits of "
        + ", ".join(
            f"**{markdown(names[token])}** ({markdown(f'{float(contributions[token]):+.2f}')})" for token in best
        )
        + "."
    )
