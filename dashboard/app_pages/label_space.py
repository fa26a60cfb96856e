"""Label space: a map of the labels with an image's decoding steps, and the similarity of the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from PIL import Image

import address
import controls
import state
import widgets
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.label_space.neighbors import nearest, similarities, step_embeddings
from cnnrnn.label_space.projection import ProjectedMap, place
from cnnrnn.utils.errors import UserError
from views import space
from views.style import CHART, markdown, spreadsheet

_MAX_IMAGES = 40
_MIN_COOCCURRENCE = 0.05  # labels that are predicted together less often than this are not joined


def page() -> None:
    name, checkpoint = controls.chosen_sequence_model()
    if len(checkpoint.vocabulary) < 3:
        st.info("A map needs three labels or more.", icon=":material/scatter_plot:")
        return
    image = controls.image()
    _map(name, checkpoint, image)
    _neighbors(name, checkpoint)
    _similarity(checkpoint)


@st.fragment
def _map(name: str, checkpoint: Checkpoint, image: state.InputImage) -> None:
    projection = state.projection(name, checkpoint)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        entry, dims, highlighted = _choices(projection["maps"], checkpoint)
        edges, lines = _edges(name, checkpoint)
        others = _others() if dims == 2 else []
    coordinates = np.array(entry["coordinates"])[:, :dims]
    dark = controls.dark()
    vocabulary = checkpoint.vocabulary
    fig = space.figure(coordinates, vocabulary.labels, vocabulary.counts, edges, highlighted, dark, vocabulary.groups)

    trace = state.trace(checkpoint, image, controls.BEAM)
    path = trace.paths[0]
    names = trace.choices(path)
    steps = step_embeddings(checkpoint.rnn, state.feature(checkpoint, image), path.tokens)
    space.add_steps(fig, place(entry, checkpoint.rnn.label_vectors(), steps)[:, :dims], names, dark)
    if others:
        space.add_images(fig, *_image_positions(entry, checkpoint, others))
    left, right = st.columns([4, 1])
    left.plotly_chart(
        fig, config=CHART, key="space", alt="Map of the labels, with the decoding steps of the image; tables are below"
    )
    with right:
        widgets.picture(image.pixels, f"The image {image.name}")
        st.markdown("  \n".join(f"**{step}** *{markdown(label)}*" for step, label in enumerate(names, start=1)))
        trust = entry["trustworthiness"]
        st.metric(
            "Trustworthiness",
            "–" if trust is None else f"{trust:.2f}",
            help="How far neighbors in the map are also neighbors in the label space. 1 is perfect.",
        )
    st.caption(
        f"Larger dots have more training images. Lines join each label with {lines}. The squares are x₁ … x_T of the "
        "image's best path"
        + (". " if "components" in entry else ", each placed between its three nearest labels. ")
        + f"Seed {projection['seed']}; "
        + "; ".join(f"{markdown(key)} {_short(value)}" for key, value in entry["parameters"].items())
    )
    _coordinates_table(checkpoint, coordinates)


def _coordinates_table(checkpoint: Checkpoint, coordinates: np.ndarray) -> None:
    table = pd.DataFrame(coordinates, columns=["x", "y", "z"][: coordinates.shape[1]])
    table.insert(0, "label", checkpoint.vocabulary.labels)
    table.insert(1, "training images", checkpoint.vocabulary.counts)
    with st.expander("Table of the coordinates"):
        st.dataframe(table, hide_index=True)
        st.download_button("Coordinates as CSV", spreadsheet(table), "coordinates.csv", "text/csv")


def _choices(maps: dict[str, ProjectedMap], checkpoint: Checkpoint) -> tuple[ProjectedMap, int, int | None]:
    """The map, its dimensions, and the label to highlight."""
    methods = sorted({method.split()[0] for method in maps}, reverse=True)
    method = st.segmented_control("Map", methods, required=True, key=address.keep("map", methods, methods[0]))
    sizes = ["2-D", "3-D"]
    choice = st.segmented_control("Dimensions", sizes, required=True, key=address.keep("dims", sizes, sizes[0]))
    dims = 3 if choice == "3-D" else 2
    labels = checkpoint.vocabulary.labels
    highlighted = st.selectbox(
        "Find a label", labels, index=None, key=address.keep("found", labels), placeholder="any label", width=220
    )
    entry = maps.get(str(method)) or maps[f"{method} {dims}-D"]
    return entry, dims, None if highlighted is None else labels.index(highlighted)


def _edges(name: str, checkpoint: Checkpoint) -> tuple[list[tuple[int, int]], str]:
    """Pairs of indices that a line joins, and a description of what each label is joined with."""
    labels = checkpoint.vocabulary.labels
    table = state.results(name)["cooccurrence"]
    kinds = ["nearest by angle", "co-occurring"]
    chosen = None
    if table:
        key = address.keep("lines", kinds, kinds[0])
        chosen = st.segmented_control("Lines join", kinds, required=True, key=key)
    if chosen == kinds[1]:
        joined = {}
        for label, others in table.items():
            by_model = {other: prob for other, (_, prob) in others.items()}
            most = sorted(by_model, key=by_model.__getitem__)[-2:]
            joined[label] = [other for other in most if by_model[other] >= _MIN_COOCCURRENCE]
        description = (
            f"the two that the model most often predicts with it, if it does so in at least {_MIN_COOCCURRENCE:.0%} of "
            "the cases"
        )
    else:
        near = nearest(checkpoint.rnn.label_vectors(), labels, k=2)
        joined = {a: [b for b, _ in others] for a, others in near.items()}
        description = "its two nearest by angle"
    rank = {label: index for index, label in enumerate(labels)}
    pairs = {(rank[a], rank[b]) for a, others in joined.items() for b in others}
    return sorted({(min(pair), max(pair)) for pair in pairs}), description


def _image_positions(
    entry: ProjectedMap, checkpoint: Checkpoint, images: list[state.InputImage]
) -> tuple[np.ndarray, list[Image.Image], list[str]]:
    """The position of each image's x₁ in the map (image, 2), its pixels and its name."""
    paths = [state.trace(checkpoint, image, controls.BEAM).paths[0] for image in images]
    starts = torch.cat(
        [
            step_embeddings(checkpoint.rnn, state.feature(checkpoint, image), path.tokens)[:1]
            for image, path in zip(images, paths, strict=True)
        ]
    )
    positions = place(entry, checkpoint.rnn.label_vectors(), starts)[:, :2]
    return positions, [image.pixels for image in images], [image.name for image in images]


