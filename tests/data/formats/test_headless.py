"""Tables without a header that have several labels behind each image, such as Vertex AI's."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_in_order, messages, read_table, splits_in_order

from cnnrnn.data import DataError
from cnnrnn.data.source import Source

LABELS = [["cat"], ["cat", "dog"], ["owl"], ["dog"], ["dog", "cat", "owl"]]
SPLITS = ["train", "train", "val", "test", "train"]


def read(folder: Path, rows: list[list[str]], sign: str = ",") -> Source:
    images = [f"{n}.jpg" for n in range(1, len(rows) + 1)]
    return read_table(folder, images, "".join(sign.join(row) + "\n" for row in rows))


@pytest.mark.parametrize("place", ["", "gs://bucket/images/"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_labels_behind_the_image(tmp_path: Path, place: str, sign: str) -> None:
    source = read(tmp_path, [[f"{place}{n}.jpg", *labels] for n, labels in enumerate(LABELS, start=1)], sign)
    assert labels_in_order(source) == [{*labels} for labels in LABELS]
    assert "t.csv has no header line; its columns were taken for image, label_1, label_2, label_3" in messages(source)


def test_empty_cells_behind_the_labels(tmp_path: Path) -> None:
    rows = [[f"{n}.jpg", *labels, *[""] * (3 - len(labels))] for n, labels in enumerate(LABELS, start=1)]
    assert labels_in_order(read(tmp_path, rows)) == [{*labels} for labels in LABELS]


@pytest.mark.parametrize(
    ("words", "splits"),
    [
        (["TRAIN", "TRAIN", "VALIDATION", "TEST", "TRAIN"], SPLITS),
        (["training", "training", "validation", "test", "training"], SPLITS),
        (["UNASSIGNED"] * 5, ["train"] * 5), ([""] * 5, ["train"] * 5),
    ],
)  # fmt: skip
def test_the_split_before_the_image(tmp_path: Path, words: list[str], splits: list[str]) -> None:
    rows = [[word, f"gs://b/{n}.jpg", *own] for n, (word, own) in enumerate(zip(words, LABELS, strict=True), start=1)]
    source = read(tmp_path, rows)
    assert splits_in_order(source) == splits
    assert labels_in_order(source) == [{*labels} for labels in LABELS]


def test_the_boxes_of_vertex(tmp_path: Path) -> None:
    box = ["0.1", "0.2", "", "", "0.3", "0.4", "", ""]
    rows = [
        [split, f"gs://b/{n}.jpg", label, *box] for n, split in enumerate(SPLITS, start=1) for label in LABELS[n - 1]
    ]
    source = read(tmp_path, rows)
    assert labels_in_order(source) == [{*labels} for labels in LABELS]
    assert splits_in_order(source) == SPLITS


@pytest.mark.parametrize(
    "rows",
    [
        [["1.jpg", "cat", "outdoors"], ["2.jpg", "dog", "indoors"]],  # two columns of anything
        [*([f"{n}.jpg", "cat"] for n in range(1, 20)), ["20.jpg", "cat", "a comment"]],
        [["1.jpg", "cat", "0.9"], ["2.jpg", "dog"]],
        [["1.jpg", "cat", "1.png"], ["2.jpg", "dog"]],
        [["train", "1.jpg", "cat", "dog"], ["tset", "2.jpg", "dog"]],
    ],
)
def test_what_may_be_something_else_is_refused(tmp_path: Path, rows: list[list[str]]) -> None:
    with pytest.raises(DataError, match=r"no header line|cells, but the first line names|none of the columns"):
        read(tmp_path, rows)
