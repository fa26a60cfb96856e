"""NUS-WIDE in its official layout: Windows separators, a file per concept, rows of tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnrnn.data import DataError, Options, load_split

CONCEPTS = ["airport", "animal", "beach"]
TAGS = ["sky", "nature", "water", "explore"]
IMAGES = ["actor\\0001_2124494179.jpg", "actor\\0002_174174086.jpg", "zebra\\0005_2538447.jpg", "zebra\\0009_1.jpg"]
CONCEPT_ROWS = [[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 1, 0]]
TAG_ROWS = [[0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "ConceptsList/Concepts81.txt": "\n".join(CONCEPTS) + "\n",
        "ImageList/TrainImagelist.txt": "".join(f"{image}\r\n" for image in IMAGES),
        "NUS_WID_Tags/TagList1k.txt": "\r\n".join(TAGS) + "\r\n",
        "NUS_WID_Tags/Train_Tags1k.dat": "".join("\t".join(map(str, row)) + "\t\r\n" for row in TAG_ROWS),
    }
    for column, concept in enumerate(CONCEPTS):
        lines = "".join(f"{row[column]}\n" for row in CONCEPT_ROWS)
        files[f"Groundtruth/TrainTestLabels/Labels_{concept}_Train.txt"] = lines
    for image in IMAGES[:3]:  # the fourth is missing, as many are
        files[f"Flickr/{image}".replace("\\", "/")] = "not read by a loader"
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    return tmp_path


def test_the_81_concepts_are_read(root: Path) -> None:
    split = load_split("nuswide81", root, "train")
    assert split.labels == tuple(CONCEPTS)
    assert [sample.labels for sample in split.samples] == [("airport",), ("animal", "beach")]
    assert split.samples[0].image == root / "Flickr" / "actor" / "0001_2124494179.jpg"
    assert split.warnings[0].startswith("1 of 4 images have no label")
    assert split.warnings[1].startswith("1 of 4 images are not under")


@pytest.mark.parametrize("chunk", [1, 7, 10**6])
def test_tags_are_read_alike_with_any_chunk_size(chunk: int, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnrnn.data.nuswide.CHUNK_BYTES", chunk)
    split = load_split("nuswide1000", root, "train")
    assert split.labels == tuple(TAGS)
    assert [sample.labels for sample in split.samples] == [("sky", "water"), ("explore",)]


def test_files_that_do_not_belong_together_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match="no official archive"):
        load_split("nuswide81", root, "train", Options(download=True))
    with pytest.raises(DataError, match="--val-fraction"):
        load_split("nuswide81", root, "val")
    with pytest.raises(DataError, match=r"TestImagelist\.txt is not there"):
        load_split("nuswide81", root, "test")
    path = root / "Groundtruth" / "TrainTestLabels" / "Labels_beach_Train.txt"
    path.write_text("0\n1\n")
    with pytest.raises(DataError, match="has 2 lines, but the image list has 4"):
        load_split("nuswide81", root, "train")
    path.write_text("0\n1\n0\n7\n")
    with pytest.raises(DataError, match="something else than 0 and 1"):
        load_split("nuswide81", root, "train")
    (root / "NUS_WID_Tags" / "Train_Tags1k.dat").write_text("0 1 0 1\n0 1")
    with pytest.raises(DataError, match="has 1 rows of 4 tags"):
        load_split("nuswide1000", root, "train")
