"""Lists without a header that have an image and its labels in each line, separated by blanks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from source_helpers import folder_with, labels_by_image, messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

LABELS = {"1.jpg": {"cat"}, "2.jpg": {"dog"}, "3.jpg": {"cat", "dog"}, "4.jpg": set(), "5.jpg": {"owl", "dog"}}
NAMES = ["cat", "dog", "owl"]


def lines(kind: str, images: Sequence[str] = tuple(LABELS), above: str = "") -> str:
    def behind(labels: set[str]) -> list[str]:
        if kind == "words":
            return [name for name in NAMES if name in labels]
        if kind == "numbers":
            return [str(n) for n, name in enumerate(NAMES) if name in labels]
        no = "-1" if kind == "signs" else "0"
        return ["1" if name in labels else no for name in NAMES]

    return "".join(" ".join([above + image, *behind(LABELS[image])]) + "\n" for image in images)


def read(folder: Path, files: dict[str, str], place: str = ".", named: bool = True) -> Source:
    root = folder_with(folder, {**files, "classes.txt": "\n".join(NAMES)}, LABELS)
    return read_source(root / place, Options(label_names=root / "classes.txt" if named else None))


@pytest.mark.parametrize("kind", ["words", "numbers", "flags", "signs"])
@pytest.mark.parametrize("above", ["", "./", "/data/photos/"])
@pytest.mark.parametrize("place", [".", "list.txt"])
def test_labels_behind_blanks(tmp_path: Path, kind: str, above: str, place: str) -> None:
    source = read(tmp_path, {"list.txt": lines(kind, above=above)}, place)
    assert labels_by_image(source) == LABELS
    assert "a list with an image and its labels in each line" in source.kind
    assert ("each line has 0 or 1 for 3 labels" in messages(source)) == (kind in ("flags", "signs"))


@pytest.mark.parametrize("kind", ["words", "numbers", "flags"])
def test_a_list_for_each_split(tmp_path: Path, kind: str) -> None:
    images = [*LABELS]
    files = {"train.txt": lines(kind, images[:3]), "val_list.txt": lines(kind, images[3:])}
    source = read(tmp_path, files)
    assert {s.image.name: name for name, samples in source.samples.items() for s in samples} == (
        {"1.jpg": "train", "2.jpg": "train", "3.jpg": "train", "4.jpg": "val", "5.jpg": "val"}
    )
    assert labels_by_image(source) == LABELS
    assert "seem to tell splits" not in messages(source)
    assert "passed over (classes.txt)" in messages(source)


def test_numbers_without_names_are_pointed_out(tmp_path: Path) -> None:
    source = read(tmp_path, {"train.txt": lines("flags")}, named=False)
    assert source.labels == ("0", "1", "2")
    assert "all labels are numbers; if they stand for names, give --label-names FILE" in messages(source)


def test_two_numbers_that_may_be_flags_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"list.txt, line 1: are 0 and 1 the numbers of labels, or 0 and 1 for each\?"):
        read(tmp_path, {"list.txt": "1.jpg 0 1\n2.jpg 1 0\n3.jpg 0 1\n"})


def test_a_label_of_two_words_is_pointed_out(tmp_path: Path) -> None:
    source = read(tmp_path, {"list.txt": "1.jpg hot dog\n2.jpg cat\n3.jpg hot dog cat\n4.jpg hot dog\n"}, named=False)
    assert "'hot' and 'dog' of list.txt always stand together" in messages(source)


@pytest.mark.parametrize(
    "text",
    [
        "1.jpg\n2.jpg\n",  # no labels
        "1.jpg 0.9\n2.jpg 0.1\n",  # scores
        "1.jpg 10,20,30,40,0\n2.jpg 10,20,30,40,1\n",  # boxes
        "1.jpg 1.png\n2.jpg 2.png\n",  # masks
        "1.jpg cat\nno dog\n",  # a note
    ],
)
def test_other_texts_are_no_such_lists(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError):
        read(tmp_path, {"list.txt": text})


def test_a_table_or_folders_of_labels_come_first(tmp_path: Path) -> None:
    table = "image,labels\n1.jpg,bird\n2.jpg,bus\n"
    assert read(tmp_path / "table", {"labels.csv": table, "list.txt": lines("words")}, named=False).labels == (
        "bird",
        "bus",
    )
    images = ["cat/1.jpg", "dog/2.jpg"]
    folder = folder_with(tmp_path / "folders", {"train.txt": "cat/1.jpg 0\ndog/2.jpg 1\n"}, images)
    assert read_source(folder, Options()).labels == ("cat", "dog")
