from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np

from cnnrnn.data import load_split
from cnnrnn.data.images import open_image


def test_scenes_are_the_same_at_every_call_and_follow_their_rules(scenes_root: Path, tmp_path: Path) -> None:
    one, other = load_split("scenes", scenes_root, "train"), load_split("scenes", tmp_path, "train")
    assert [sample.labels for sample in one.samples] == [sample.labels for sample in other.samples]
    assert one.samples[5].image.read_bytes() == other.samples[5].image.read_bytes()
    counts = Counter(label for sample in one.samples for label in sample.labels)
    assert counts == {"circle": 304, "triangle": 198, "square": 173, "diamond": 145, "star": 122, "cross": 109}
    pairs = Counter(pair for sample in one.samples for pair in permutations(sample.labels, 2))
    assert pairs["square", "circle"] == counts["square"]  # every square has a circle with it
    assert pairs["star", "cross"] == 0
    assert open_image(one.samples[0].image).size == (64, 64)


def test_boxes_hold_the_shapes(scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "test")
    assert split.boxes is not None
    sample = next(sample for sample in split.samples if sample.labels == {"circle"})
    ((left, top, right, bottom),) = split.boxes(sample)["circle"]
    pixels = np.asarray(open_image(sample.image)).astype(int)
    ground = pixels[0, 0]
    rows, columns = np.nonzero(np.abs(pixels - ground).sum(axis=-1) > 60)
    # The box has fractions of pixels: the circle fills all that it touches.
    assert (columns.min(), rows.min()) == (int(left), int(top))
    assert (columns.max(), rows.max()) == (int(right), int(bottom))
