"""PCA and UMAP projections of the label embeddings to 2 or 3 dimensions, computed once per checkpoint.

Labels are compared by the angle between their embeddings, so the embeddings are normalized to unit vectors first. UMAP
is seeded, but it is unstable for so few points: another seed changes half of the nearest neighbors. The table of
neighbors is reliable, and each projection is stored with its trustworthiness.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor

from cnnrnn.utils.files import json_text, write_text

PROJECTION = "projection.json"
METHODS = ("PCA", "UMAP")
MIN_UMAP_LABELS = 4
_NUM_ANCHORS = 3  # nearest labels from which `project` interpolates a point in a UMAP projection


class ProjectedMap(TypedDict):
    """One projection of the labels."""

    coordinates: list[list[float]]  # (label, 2 or 3)
    parameters: dict[str, Any]  # of the method, to be shown beside the plot
    trustworthiness: float | None  # 0 to 1; None where there are too few labels for it to be defined
    mean: NotRequired[list[float]]  # PCA only: (embedding,)
    components: NotRequired[list[list[float]]]  # PCA only: (2 or 3, embedding)


class Projection(TypedDict):
    """The content of a checkpoint's `projection.json`."""

    seed: int
    maps: dict[str, ProjectedMap]  # by name: "PCA", "UMAP 2-D", "UMAP 3-D"
    weights_sha256: NotRequired[str]  # of the weights that the projection was computed from


def unit_vectors(embeddings: Tensor) -> np.ndarray:
    """Embeddings (n, embedding) -> the same directions as float64 vectors of length 1 (n, embedding)."""
    return torch.nn.functional.normalize(embeddings.detach().double(), dim=-1).cpu().numpy()


def compute_projection(embeddings: Tensor, seed: int = 0, methods: Sequence[str] = METHODS) -> Projection:
    """Project label embeddings (label, embedding) by each of `methods`. PCA is always included.

    Trustworthiness (Venna and Kaski, 2001) is the fraction, 0 to 1, of the near neighbors in a projection that are
    also near in the label space. UMAP is left out for fewer than `MIN_UMAP_LABELS` labels.
    """
    from sklearn.decomposition import PCA  # the import takes seconds, and most callers only read projections

    unit = unit_vectors(embeddings)
    count, dim = unit.shape
    pca = PCA(min(3, count, dim), random_state=seed).fit(unit)
    coordinates = pca.transform(unit)
    maps: dict[str, ProjectedMap] = {
        "PCA": {
            "coordinates": coordinates.tolist(),
            "mean": pca.mean_.tolist(),
            "components": pca.components_.tolist(),
            "parameters": {"explained variance": np.nan_to_num(pca.explained_variance_ratio_).tolist()},
            "trustworthiness": _trustworthiness(unit, coordinates),
        }
    }
    if "UMAP" in methods and count >= MIN_UMAP_LABELS:
        for dims in (2, 3):
            maps[f"UMAP {dims}-D"] = _umap(unit, dims, seed)
    return {"seed": seed, "maps": maps}


def _umap(unit: np.ndarray, dims: int, seed: int) -> ProjectedMap:
    from umap import UMAP  # numba compiles for seconds

    count = len(unit)
    parameters = {
        "n_neighbors": min(15, count - 1),
        "min_dist": 0.1,
        "metric": "cosine",
        "init": "spectral" if count > dims + 2 else "random",  # "spectral" needs more points than dimensions
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap warns about few points and about running in one thread
        coordinates = UMAP(n_components=dims, random_state=seed, n_jobs=1, **parameters).fit_transform(unit)
    coordinates = np.asarray(coordinates, dtype=float)
    return {
        "coordinates": coordinates.tolist(),
        "parameters": parameters,
        "trustworthiness": _trustworthiness(unit, coordinates),
    }


def _trustworthiness(unit: np.ndarray, coordinates: np.ndarray) -> float | None:
    from sklearn.manifold import trustworthiness

    n_neighbors = min(5, (len(unit) - 1) // 2)  # it is only defined for fewer than half of the points
    return trustworthiness(unit, coordinates, n_neighbors=n_neighbors, metric="cosine") if n_neighbors else None


def project(entry: ProjectedMap, labels: Tensor, embeddings: Tensor) -> np.ndarray:
    """Project further vectors of the label space, such as x_t: (n, embedding) -> (n, 2 or 3).

    `labels` are the label embeddings (label, embedding) that `entry` was computed from. PCA is an affine map. UMAP has
    no formula for new points, so a vector is placed at the mean of its three nearest labels, weighted by the inverse
    square of the cosine distance.
    """
    unit, label_vectors = unit_vectors(embeddings), unit_vectors(labels)
    if "components" in entry:
        return (unit - np.array(entry["mean"])) @ np.array(entry["components"]).T
    similarity = unit @ label_vectors.T  # (n, label)
    anchors = np.argsort(-similarity, axis=1)[:, :_NUM_ANCHORS]
    distance = 1 - np.take_along_axis(similarity, anchors, axis=1)
    weights = 1 / np.maximum(distance, 1e-6) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    return (weights[..., None] * np.array(entry["coordinates"])[anchors]).sum(axis=1)


def write_projection(folder: Path, embeddings: Tensor, weights_hash: str, seed: int = 0) -> None:
    """Compute the projection of the label embeddings (label, embedding) and write it into a checkpoint's folder."""
    write_text(folder / PROJECTION, json_text({"weights_sha256": weights_hash, **compute_projection(embeddings, seed)}))


def read_projection(folder: Path, weights_hash: str, num_labels: int) -> Projection | None:
    """The projection in a checkpoint's folder. None if there is none, or if it belongs to other weights."""
    try:
        projection = json.loads((folder / PROJECTION).read_text(encoding="utf-8"))
        shapes = [np.array(entry["coordinates"], dtype=float).shape for entry in projection["maps"].values()]
        valid = projection["weights_sha256"] == weights_hash and all(shape[0] == num_labels for shape in shapes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
    return projection if valid else None
