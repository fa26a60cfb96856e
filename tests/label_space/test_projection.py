from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnrnn.label_space.projection import compute, place, read, record


@pytest.fixture(scope="module")
def points() -> torch.Tensor:
    """Three bundles of seven directions each, of very different lengths."""
    generator = torch.Generator().manual_seed(0)
    bundles = torch.eye(8)[:3].repeat_interleave(7, dim=0)
    return (bundles + 0.1 * torch.randn(21, 8, generator=generator)) * torch.rand(21, 1, generator=generator).add(0.1)


def test_maps_keep_bundles_together_and_are_the_same_again(points: torch.Tensor) -> None:
    found = compute(points, seed=3)
    assert set(found["maps"]) == {"PCA", "UMAP 2-D"}
    for name, entry in found["maps"].items():
        coordinates = np.array(entry["coordinates"])
        assert coordinates.shape == (21, 2)
        assert entry["trustworthiness"] > 0.8
        nearest = np.linalg.norm(coordinates[:, None] - coordinates[None], axis=-1) + 1e9 * np.eye(21)
        assert (nearest.argmin(1) // 7 == np.arange(21) // 7).all(), name
    assert compute(points, seed=3) == found


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_few_labels_have_a_map_too(count: int) -> None:
    found = compute(torch.randn(count, 8, generator=torch.Generator().manual_seed(1)))["maps"]
    assert ("UMAP 2-D" in found) == (count >= 4)
    for entry in found.values():
        assert np.isfinite(np.array(entry["coordinates"])).all()


def test_a_label_placed_as_a_point_falls_on_itself(points: torch.Tensor) -> None:
    for entry in compute(points)["maps"].values():
        placed = place(entry, points, 5 * points[4:6])
        np.testing.assert_allclose(placed, np.array(entry["coordinates"])[4:6], atol=1e-3)


def test_maps_of_other_weights_are_not_read(points: torch.Tensor, tmp_path: Path) -> None:
    assert read(tmp_path, "abc", 21) is None
    record(tmp_path, points, "abc")
    assert read(tmp_path, "abc", 21) is not None
    assert read(tmp_path, "abd", 21) is None
    assert read(tmp_path, "abc", 20) is None
    for damaged in ("{", "[]", json.dumps({"weights_sha256": "abc", "maps": {"PCA": {"coordinates": 3}}})):
        (tmp_path / "projection.json").write_text(damaged)
        assert read(tmp_path, "abc", 21) is None
