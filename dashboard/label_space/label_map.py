"""The map of the labels, with the decoding steps of an image and other images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

import address
import controls
import image_files
import state
import tray
import widgets
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.label_space.neighbors import image_embedding, step_embeddings
from cnnrnn.label_space.projection import ProjectedMap, place
from cnnrnn.utils.style import percent, shorten
from label_space import LABEL_COLUMNS, lines
from views import space
from views.style import CHART, markdown, spreadsheet

_MAX_IMAGES = 40


@st.fragment
def show(name: str, checkpoint: Checkpoint, image: image_files.InputImage) -> None:
    projection = state.projection(name, checkpoint)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        entry, found = _choices(projection["maps"], checkpoint)
        together = lines.cooccurring(name)
        edges, joined = lines.edges(checkpoint, together)
        others = _others(image)
    vectors, vocabulary = checkpoint.rnn.label_vectors(), checkpoint.vocabulary
    coordinates = np.array(entry["coordinates"])[:, :2]
    near = [] if found is None else lines.highlighted(vectors, vocabulary.labels, found, together)
    trace = state.trace(checkpoint, image, controls.BEAM)
    path, dark = trace.paths[0], controls.dark()
    choices = trace.choices(path)
    start, steps, targets = (points[:, :2] for points in _walk(entry, checkpoint, image, path.tokens))
    fig = space.figure(
        coordinates, vocabulary.labels, vocabulary.counts, edges, dark, vocabulary.groups, found,
        [index for index, _ in near], path.tokens, np.concatenate([start, steps]),
    )  # fmt: skip
    space.add_walk(fig, start[0], steps, targets, choices, dark)
    placed = [start, *(_start(entry, checkpoint, other) for other in others)]
    pictured = [image, *others]
    space.add_images(fig, np.concatenate(placed), [one.pixels for one in pictured], [one.name for one in pictured])
    left, right = st.columns([4, 1])
    with left.container(key="space_box"):  # scrolls sideways on a narrow screen
        st.plotly_chart(
            fig,
            config=CHART,
            key="space",
            alt="Map of the labels, with the decoding steps of the image; tables are below",
        )
    with right:
        _steps(image, choices)
        if found is not None:
            _found(vocabulary.labels, found, near, by_angle=together is None)
        _trustworthiness(entry)
    st.caption(
        f"Larger dots have more training images. Lines join each label with {joined}. {_explained(entry, vectors)} "
        f"▶ plays the decoding. Seed {projection['seed']}; "
        + "; ".join(f"{markdown(key)} {_short(value)}" for key, value in entry["parameters"].items())
    )
    _coordinates_table(checkpoint, coordinates)


def _steps(image: image_files.InputImage, choices: Sequence[str]) -> None:
    widgets.picture(image.pixels, f"The image {image.name}")
    names = [markdown(shorten(label, LABEL_COLUMNS)) for label in choices]
    st.markdown("  \n".join(f"**{step}** *{name}*" for step, name in enumerate(names, start=1)))


def _trustworthiness(entry: ProjectedMap) -> None:
    trust = entry["trustworthiness"]
    st.metric(
        "Trustworthiness",
        "–" if trust is None else f"{trust:.2f}",
        help="How far neighbors in the map are also neighbors in the label space. 1 is perfect.",
    )


def _explained(entry: ProjectedMap, vectors: torch.Tensor) -> str:
    """What is drawn of the image; vectors (label, embedding)."""
    between = "" if "components" in entry else "each placed between its three nearest labels, "
    return (
        f"The thumbnail is where the image alone is; the squares are x₁ … x_T of its best path, {between}with a dotted "
        "line to the label that each chooses: the one with the highest score, an inner product of all "
        f"{vectors.shape[1]} dimensions, which is often not the nearest in a map of two."
    )


def _choices(maps: dict[str, ProjectedMap], checkpoint: Checkpoint) -> tuple[ProjectedMap, int | None]:
    """The map, and the label to highlight."""
    methods = sorted({method.split()[0] for method in maps}, reverse=True)
    method = st.segmented_control("Map", methods, required=True, key=address.keep("map", methods, methods[0]))
    labels = checkpoint.vocabulary.labels
    found = st.selectbox(
        "Find a label", labels, index=None, key=address.keep("found", labels), placeholder="any label", width=220
    )
    entry = maps.get(str(method)) or maps[f"{method} 2-D"]
    return entry, None if found is None else labels.index(found)


def _others(image: image_files.InputImage) -> list[image_files.InputImage]:
    """More images whose thumbnails lie on the map: those of the session, the samples, or none."""
    kinds = ["your images", "samples"]
    with st.popover("Place images", icon=":material/add_photo_alternate:"):
        key = address.keep("placed", [None, *kinds])
        placed = st.session_state[key]  # the default as well: the widget is made when the popover is opened
        kind = st.segmented_control("Thumbnails of", kinds, default=placed, key=key, help=f"At most {_MAX_IMAGES}.")
    if kind is None:
        return []
    found = tray.images() if kind == kinds[0] else [image_files.open_sample(title) for title in image_files.samples()]
    if not found:
        st.caption("Upload images above, and they are placed on the map.")
    return [other for other in found if other.digest != image.digest][:_MAX_IMAGES]


def _walk(
    entry: ProjectedMap, checkpoint: Checkpoint, image: image_files.InputImage, tokens: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions in the map: of the image alone (1, dimension), of x_1 … x_T, and of the choices (step, dimension)."""
    model, feature = checkpoint.rnn, state.feature(checkpoint, image)
    points = torch.cat(
        [
            image_embedding(model, feature)[None],
            step_embeddings(model, feature, tokens),
            model.label_embedding.detach()[[*tokens, model.end]],
        ]
    )
    positions = place(entry, model.label_vectors(), points)
    steps = len(tokens) + 1
    targets = positions[1 + steps :]
    targets[:-1] = np.array(entry["coordinates"])[list(tokens)]
    return positions[:1], positions[1 : 1 + steps], targets


