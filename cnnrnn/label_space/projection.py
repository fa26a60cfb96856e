"""Projections of the label space to two dimensions, computed once per checkpoint by PCA and UMAP.

Labels are compared by angle, so the points are unit vectors. UMAP is seeded and yet unsteady for so few points
(another seed moves half of the nearest neighbors): trust the neighbors table, and the trustworthiness beside a map.
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

from cnnrnn.utils.cache import redirect_libraries
from cnnrnn.utils.files import json_text, write_text

PROJECTION = "projection.json"
FEWEST = 4  # labels from which on UMAP works
_NEAREST = 3  # labels whose coordinates give those of another point in a UMAP map


def directions(points: Tensor) -> np.ndarray:
    """points (n, embedding) -> the same as float64 unit vectors."""
    return torch.nn.functional.normalize(points.detach().double(), dim=-1).cpu().numpy()


METHODS = ("PCA", "UMAP")


class ProjectedMap(TypedDict):
    """One map of the labels."""

    coordinates: list[list[float]]  # (label, 2); older files have a third, or a map "UMAP 3-D" that is not used
    parameters: dict[str, Any]
    trustworthiness: NotRequired[float | None]  # 0 to 1; None for too few labels
    mean: NotRequired[list[float]]  # (embedding,), of PCA only
    components: NotRequired[list[list[float]]]  # (dimension, embedding), of PCA only


class Projection(TypedDict):
    """projection.json."""

    seed: int
    maps: dict[str, ProjectedMap]  # by name: "PCA", "UMAP 2-D"
    weights_sha256: NotRequired[str]  # of the checkpoint; only in the file


def compute(points: Tensor, seed: int = 0, methods: Sequence[str] = METHODS) -> Projection:
    """Labels (label, embedding) -> for every map its coordinates (label, 2), parameters and trustworthiness.

    Trustworthiness (Venna and Kaski, 2001) is the share, 0 to 1, of a map's near neighbors that are near in the
    label space, too. UMAP is left out below `FEWEST` labels.
    """
    from sklearn.decomposition import PCA  # takes seconds; the dashboard only reads maps, as a rule

    unit = directions(points)
    count, dim = unit.shape
    pca = PCA(min(2, count, dim), random_state=seed).fit(unit)
    maps: dict[str, ProjectedMap] = {
        "PCA": {
            "coordinates": pca.transform(unit).tolist(),
            "mean": pca.mean_.tolist(),
            "components": pca.components_.tolist(),
            "parameters": {"explained variance": np.nan_to_num(pca.explained_variance_ratio_).tolist()},
        }
    }
    if "UMAP" in methods and count >= FEWEST:
        maps["UMAP 2-D"] = _umap(unit, seed)
    for entry in maps.values():
        entry["trustworthiness"] = _trustworthiness(unit, np.array(entry["coordinates"]))
    return {"seed": seed, "maps": maps}


def _umap(unit: np.ndarray, seed: int) -> ProjectedMap:
    redirect_libraries()
    from umap import UMAP  # numba compiles for seconds

    count = len(unit)
    parameters = {
        "n_neighbors": min(15, count - 1),
        "min_dist": 0.1,
        "metric": "cosine",
        "init": "spectral" if count > FEWEST else "random",  # the spectral one needs more points than dimensions
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap's warnings on few points and on one thread
        coordinates = UMAP(n_components=2, random_state=seed, n_jobs=1, **parameters).fit_transform(unit)
    return {"coordinates": np.asarray(coordinates, dtype=float).tolist(), "parameters": parameters}


def _trustworthiness(unit: np.ndarray, coordinates: np.ndarray) -> float | None:
    from sklearn.manifold import trustworthiness

    n_neighbors = min(5, (len(unit) - 1) // 2)  # it is defined below half of the points only
    return trustworthiness(unit, coordinates, n_neighbors=n_neighbors, metric="cosine") if n_neighbors else None


def place(entry: ProjectedMap, labels: Tensor, points: Tensor) -> np.ndarray:
    """Where other points of the label space, such as x_t, fall in a map: (n, embedding) -> (n, 2).

    PCA is linear, so it projects any point. UMAP has no such formula: a point's coordinates are the mean of those of
    its three nearest labels by angle, weighted by their inverse squared distance.
    """
    unit, label_directions = directions(points), directions(labels)
    if "components" in entry:
        return (unit - np.array(entry["mean"])) @ np.array(entry["components"]).T
    similar = unit @ label_directions.T  # (n, label)
    near = np.argsort(-similar, axis=1)[:, :_NEAREST]
    distance = 1 - np.take_along_axis(similar, near, axis=1)
    weights = 1 / np.maximum(distance, 1e-6) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    return (weights[..., None] * np.array(entry["coordinates"])[near]).sum(axis=1)


def record(folder: Path, points: Tensor, weights_hash: str, seed: int = 0) -> None:
    """Compute the maps and put them beside a checkpoint's weights."""
    write_text(folder / PROJECTION, json_text({"weights_sha256": weights_hash, **compute(points, seed)}))


def read(folder: Path, weights_hash: str, labels: int) -> Projection | None:
    """The maps in a checkpoint's folder; None if there are none, or if they are of other weights."""
    try:
        found = json.loads((folder / PROJECTION).read_text(encoding="utf-8"))
        shapes = [np.array(entry["coordinates"], dtype=float).shape for entry in found["maps"].values()]
        fits = found["weights_sha256"] == weights_hash and all(shape[0] == labels for shape in shapes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
    return found if fits else None
