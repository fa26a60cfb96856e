from __future__ import annotations

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
