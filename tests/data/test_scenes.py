from collections import Counter
from pathlib import Path

from cnnrnn.data import load_split
from cnnrnn.images import open_image


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