def _start(entry: ProjectedMap, checkpoint: Checkpoint, image: image_files.InputImage) -> np.ndarray:
    """The position (1, 2) of an image alone."""
    point = image_embedding(checkpoint.rnn, state.feature(checkpoint, image))[None]
    return place(entry, checkpoint.rnn.label_vectors(), point)[:, :2]


def _found(labels: Sequence[str], found: int, near: list[tuple[int, float]], by_angle: bool) -> None:
    """The label that was searched for, and the labels that the thick lines lead to."""
    name = markdown(shorten(labels[found], LABEL_COLUMNS))
    title = f"Nearest to **{name}** by angle:" if by_angle else f"Predicted with **{name}**, P(label | {name}):"
    if not near:
        title = f"No label is predicted with **{name}** in at least {lines.MIN_COOCCURRENCE:.0%} of the cases."
    st.markdown(
        "  \n".join(
            [
                title,
                *(
                    f"{markdown(shorten(labels[index], LABEL_COLUMNS))} "
                    + (f"{value:.2f}" if by_angle else markdown(percent(value)))
                    for index, value in near
                ),
            ]
        )
    )


def _coordinates_table(checkpoint: Checkpoint, coordinates: np.ndarray) -> None:
    table = pd.DataFrame(coordinates, columns=["x", "y"])
    table.insert(0, "label", checkpoint.vocabulary.labels)
    table.insert(1, "training images", checkpoint.vocabulary.counts)
    with st.expander("Table of the coordinates"):
        st.dataframe(table, hide_index=True)
        st.download_button("Coordinates as CSV", spreadsheet(table), "coordinates.csv", "text/csv")


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return f"{value:.2g}" if isinstance(value, float) else markdown(str(value))
