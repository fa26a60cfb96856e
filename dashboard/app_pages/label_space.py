"""Label space: a map of the labels with an image's decoding steps, and the similarity of the labels."""

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
from cnnrnn.label_space.neighbors import image_embedding, nearest, similarities, step_embeddings
from cnnrnn.label_space.projection import ProjectedMap, place
from cnnrnn.utils.style import percent, shorten
from views import space
from views.style import CHART, markdown, spreadsheet

Probabilities = dict[str, dict[str, float]]  # label -> other label -> P(other | label)

_MAX_IMAGES = 40
_NEIGHBORS = 5  # of a label that is searched for, which lines lead to
_LABEL_COLUMNS = 40  # of a label's name beside the map
_MAX_ROWS = 100  # of the matrix of similarities
_ROWS_AROUND = 40  # of the matrix around one label
_MIN_COOCCURRENCE = 0.05  # labels that are predicted together less often than this are not joined


def page() -> None:
    name, checkpoint = controls.chosen_sequence_model(
        "independent sigmoids have no vectors that labels and decoding steps share."
    )
    if len(checkpoint.vocabulary) < 3:
        st.info("A map needs three labels or more.", icon=":material/scatter_plot:")
        return
    image = controls.image()
    _map(name, checkpoint, image)
    _neighbors(name, checkpoint)
    _similarity(checkpoint)


@st.fragment
def _map(name: str, checkpoint: Checkpoint, image: image_files.InputImage) -> None:
    projection = state.projection(name, checkpoint)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        entry, found = _choices(projection["maps"], checkpoint)
        cooccurring = _cooccurring(name)
        edges, lines = _edges(checkpoint, cooccurring)
        others = _others(image)
    vectors, vocabulary = checkpoint.rnn.label_vectors(), checkpoint.vocabulary
    coordinates = np.array(entry["coordinates"])[:, :2]
    near = [] if found is None else _highlighted(vectors, vocabulary.labels, found, cooccurring)
    trace = state.trace(checkpoint, image, controls.BEAM)
    path, dark = trace.paths[0], controls.dark()
    choices = trace.choices(path)
    start, steps, targets = (points[:, :2] for points in _walk(entry, checkpoint, image, path.tokens))
    fig = space.figure(
        coordinates, vocabulary.labels, vocabulary.counts, edges, dark, vocabulary.groups, found,
        [index for index, _ in near], path.tokens, np.concatenate([start, steps]),
    )  # fmt: skip
    space.add_walk(fig, start[0], steps, targets, choices, dark)
    placed = [start[:1], *(_start(entry, checkpoint, other) for other in others)]
    space.add_images(
        fig,
        np.concatenate(placed),
        [one.pixels for one in (image, *others)],
        [one.name for one in (image, *others)],
    )
    left, right = st.columns([4, 1])
    with left.container(key="space_box"):  # scrolls sideways on a narrow screen
        st.plotly_chart(
            fig,
            config=CHART,
            key="space",
            alt="Map of the labels, with the decoding steps of the image; tables are below",
        )
    with right:
        widgets.picture(image.pixels, f"The image {image.name}")
        st.markdown(
            "  \n".join(
                f"**{step}** *{markdown(shorten(label, _LABEL_COLUMNS))}*"
                for step, label in enumerate(choices, start=1)
            )
        )
        if found is not None:
            _found(vocabulary.labels, found, near, by_angle=cooccurring is None)
        trust = entry["trustworthiness"]
        st.metric(
            "Trustworthiness",
            "–" if trust is None else f"{trust:.2f}",
            help="How far neighbors in the map are also neighbors in the label space. 1 is perfect.",
        )
    st.caption(
        f"Larger dots have more training images. Lines join each label with {lines}. The thumbnail is where the image "
        "alone is; the squares are x₁ … x_T of its best path"
        + (", " if "components" in entry else ", each placed between its three nearest labels, ")
        + "with a dotted line to the label that each chooses: the one with the highest score, an inner product of all "
        f"{vectors.shape[1]} dimensions, which is often not the nearest in a map of two. ▶ plays the decoding. "
        f"Seed {projection['seed']}; "
        + "; ".join(f"{markdown(key)} {_short(value)}" for key, value in entry["parameters"].items())
    )
    _coordinates_table(checkpoint, coordinates)


def _nearest_to(vectors: torch.Tensor, label: int, most: int = _NEIGHBORS) -> list[tuple[int, float]]:
    """The other labels nearest to a label by angle, with their cosines; vectors (label, embedding)."""
    cosines = torch.nn.functional.cosine_similarity(vectors, vectors[label : label + 1])
    cosines[label] = -torch.inf
    values, indices = cosines.topk(min(most, len(vectors) - 1))
    return list(zip(indices.tolist(), values.tolist(), strict=True))


def _highlighted(
    vectors: torch.Tensor, labels: Sequence[str], label: int, cooccurring: Probabilities | None
) -> list[tuple[int, float]]:
    """What is highlighted with a label that is searched for, as the lines of the map: the nearest labels, with their
    cosines, or those that the model most often predicts with it, with their conditional probabilities."""
    if cooccurring is None:
        return _nearest_to(vectors, label)
    others = _most_frequent(cooccurring.get(labels[label], {}), _NEIGHBORS)
    return [(labels.index(other), prob) for other, prob in others]


