from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnrnn.label_space.projection import compute_projection, project, read_projection, write_projection


@pytest.fixture(scope="module")
def points() -> torch.Tensor:
    """Three clusters of seven directions each, with vectors of very different lengths."""
    generator = torch.Generator().manual_seed(0)
    clusters = torch.eye(8)[:3].repeat_interleave(7, dim=0)
    return (clusters + 0.1 * torch.randn(21, 8, generator=generator)) * torch.rand(21, 1, generator=generator).add(0.1)


def test_projections_keep_clusters_together_and_are_deterministic(points: torch.Tensor) -> None:
    projection = compute_projection(points, seed=3)
    assert set(projection["maps"]) == {"PCA", "UMAP 2-D", "UMAP 3-D"}
    for name, entry in projection["maps"].items():
        coordinates = np.array(entry["coordinates"])
        assert coordinates.shape == (21, 2 if "2-D" in name else 3)
        assert entry["trustworthiness"] > 0.8
        nearest = np.linalg.norm(coordinates[:, None] - coordinates[None], axis=-1) + 1e9 * np.eye(21)
        assert (nearest.argmin(1) // 7 == np.arange(21) // 7).all(), name
    assert compute_projection(points, seed=3) == projection


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_few_labels_are_projected_and_umap_needs_four(count: int) -> None:
    projection = compute_projection(torch.randn(count, 8, generator=torch.Generator().manual_seed(1)))["maps"]
    assert ("UMAP 2-D" in projection) == (count >= 4)
    for entry in projection.values():
        assert np.isfinite(np.array(entry["coordinates"])).all()


def test_projecting_a_label_gives_its_own_coordinates(points: torch.Tensor) -> None:
    for entry in compute_projection(points)["maps"].values():
        projected = project(entry, points, 5 * points[4:6])
        np.testing.assert_allclose(projected, np.array(entry["coordinates"])[4:6], atol=1e-3)


def test_projections_of_other_weights_or_damaged_files_are_not_read(points: torch.Tensor, tmp_path: Path) -> None:
    assert read_projection(tmp_path, "abc", 21) is None
    write_projection(tmp_path, points, "abc")
    assert read_projection(tmp_path, "abc", 21) is not None
    assert read_projection(tmp_path, "abd", 21) is None
    assert read_projection(tmp_path, "abc", 20) is None
    for damaged in ("{", "[]", json.dumps({"weights_sha256": "abc", "maps": {"PCA": {"coordinates": 3}}})):
        (tmp_path / "projection.json").write_text(damaged)
        assert read_projection(tmp_path, "abc", 21) is None
