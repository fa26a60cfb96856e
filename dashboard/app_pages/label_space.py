"""Label space: what does the model believe is alike? And where do an image and its decoding steps fall?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from PIL import Image

import controls
import shown
import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.label_space.neighbors import nearest, similarities, step_embeddings
from cnnrnn.label_space.projection import ProjectedMap, place
from cnnrnn.utils.errors import UserError
from views import space
from views.style import CHART, markdown, spreadsheet

_MOST_PICTURES = 40
_OFTEN = 0.05  # labels that are said together less often than this are not joined


def page() -> None:
    name, checkpoint = controls.chosen_sequence_model()
    if len(checkpoint.vocabulary) < 3:
        st.info("A map needs three labels or more.", icon=":material/scatter_plot:")
        return
    image = controls.image()
    _map(name, checkpoint, image)
    _neighbours(checkpoint)
    _likeness(checkpoint)


@st.fragment
def _map(name: str, checkpoint: Checkpoint, image: state.InputImage) -> None:
    projection = state.projection(name, checkpoint)
    labels, counts = checkpoint.vocabulary.labels, checkpoint.vocabulary.counts
    with st.container(horizontal=True, vertical_alignment="bottom"):
        entry, dims, found = _choices(projection["maps"], checkpoint)
        edges, lines = _edges(name, checkpoint)
        others = _others() if dims == 2 else []
    coordinates = np.array(entry["coordinates"])[:, :dims]
    dark = controls.dark()
    fig = space.figure(coordinates, labels, counts, edges, found, dark)

    trace = state.trace(checkpoint, image, controls.BEAM)
    path = trace.paths[0]
    names = trace.choices(path)
    way = step_embeddings(checkpoint.rnn, state.feature(checkpoint, image), path.tokens)
    space.add_way(fig, place(entry, checkpoint.rnn.label_vectors(), way)[:, :dims], names, dark)
    if others:
        space.add_images(fig, *_placed(entry, checkpoint, others))
    left, right = st.columns([4, 1])
    left.plotly_chart(
        fig, config=CHART, key="space", alt="Map of the labels, with the decoded image's steps; tables are below"
    )
    with right:
        st.image(image.pixels, width="stretch", alt=f"The image {image.name}")
        st.markdown("  \n".join(f"**{step}** then *{markdown(label)}*" for step, label in enumerate(names, start=1)))
        trust = entry["trustworthiness"]
        st.metric(
            "Trustworthiness",
            "–" if trust is None else f"{trust:.2f}",
            help="BatchShard of a map's near neighbours that are near in the label space, too. 1 is perfect.",
        )
    st.caption(
        f"Larger dots: more training images. Lines join each label with {lines}. Squares: x₁ … x_T "
        "of the image's best path, the points from which its steps chose"
        + (". " if "components" in entry else ", each placed among its three nearest labels. ")
        + f"Seed {projection['seed']}; "
        + "; ".join(f"{markdown(key)} {_short(value)}" for key, value in entry["parameters"].items())
    )
    table = pd.DataFrame(coordinates, columns=["x", "y", "z"][: coordinates.shape[1]])
    table.insert(0, "label", labels)
    table.insert(1, "training images", counts)
    with st.expander("The same as a table"):
        st.dataframe(table, hide_index=True)
        st.download_button("Coordinates as CSV", spreadsheet(table), "coordinates.csv", "text/csv")


def _choices(maps: dict[str, ProjectedMap], checkpoint: Checkpoint) -> tuple[ProjectedMap, int, int | None]:
    """The map, its dimensions, and the label that is looked for."""
    methods = sorted({method.split()[0] for method in maps}, reverse=True)
    method = st.segmented_control("Map", methods, default=methods[0], required=True, key="map")
    dims = 3 if st.segmented_control("In", ["2-D", "3-D"], default="2-D", required=True, key="dims") == "3-D" else 2
    labels = checkpoint.vocabulary.labels
    found = st.selectbox("Find a label", labels, index=None, key="found", placeholder="any label", width=220)
    entry = maps.get(str(method)) or maps[f"{method} {dims}-D"]
    return entry, dims, None if found is None else labels.index(found)


def _edges(name: str, checkpoint: Checkpoint) -> tuple[list[tuple[int, int]], str]:
    """Pairs of indices that a line joins, and in words what each label is joined with."""
    labels = checkpoint.vocabulary.labels
    together = state.results(name)["cooccurrence"]
    kinds = ["nearest by angle", "said together"]
    chosen = None
    if together:
        chosen = st.segmented_control("Lines join", kinds, default=kinds[0], required=True, key="lines")
    if chosen == kinds[1]:
        said = {a: {b: by_model for b, (_, by_model) in others.items()} for a, others in together.items()}
        joined = {a: [b for b in sorted(s, key=s.__getitem__)[-2:] if s[b] >= _OFTEN] for a, s in said.items()}
        words = f"the two that the model most often says with it, from {_OFTEN:.0%} of the time on"
    else:
        near = nearest(checkpoint.rnn.label_vectors(), labels, k=2)
        joined = {a: [b for b, _ in others] for a, others in near.items()}
        words = "its two nearest by angle"
    rank = {label: index for index, label in enumerate(labels)}
    pairs = {(rank[a], rank[b]) for a, others in joined.items() for b in others}
    return sorted({(min(pair), max(pair)) for pair in pairs}), words


def _placed(
    entry: ProjectedMap, checkpoint: Checkpoint, images: list[state.InputImage]
) -> tuple[np.ndarray, list[Image.Image], list[str]]:
    """Where each image's decoding starts in the map (image, 2), and what to draw there."""
    paths = [state.trace(checkpoint, image, controls.BEAM).paths[0] for image in images]
    starts = torch.cat(
        [
            step_embeddings(checkpoint.rnn, state.feature(checkpoint, image), path.tokens)[:1]
            for image, path in zip(images, paths, strict=True)
        ]
    )
    places = place(entry, checkpoint.rnn.label_vectors(), starts)[:, :2]
    return places, [image.pixels for image in images], [image.name for image in images]