def _others() -> list[state.InputImage]:
    """More images to place in the map, with a warning for each that can't be read."""
    with st.popover("Place images", icon=":material/add_photo_alternate:"):
        kind = st.segmented_control("Place", ["images", "a folder"], default="images", required=True, key="others_kind")
        uploads = st.file_uploader(
            f"Images to place where their decoding starts, at most {_MAX_IMAGES}",
            accept_multiple_files="directory" if kind == "a folder" else True,
            key=f"others {kind}",
        )
        if len(uploads) > _MAX_IMAGES:
            st.caption(f"The first {_MAX_IMAGES} of {len(uploads)} images are placed.")
    images = []
    for upload in uploads[:_MAX_IMAGES]:
        try:
            images.append(state.read_image(upload.name, upload.getvalue()))
        except UserError as error:
            st.warning(f"{markdown(upload.name)}: {markdown(str(error))}", icon=":material/warning:")
    return images


def _neighbors(name: str, checkpoint: Checkpoint) -> None:
    st.subheader("Nearest neighbors")
    if agreement := state.results(name)["label_space"]:
        st.markdown(
            f"**{agreement['labels']:.0f} %** of the {agreement['k']} nearest labels by angle belong to the label's "
            f"own group. By chance it would be {agreement['chance']:.0f} %; vectors made from the training set's "
            f"co-occurrences alone (an SVD of their PMI) reach {agreement['pmi']:.0f} %."
        )
    points, labels = checkpoint.rnn.label_vectors(), checkpoint.vocabulary.labels
    cosine, inner = (nearest(points, labels, 3, measure) for measure in ("cosine", "inner"))

    def listed(near: list[tuple[str, float]]) -> str:
        return ", ".join(f"{name} {value:.2f}" for name, value in near)

    table = pd.DataFrame(
        {
            "label": labels,
            "by angle (cosine)": [listed(cosine[label]) for label in labels],
            "by inner product": [listed(inner[label]) for label in labels],
        }
    )
    st.dataframe(table, hide_index=True)
    st.download_button("Neighbors as CSV", spreadsheet(table), "neighbors.csv", "text/csv")


def _similarity(checkpoint: Checkpoint) -> None:
    st.subheader("Label similarity")
    matrix = similarities(checkpoint.rnn.label_vectors(), "cosine").cpu().double().numpy()
    st.plotly_chart(
        space.similarity_matrix(matrix, checkpoint.vocabulary.labels, controls.dark()),
        config=CHART,
        key="similarity",
        alt="Matrix of the cosine similarities of the labels; the table below has the numbers",
    )
    st.caption(
        "Cosine similarity of every two labels; similar labels are adjacent. A map in two dimensions shows only part "
        "of this."
    )
    labels = checkpoint.vocabulary.labels
    widgets.table(
        "Table of the similarities",
        "similarity_table",
        lambda: pd.DataFrame(matrix, labels, labels).round(2),
        hide_index=False,
    )


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return f"{value:.2g}" if isinstance(value, float) else markdown(str(value))


page()
