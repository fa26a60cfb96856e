from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnnrnn.data import DataError, load_split
from cnnrnn.data.coco import LABELS


def test_the_real_annotations(shared_data: Path) -> None:
    split = load_split("coco2017", shared_data / "coco", "train")
    assert len(split.samples) == 128
    assert len(split.labels) == 80
    assert set(split.labels) == set(LABELS)
    assert (split.labels[0], split.labels[-1]) == ("person", "toothbrush")  # by official id, which has gaps
    assert all(sample.image.is_file() for sample in split.samples)
    empty = [sample for sample in split.samples if not sample.labels]
    assert 0 < len(empty) < 10  # images without objects count, too
    content = json.loads((shared_data / "coco" / "annotations" / "instances_train2017.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    nine = {names[item["category_id"]] for item in content["annotations"] if item["image_id"] == 9}
    sample = next(sample for sample in split.samples if sample.image.name == "000000000009.jpg")
    assert set(sample.labels) == nine
    assert split.boxes is not None
    boxes = split.boxes(sample)
    assert boxes.keys() == nine
    left, top, width, height = next(item["bbox"] for item in content["annotations"] if item["image_id"] == 9)
    assert any((left, top, left + width, top + height) in found for found in boxes.values())


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"instances_val2014\.json is not there"):
        load_split("coco2014", tmp_path, "val")
    with pytest.raises(DataError, match="no public labels for 'test'"):
        load_split("coco2014", tmp_path, "test")
    (tmp_path / "annotations").mkdir()
    path = tmp_path / "annotations" / "instances_val2014.json"
    path.write_text('{"images": [')
    with pytest.raises(DataError, match="is damaged"):
        load_split("coco2014", tmp_path, "val")
    path.write_text("[]")
    with pytest.raises(DataError, match="no instance annotation"):
        load_split("coco2014", tmp_path, "val")