def _others() -> list[state.InputImage]:
    """More images to place in the map; those that can't be read are named."""
    with st.popover("Place images", icon=":material/add_photo_alternate:"):
        kind = st.segmented_control("Place", ["images", "a folder"], default="images", required=True, key="others_kind")
        uploads = st.file_uploader(
            f"Each falls where its decoding starts. At most {_MOST_PICTURES}",
            type=controls.PICTURE_TYPES,
            accept_multiple_files="directory" if kind == "a folder" else True,
            key=f"others {kind}",
        )
        if len(uploads) > _MOST_PICTURES:
            st.caption(f"The first {_MOST_PICTURES} of {len(uploads)} images are placed.")
    images = []
    for upload in uploads[:_MOST_PICTURES]:
        try:
            images.append(state.read_image(upload.name, upload.getvalue()))
        except UserError as error:
            st.warning(f"{markdown(upload.name)}: {markdown(str(error))}", icon=":material/warning:")
    return images


def _neighbours(checkpoint: Checkpoint) -> None:
    st.subheader("Nearest neighbours")
    points, labels = checkpoint.rnn.label_vectors(), checkpoint.vocabulary.labels
    cosine, inner = (nearest(points, labels, 3, measure) for measure in ("cosine", "inner"))

    def told(near: list[tuple[str, float]]) -> str:
        return ", ".join(f"{name} {value:.2f}" for name, value in near)

    table = pd.DataFrame(
        {
            "label": labels,
            "by angle (cosine)": [told(cosine[label]) for label in labels],
            "by inner product": [told(inner[label]) for label in labels],
        }
    )
    st.dataframe(table, hide_index=True)
    st.download_button("Neighbours as CSV", spreadsheet(table), "neighbours.csv", "text/csv")


def _likeness(checkpoint: Checkpoint) -> None:
    st.subheader("Everybody with everybody")
    similar = similarities(checkpoint.rnn.label_vectors(), "cosine").cpu().double().numpy()
    st.plotly_chart(
        space.likeness(similar, checkpoint.vocabulary.labels, controls.dark()),
        config=CHART,
        key="likeness",
        alt="Matrix of the cosines between labels, in the table below as numbers",
    )
    st.caption(
        "Cosine of every two labels; those alike stand together. A map in two dimensions can't show all of this."
    )
    labels = checkpoint.vocabulary.labels
    shown.table(
        "The same as a table",
        "likeness_table",
        lambda: pd.DataFrame(similar, labels, labels).round(2),
        hide_index=False,
    )


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return f"{value:.2g}" if isinstance(value, float) else markdown(str(value))


page()