def _found(labels: Sequence[str], found: int, near: list[tuple[int, float]], by_angle: bool) -> None:
    """The label that was searched for, and the labels that the thick lines lead to."""
    name = markdown(shorten(labels[found], _LABEL_COLUMNS))
    title = f"Nearest to **{name}** by angle:" if by_angle else f"Predicted with **{name}**, P(label | {name}):"
    if not near:
        title = f"No label is predicted with **{name}** in at least {_MIN_COOCCURRENCE:.0%} of the cases."
    st.markdown(
        "  \n".join(
            [
                title,
                *(
                    f"{markdown(shorten(labels[index], _LABEL_COLUMNS))} "
                    + (f"{value:.2f}" if by_angle else markdown(percent(value)))
                    for index, value in near
                ),
            ]
        )
    )


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


def _coordinates_table(checkpoint: Checkpoint, coordinates: np.ndarray) -> None:
    table = pd.DataFrame(coordinates, columns=["x", "y"])
    table.insert(0, "label", checkpoint.vocabulary.labels)
    table.insert(1, "training images", checkpoint.vocabulary.counts)
    with st.expander("Table of the coordinates"):
        st.dataframe(table, hide_index=True)
        st.download_button("Coordinates as CSV", spreadsheet(table), "coordinates.csv", "text/csv")


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


def _cooccurring(name: str) -> Probabilities | None:
    """The model's P(other | label), if lines shall join the labels that are predicted together."""
    table = state.results(name)["cooccurrence"]
    kinds = ["nearest by angle", "co-occurring"]
    if not table:
        return None
    key = address.keep("lines", kinds, kinds[0])
    if st.segmented_control("Lines join", kinds, required=True, key=key) != kinds[1]:
        return None
    return {label: {other: prob for other, (_, prob) in others.items()} for label, others in table.items()}


def _most_frequent(conditional: dict[str, float], most: int) -> list[tuple[str, float]]:
    """The labels that are predicted most often with one label, with their probabilities, without the rare ones."""
    frequent = [one for one in conditional.items() if one[1] >= _MIN_COOCCURRENCE]
    return sorted(frequent, key=lambda one: -one[1])[:most]


def _edges(checkpoint: Checkpoint, cooccurring: Probabilities | None) -> tuple[list[tuple[int, int]], str]:
    """Pairs of indices that a line joins, and a description of what each label is joined with."""
    labels = checkpoint.vocabulary.labels
    if cooccurring is not None:
        joined = {label: _most_frequent(others, 2) for label, others in cooccurring.items()}
        description = (
            f"the two that the model most often predicts with it, if it does so in at least {_MIN_COOCCURRENCE:.0%} of "
            "the cases"
        )
    else:
        joined = nearest(checkpoint.rnn.label_vectors(), labels, k=2)
        description = "its two nearest by angle"
    rank = {label: index for index, label in enumerate(labels)}
    pairs = {(rank[a], rank[b]) for a, others in joined.items() for b, _ in others}
    return sorted({(min(pair), max(pair)) for pair in pairs}), description


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


def _neighbors(name: str, checkpoint: Checkpoint) -> None:
    st.header("Nearest neighbors")
    if agreement := state.results(name)["label_space"]:
        st.markdown(
            f"**{agreement['labels']:.0f}%** of the {agreement['k']} nearest labels by angle belong to the label's "
            f"own group. By chance it would be {agreement['chance']:.0f}%; vectors made from the training set's "
            f"co-occurrences alone (an SVD of their PMI) reach {agreement['pmi']:.0f}%."
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


@st.fragment
def _similarity(checkpoint: Checkpoint) -> None:
    st.header("Label similarity")
    vectors, vocabulary = checkpoint.rnn.label_vectors(), checkpoint.vocabulary
    part, description = _part(checkpoint)
    labels = [vocabulary.labels[index] for index in part]
    matrix = similarities(vectors[part], "cosine").cpu().double().numpy()
    with st.container(key="similarity_box"):
        st.plotly_chart(
            space.similarity_matrix(matrix, labels, controls.dark()),
            config=CHART,
            key="similarity",
            alt="Matrix of the cosine similarities of the labels; the table below has the numbers",
        )
    st.caption(
        f"Cosine similarity of every two labels{description}; similar labels are adjacent. The colours end at the "
        "largest cosine of two labels. A map in two dimensions shows only part of this."
    )
    widgets.table(
        "Table of the similarities",
        "similarity_table",
        lambda: pd.DataFrame(matrix, labels, labels).round(2),
        hide_index=False,
    )


def _part(checkpoint: Checkpoint) -> tuple[list[int], str]:
    """The labels that the matrix compares, by index, and what they are: all, a group, or those around a label."""
    labels, groups = checkpoint.vocabulary.labels, checkpoint.vocabulary.groups
    everything = [("all", 0)] if len(labels) <= _MAX_ROWS else []
    options = [
        *everything,
        *(("group", groups.index(group)) for group in dict.fromkeys(groups)),
        *(("label", index) for index in range(len(labels))),
    ]

    def name(option: tuple[str, int]) -> str:
        kind, index = option
        return {"all": "all labels", "group": f"group: {groups[index] if groups else ''}", "label": labels[index]}[kind]

    start = options.index(("label", 0)) if not everything else 0
    key = address.keep("compared_labels", options, options[start], scope=labels)
    kind, index = st.selectbox("Compare", options, key=key, format_func=name)
    if kind == "all":
        return list(range(len(labels))), ""
    if kind == "group":
        members = [other for other, group in enumerate(groups) if group == groups[index]]
        return members[:_MAX_ROWS], f" of the group {markdown(groups[index])}"
    vectors = checkpoint.rnn.label_vectors()
    near = _nearest_to(vectors, index, _ROWS_AROUND - 1)
    return [
        index,
        *(other for other, _ in near),
    ], f" among {markdown(shorten(labels[index], _LABEL_COLUMNS))} and the {len(near)} labels nearest to it"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return f"{value:.2g}" if isinstance(value, float) else markdown(str(value))


page()
