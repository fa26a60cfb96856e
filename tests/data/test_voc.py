"""The official VOC layout, from small files written byte for byte like it, and from the real photographs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cnnrnn.data import DataError, Options, load_split
from cnnrnn.data.download import Archive
from cnnrnn.data.voc import LABELS

ANNOTATION = """<annotation>
\t<folder>VOC2012</folder>
\t<filename>{id}.jpg</filename>
\t<size><width>500</width><height>375</height><depth>3</depth></size>
{objects}</annotation>
"""
OBJECT = """\t<object>
\t\t<name>{name}</name>
\t\t<pose>Left</pose>
\t\t<difficult>{difficult}</difficult>
\t\t<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>
\t</object>
"""


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    for year in ("2007", "2012"):
        for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (tmp_path / "VOCdevkit" / f"VOC{year}" / folder).mkdir(parents=True)
    write(tmp_path, "2012", {"2008_000002": [("tvmonitor", 0), ("tvmonitor", 1)], "2008_000003": [("dog", 1)]})
    write(tmp_path, "2007", {"000012": [("car", 0)], "000017": [("person", 0), ("horse", 1), ("horse", 0)]})
    return tmp_path


def write(root: Path, year: str, objects: dict[str, list[tuple[str, int]]]) -> None:
    folder = root / "VOCdevkit" / f"VOC{year}"
    (folder / "ImageSets" / "Main" / "train.txt").write_text("".join(f"{image}\n" for image in objects))
    for image, named in objects.items():
        text = "".join(OBJECT.format(name=name, difficult=difficult) for name, difficult in named)
        (folder / "Annotations" / f"{image}.xml").write_text(ANNOTATION.format(id=image, objects=text))


def test_annotations_give_labels_and_difficult_ones_are_ignored(devkit: Path) -> None:
    split = load_split("voc2012", devkit, "train")
    assert split.labels == LABELS
    assert [sample.image.name for sample in split.samples] == ["2008_000002.jpg", "2008_000003.jpg"]
    assert [sample.labels for sample in split.samples] == [("tvmonitor",), ()]
    assert [sample.ignored for sample in split.samples] == [(), ("dog",)]


def test_boxes_are_of_pixels_from_0_and_of_every_object(devkit: Path) -> None:
    split = load_split("voc0712", devkit, "train")
    assert split.boxes is not None
    assert split.boxes(split.samples[1]) == {"person": [(0, 1, 30, 40)], "horse": [(0, 1, 30, 40)] * 2}
    annotation = devkit / "VOCdevkit" / "VOC2007" / "Annotations" / "000017.xml"
    annotation.write_text(annotation.read_text().replace("<ymax>40</ymax>", ""))
    with pytest.raises(DataError, match="an object without a box"):
        split.boxes(split.samples[1])


def test_the_official_label_lists_win_where_they_are(devkit: Path) -> None:
    main = devkit / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main"
    for label in LABELS:
        values = {"person": ("-1", " 0"), "horse": ("-1", " 1"), "car": (" 1", "-1")}.get(label, ("-1", "-1"))
        (main / f"{label}_train.txt").write_text(f"000012 {values[0]}\n000017 {values[1]}\n")
    first, second = load_split("voc2007", devkit, "train").samples
    assert (first.labels, first.ignored) == (("car",), ())
    assert (second.labels, second.ignored) == (("horse",), ("person",))
    truth, ignored = load_split("voc2007", devkit, "train").truth(("car", *[k for k in LABELS if k != "car"]))
    assert truth[0].tolist() == [True] + [False] * 19
    assert ignored.sum() == 1

    (main / "cat_train.txt").write_text("000012 -1\n000017 maybe\n")
    with pytest.raises(DataError, match=r"cat_train\.txt, line 2"):
        load_split("voc2007", devkit, "train")


def test_both_years_come_together(devkit: Path) -> None:
    split = load_split("voc0712", devkit, "train")
    assert split.name == "voc0712 train"
    assert len(split.samples) == 4


def test_errors_name_the_file_and_the_way_out(devkit: Path) -> None:
    with pytest.raises(DataError, match=r"val\.txt is not there; leave out --dataset"):
        load_split("voc2012", devkit, "val")
    with pytest.raises(DataError, match="no split 'everything'"):
        load_split("voc2012", devkit, "everything")
    with pytest.raises(DataError, match="choose one of voc2007"):
        load_split("imagenet", devkit, "train")
    annotation = devkit / "VOCdevkit" / "VOC2012" / "Annotations" / "2008_000002.xml"
    annotation.write_text("<annotation><object>")
    with pytest.raises(DataError, match=r"2008_000002\.xml is damaged"):
        load_split("voc2012", devkit, "train")
    annotation.unlink()
    with pytest.raises(DataError, match=r"2008_000002\.xml is not there"):
        load_split("voc2012", devkit, "train")


def test_download_takes_only_what_is_missing(
    devkit: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(archive: Archive, root: Path) -> None:
        asked.append(archive.name)
        shutil.copytree(devkit, root, dirs_exist_ok=True)

    monkeypatch.setattr("cnnrnn.data.download.fetch", fetch)
    empty = tmp_path_factory.mktemp("empty")
    for _ in range(2):
        assert len(load_split("voc2012", empty, "train", Options(download=True)).samples) == 2
    assert asked == ["VOCtrainval_11-May-2012.tar"]
    with pytest.raises(DataError, match="never published"):
        load_split("voc2012", empty, "test", Options(download=True))


@pytest.mark.parametrize(("split", "images", "cats"), [("train", 2946, 746), ("val", 859, 236), ("test", 1136, 296)])
def test_the_real_photographs(split: str, images: int, cats: int, shared_data: Path) -> None:
    loaded = load_split("voc0712", shared_data, split)
    assert len(loaded.samples) == images
    assert sum("cat" in sample.labels for sample in loaded.samples) == cats
    assert all(sample.image.is_file() for sample in loaded.samples)
