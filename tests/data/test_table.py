from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnnrnn.data import DataError, Options, load_split

CSV = """image,labels,split
a.jpg,cat; dog,train
sub/b.jpg,,train
a.jpg,cat,train
gone.jpg,dog,train
"c, d.jpg",dog,train
e.jpg,cat;yak,val
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "sub/b.jpg", "c, d.jpg", "e.jpg"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_csv_with_invalid_rows(folder: Path) -> None:
    path = write(folder, "mine.csv", CSV)
    train = load_split("table", path, "train")
    assert train.name == "mine train"
    assert train.labels == ("cat", "dog")
    assert [(s.image.name, s.labels) for s in train.samples] == [
        ("a.jpg", {"cat", "dog"}),
        ("b.jpg", set()),
        ("c, d.jpg", {"dog"}),
    ]
    assert train.warnings == (
        "1 left out, the image is missing (mine.csv, line 5)",
        "1 left out, the image stands in an earlier row (mine.csv, line 4)",
    )
    val = load_split("table", path, "val")
    assert val.samples[0].labels == {"cat"}
    assert val.warnings == ("1 with a label that no row of 'train' has; that label is ignored (mine.csv, line 7)",)


def test_a_table_without_train_rows_has_the_labels_of_all_rows(folder: Path) -> None:
    path = write(folder, "evaluate.csv", "image,labels,split\na.jpg,cat,test\ne.jpg,cat;yak,val\n")
    test = load_split("table", path, "test")
    assert test.labels == ("cat", "yak")
    assert [sample.labels for sample in test.samples] == [{"cat"}]
    assert test.warnings == ()
    with pytest.raises(DataError, match="holds no images"):
        load_split("table", path, "train")


def test_separator_and_jsonl(folder: Path) -> None:
    path = write(folder, "pipes.csv", "image,labels\na.jpg,cat|dog; big\n")
    assert load_split("table", path, "train", Options(separator="|")).samples[0].labels == {"cat", "dog; big"}
    path = write(folder, "mine.jsonl", '{"image": "a.jpg", "labels": ["cat", "grün"]}\n\n')
    assert load_split("table", path, "train").samples[0].labels == {"cat", "grün"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "photo,labels\n", "must name the columns image"),
        ("a.csv", "image,labels\na.jpg\n", "line 2: expected an image"),
        ("a.jsonl", '{"image": "a.jpg", "labels": ["x"]}\nnonsense\n', "line 2: expected an object"),
        ("a.jsonl", '{"image": "a.jpg", "labels": [1]}\n', "line 1: image must be text"),
        ("a.csv", "image,labels\na.jpg,\n", "no row of the split 'train' has a label"),
        ("a.csv", "image,labels,split\na.jpg,,test\n", "no row has a label"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(name: str, text: str, message: str, folder: Path) -> None:
    with pytest.raises(DataError, match=message):
        load_split("table", write(folder, name, text), "train")


def test_a_folder_instead_of_the_file(folder: Path) -> None:
    with pytest.raises(DataError, match="CSV or JSONL file itself"):
        load_split("table", folder, "train")


def test_a_part_is_held_out_and_always_the_same(scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "train")
    rest, held = split.hold_out(0.25)
    assert 0.15 < len(held.samples) / len(split.samples) < 0.35
    assert {*rest.samples, *held.samples} == set(split.samples)
    assert not {*rest.samples} & {*held.samples}
    assert split.hold_out(0.25)[1].samples == held.samples
    with pytest.raises(DataError, match="leaves nothing"):
        split.hold_out(1e-9)


def test_groups_of_the_labels_come_from_a_file(folder: Path) -> None:
    path = write(folder, "mine.csv", CSV)
    groups = write(folder, "groups.csv", "label,group\ndog, pets \ncat,pets\nelk,wild\n")
    assert load_split("table", path, "train", Options(groups=groups)).groups == {"cat": "pets", "dog": "pets"}
    assert load_split("table", path, "train").groups is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,group\ncat,pets\n", "no group for 1 labels; add dog"),
        ("label,kind\ncat,pets\n", "columns label and group"),
        ("label,group\ncat,pets\ndog,\n", "line 3: expected a label and its group"),
        ("label,group\ncat\n", "line 2: expected a label and its group"),
        ("label,group\ncat,pets\ndog,pets\ncat,wild\n", "line 4: cat has two groups, pets and wild"),
        (None, "can't be read"),
    ],
)
def test_groups_that_cant_be_used_name_what_is_wrong(folder: Path, text: str | None, message: str) -> None:
    path, groups = write(folder, "mine.csv", CSV), folder / "groups.csv"
    if text is not None:
        groups.write_text(text)
    with pytest.raises(DataError, match=message):
        load_split("table", path, "train", Options(groups=groups))


def instances(images: list[str]) -> str:
    """COCO's instance annotations: in every image a dog at the same place, and in the first a cat."""
    dog = {"category_id": 7, "bbox": [1.0, 2.0, 10.0, 20.0]}
    return json.dumps({
        "images": [{"id": 10 + n, "file_name": name} for n, name in enumerate(images)],
        "annotations": [*({"image_id": 10 + n, **dog} for n in range(len(images))),
                        {"image_id": 10, "category_id": 3, "bbox": [0, 0, 5, 5]}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
    })  # fmt: skip


def test_boxes_come_from_instance_annotations_and_images_without_them_are_left_out(folder: Path) -> None:
    path = write(folder, "mine.csv", CSV)
    boxes = write(folder, "boxes.json", instances(["sub/b.jpg", "a.jpg", "elsewhere.jpg"]))
    split = load_split("table", path, "train", Options(boxes=boxes))
    assert [sample.image.name for sample in split.samples] == ["a.jpg", "b.jpg"]
    assert "1 left out, boxes.json has no boxes of the image" in split.warnings
    assert split.boxes is not None
    assert [split.boxes(sample) for sample in split.samples] == [
        {"dog": [(1, 2, 11, 22)]},
        {"dog": [(1, 2, 11, 22)], "cat": [(0, 0, 5, 5)]},
    ]


def test_boxes_of_no_image_of_the_table_are_refused(folder: Path) -> None:
    path = write(folder, "mine.csv", CSV)
    with pytest.raises(DataError, match="file_name must be relative to"):
        load_split("table", path, "train", Options(boxes=write(folder, "boxes.json", instances(["images/a.jpg"]))))
    with pytest.raises(DataError, match="is not there"):
        load_split("table", path, "train", Options(boxes=folder / "none.json"))
    with pytest.raises(DataError, match="no instance annotation"):
        load_split("table", path, "train", Options(boxes=write(folder, "odd.json", '{"images": []}')))
    with pytest.raises(DataError, match="are for the data set 'table'"):
        load_split("scenes", folder, "train", Options(boxes=folder / "boxes.json"))
