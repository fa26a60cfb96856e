"""VOC's XML as other tools write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnrnn.data import DataError, Options, load_split
from cnnrnn.data.source import Source, read_source


def write(folder: Path, stem: str, *objects: str, image: str | None = None, encoding: str = "utf-8") -> None:
    for name in ("Annotations", "JPEGImages"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    inside = f"<filename>other.jpg</filename>{''.join(objects)}"
    text = f'<?xml version="1.0" encoding="utf-8"?><annotation>{inside}</annotation>'
    (folder / "Annotations" / f"{stem}.xml").write_bytes(text.encode(encoding))
    (folder / "JPEGImages" / (image or f"{stem}.jpg")).write_bytes(b"")


def item(name: str, inside: str = "") -> str:
    return f"<object><name>{name}</name>{inside}</object>"


THREE = (item("my car", "<difficult>Unspecified</difficult>"), item("bus", "<difficult>true</difficult>"))


def labels_of(source: Source) -> dict[str, tuple[str, ...]]:
    return {sample.image.name: sample.labels for split in source.samples.values() for sample in split}


def test_own_labels_without_lists_of_splits(tmp_path: Path) -> None:
    write(tmp_path, "1", item("my car"), item("Üwe ", "<difficult>0</difficult>"), image="1.PNG")
    write(tmp_path, "2", item("my car", "<polygon><x1>1</x1></polygon><part><name>wheel</name></part>"))
    write(
        tmp_path, "3", item("my car", "<difficult>Unspecified</difficult>"), item("bus", "<difficult>true</difficult>")
    )
    write(tmp_path, "4", item("née"), encoding="cp1252")
    source = read_source(tmp_path, Options())
    assert labels_of(source) == {
        "1.PNG": ("my car", "Üwe"),
        "2.jpg": ("my car",),
        "3.jpg": ("my car",),
        "4.jpg": ("née",),
    }
    assert next(s.ignored for v in source.samples.values() for s in v if s.image.name == "3.jpg") == ("bus",)
    assert "4.xml is not in the encoding that it declares" in str(source.findings[0])


def test_lists_of_splits_in_every_form(tmp_path: Path) -> None:
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    for stem in ("1", "2", "a b", "4", "5"):
        write(folder, stem, item("cat"))
    (folder / "Annotations" / "5.xml").unlink()
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_bytes("\ufeff1\r\n2.jpg\r\na b\r\n".encode())
    (lists / "val.txt").write_text("4  1\n5 -1\n")
    for path in (tmp_path, folder):
        source = read_source(path, Options())
        assert {name: [s.image.stem for s in samples] for name, samples in source.samples.items()} == {
            "train": ["1", "2", "a b"],
            "val": ["4", "5"],
        }
        assert "1 images have no XML file" in str(source.findings[0])
    (lists / "val.txt").write_text("4\n1\n")
    with pytest.raises(DataError, match="1 is in the lists train and val"):
        load_split("table", tmp_path, "train")


def test_xml_files_beside_the_images_of_split_folders(tmp_path: Path) -> None:
    for split, stem in (("train", "1"), ("valid", "2")):
        write(tmp_path / "x", stem, item("cat"))
        (tmp_path / split).mkdir()
        (tmp_path / "x" / "Annotations" / f"{stem}.xml").rename(tmp_path / split / f"{stem}.xml")
        (tmp_path / "x" / "JPEGImages" / f"{stem}.jpg").rename(tmp_path / split / f"{stem}.jpg")
    assert {name: len(samples) for name, samples in read_source(tmp_path, Options()).samples.items()} == {
        "train": 1,
        "val": 1,
    }


def test_boxes_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    box = "<bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
    write(tmp_path, "1", item("cat", box))
    write(tmp_path, "2", item("cat", "<polygon/>"))
    source = read_source(tmp_path, Options())
    samples = {sample.image.name: sample for split in source.samples.values() for sample in split}
    assert source.boxes is not None
    assert source.boxes(samples["1.jpg"]) == {"cat": [(0.5, 1, 30, 40)]}
    with pytest.raises(DataError, match="an object without a box"):
        source.boxes(samples["2.jpg"])
    write(tmp_path, "3", item(" "))
    with pytest.raises(DataError, match=r"3\.xml has an object without a name"):
        read_source(tmp_path, Options())


def test_the_folder_of_annotations_may_be_given(tmp_path: Path) -> None:
    write(tmp_path, "1", item("cat"))
    source = read_source(tmp_path / "Annotations", Options())
    assert labels_of(source) == {"1.jpg": ("cat",)}
    assert not [found for found in source.findings if found.level == "warning"]


def test_folders_of_annotations_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, "1", item("cat"))
    assert not [found for found in read_source(tmp_path, Options()).findings if found.level == "warning"]


def test_hidden_files_of_macos_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "1", item("cat"))
    (tmp_path / "Annotations" / "._1.xml").write_bytes(b"\0\5\x16\7")
    assert labels_of(read_source(tmp_path, Options())) == {"1.jpg": ("cat",)}


def test_the_name_inside_is_taken_where_no_image_is_called_like_the_file(tmp_path: Path) -> None:
    write(tmp_path, "1", item("cat"), image="other.jpg")
    write(tmp_path, "2", item("dog"))  # which has the same name inside
    assert labels_of(read_source(tmp_path, Options())) == {"other.jpg": ("cat",), "2.jpg": ("dog",)}
    write(tmp_path, "other", item("bus"))
    assert labels_of(read_source(tmp_path, Options())) == {"other.jpg": ("bus",), "2.jpg": ("dog",)}


def test_a_blank_line_may_stand_above_the_declaration(tmp_path: Path) -> None:
    write(tmp_path, "1", item("née"))
    path = tmp_path / "Annotations" / "1.xml"
    path.write_bytes(b"\n" + path.read_bytes())
    source = read_source(tmp_path, Options())
    assert labels_of(source) == {"1.jpg": ("née",)}
    assert not [found for found in source.findings if found.level == "warning"]


def test_what_is_no_annotation_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "1", item("cat"))
    with pytest.raises(DataError, match="is the annotation of one image, of PASCAL VOC; give the folder"):
        read_source(tmp_path / "Annotations" / "1.xml", Options())
    write(tmp_path, "2", item("cat"))
    (tmp_path / "Annotations" / "2.xml").write_text("<html>404</html>")
    with pytest.raises(DataError, match=r"2\.xml is no annotation of PASCAL VOC, but <html>"):
        read_source(tmp_path, Options())


def test_empty_lists_of_splits_are_none(tmp_path: Path) -> None:
    write(tmp_path, "1", item("cat"))
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("1\n")
    (lists / "val.txt").write_text("")
    assert labels_of(read_source(tmp_path, Options())) == {"1.jpg": ("cat",)}


@pytest.mark.parametrize("place", ["", "annotations"])
def test_other_annotations_of_the_folder_are_named_as_not_read(tmp_path: Path, place: str) -> None:
    write(tmp_path, "1", item("car"))
    write(tmp_path, "2", item("bus"))
    (tmp_path / "notes.txt").write_text("taken in June")
    assert not [finding for finding in read_source(tmp_path, Options()).findings if "not" in str(finding)]
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "new.csv").write_text("image,labels\n1.jpg,lorry\n2.jpg,bus\n")
    source = read_source(tmp_path, Options())
    assert labels_of(source) == {"1.jpg": ("car",), "2.jpg": ("bus",)}
    assert f"the XML files were read, but not {Path(place) / 'new.csv'};" in str(source.findings)
