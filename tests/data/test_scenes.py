from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cnnrnn.data import load_split
from cnnrnn.data.images import open_image


def test_scenes_are_the_same_at_every_call_and_follow_their_rules(scenes_root: Path, tmp_path: Path) -> None:
    one, other = load_split("scenes", scenes_root, "train"), load_split("scenes", tmp_path, "train")
    assert [sample.labels for sample in one.samples] == [sample.labels for sample in other.samples]
    assert one.samples[5].image.read_bytes() == other.samples[5].image.read_bytes()
    pairs = Counter()
    for sample in one.samples:
        assert "square" not in sample.labels or "circle" in sample.labels
        assert not {"star", "cross"} <= sample.labels
        pairs.update(sample.labels)
    assert min(pairs.values()) > 80
    assert open_image(one.samples[0].image).size == (64, 64)


def test_boxes_hold_the_shapes(scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "test")
    assert split.boxes is not None
    sample = next(sample for sample in split.samples if sample.labels == {"circle"})
    ((left, top, right, bottom),) = split.boxes(sample)["circle"]
    pixels = np.asarray(open_image(sample.image)).astype(int)
    ground = pixels[0, 0]
    rows, columns = np.nonzero(np.abs(pixels - ground).sum(axis=-1) > 60)
    assert (columns.min(), rows.min()) == pytest.approx((left, top), abs=1.5)
    assert (columns.max() + 1, rows.max() + 1) == pytest.approx((right, bottom), abs=1.5)
