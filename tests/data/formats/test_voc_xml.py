"""VOC's XML as other tools write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnrnn.data import DataError, Options, load_split
from cnnrnn.data.formats import voc_xml, xml
from cnnrnn.data.reading import Findings
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
    assert "4.xml is not UTF-8; it was read as cp1252, of Windows, with such words as née" in str(source.findings[0])


def test_a_folder_called_as_an_xml_file_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "1", item("cat"))
    write(tmp_path, "2", item("dog"))
    (tmp_path / "Annotations" / "old.xml").mkdir()
    assert labels_of(read_source(tmp_path, Options())) == {"1.jpg": ("cat",), "2.jpg": ("dog",)}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read: Is a directory"):
        xml.parse(tmp_path)


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    """Also beside the images; one of these files itself names the folder to give."""
    for stem in ("1", "2"):
        write(tmp_path, stem, item("cat"))
        (tmp_path / "Annotations" / f"{stem}.xml").rename(tmp_path / "JPEGImages" / f"{stem}.XML")
    expected = {"1.jpg": ("cat",), "2.jpg": ("cat",)}
    assert labels_of(read_source(tmp_path / "JPEGImages", Options())) == expected
    with pytest.raises(DataError, match="the annotation of one image, of PASCAL VOC; give the folder that holds all"):
        read_source(tmp_path / "JPEGImages" / "1.XML", Options())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotation><object><name>кот</name></object></annotation>".encode("cp1251"), "with --encoding cp1251: кот"),
        (b"<annotation><object>", "1.xml is damaged"),
    ],
)
def test_what_cannot_be_read_is_told_also_beside_images(tmp_path: Path, content: bytes, message: str) -> None:
    for name in ("1.jpg", "2.jpg", "2.xml"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "1.xml").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_source(tmp_path, Options())


@pytest.mark.parametrize("prefix", ["", "v:"])
def test_tags_in_a_namespace(tmp_path: Path, prefix: str) -> None:
    box = "".join(f"<{prefix}{side}>{n}</{prefix}{side}>" for n, side in enumerate(("xmin", "ymin", "xmax", "ymax"), 1))
    inside = f"<{prefix}name>cat</{prefix}name><{prefix}bndbox>{box}</{prefix}bndbox>"
    for stem in ("1", "2"):
        write(tmp_path, stem)
        name = prefix.rstrip(":")
        (tmp_path / "Annotations" / f"{stem}.xml").write_text(
            f'<{prefix}annotation xmlns{":" if name else ""}{name}="http://x">'
            f"<!-- drawn --><{prefix}object>{inside}</{prefix}object></{prefix}annotation>"
        )
    source = read_source(tmp_path, Options())
    assert labels_of(source) == {"1.jpg": ("cat",), "2.jpg": ("cat",)}
    assert source.boxes is not None
    assert source.boxes(source.samples["train"][0]) == {"cat": [(0, 1, 3, 4)]}


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
    with pytest.raises(DataError, match=r"1 images are in the lists train and val; leave each in one \(1\)"):
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
    with pytest.raises(DataError, match="an object without a box; draw it again"):
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


def write_lists(folder: Path, lists: dict[str, str]) -> None:
    for name, stems in lists.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(stems.split()))


def splits_of(source: Source) -> dict[str, str]:
    return {name: " ".join(sample.image.stem for sample in samples) for name, samples in source.samples.items()}


def warnings(source: Source) -> list[str]:
    return [
        str(found) for found in source.findings if found.level == "warning" and "no image in train" not in str(found)
    ]


MAIN = "ImageSets/Main"


@pytest.mark.parametrize(
    ("lists", "splits"),
    [
        ({f"{MAIN}/Train.txt": "1 2", f"{MAIN}/Val.TXT": "3 4"}, ("1 2", "3 4")),
        ({f"{MAIN}/train.txt": "1 2", f"{MAIN}/validation.txt": "3 4"}, ("1 2", "3 4")),
        ({"ImageSets/train.txt": "1 2", "ImageSets/val.txt": "3 4"}, ("1 2", "3 4")),
        ({"imagesets/main/train.txt": "1 2", "imagesets/main/dev.txt": "3 4"}, ("1 2", "3 4")),
        ({"ImageSets/Segmentation/train.txt": "1 2", "ImageSets/Segmentation/val.txt": "3"}, ("1 2", "3")),
        ({"ImageSets/Mine/train.txt": "1 2", "ImageSets/Mine/val.txt": "3"}, ("1 2", "3")),
        ({"train.txt": "1 2", "val.txt": "3 4"}, ("1 2", "3 4")),
        ({"train.txt": "JPEGImages/1.jpg C:\\x\\2.jpg", "val.txt": "/x/3.xml Annotations/4"}, ("1 2", "3 4")),
        ({f"{MAIN}/train2007.txt": "1 2", f"{MAIN}/val_list.txt": "3 4"}, ("1 2", "3 4")),
        ({f"{MAIN}/cat_train.txt": "1 2", f"{MAIN}/dog_train.txt": "1 2", f"{MAIN}/cat_val.txt": "3"}, ("1 2", "3")),
        ({f"{MAIN}/trainval.txt": "1 2 3 4", f"{MAIN}/val.txt": "3 4"}, ("1 2", "3 4")),
        ({f"{MAIN}/trainval.txt": "1 2 3 4", f"{MAIN}/train.txt": "1 2"}, ("1 2", "3 4")),
        ({f"{MAIN}/train.txt": "1 2", f"{MAIN}/val.txt": "3 4", f"{MAIN}/trainval.txt": "1 2 3 4",
          f"{MAIN}/train_train.txt": "1 2", f"{MAIN}/train_val.txt": "3 4", f"{MAIN}/default.txt": "1 2 3 4",
          "ImageSets/Segmentation/train.txt": "3", "classes.txt": "cat"}, ("1 2", "3 4")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["", "VOCdevkit/VOC2012"])
def test_lists_of_splits_by_any_name_and_place(
    tmp_path: Path, lists: dict[str, str], splits: tuple[str, str], place: str
) -> None:
    for stem in ("1", "2", "3", "4"):
        write(tmp_path / place, stem, item("cat"))
    write_lists(tmp_path / place, lists)
    source = read_source(tmp_path, Options())
    assert splits_of(source) == {"train": splits[0], "val": splits[1]}
    assert not warnings(source)
    assert not source.errors


def test_lists_at_the_top_of_a_folder_with_annotations_elsewhere(tmp_path: Path) -> None:
    for stem in ("1", "2", "3"):
        write(tmp_path / "VOCdevkit" / "mine", stem, item("cat"))
    write_lists(tmp_path, {"train.txt": "1 2", "val.txt": "3"})
    assert splits_of(read_source(tmp_path, Options())) == {"train": "1 2", "val": "3"}


def test_other_texts_beside_the_xml_files_are_no_lists(tmp_path: Path) -> None:
    for stem in ("1", "2", "3"):
        write(tmp_path, stem, item("cat"))
    (tmp_path / "old.txt").write_bytes(b"\x00\x01\x02")
    write_lists(tmp_path, {"val.txt": "9 8", "notes.txt": "photographs of June", "ImageSets/train.txt": "1 2"})
    write_lists(tmp_path, {"ImageSets/val.txt": "3"})
    source = read_source(tmp_path, Options())
    assert splits_of(source) == {"train": "1 2", "val": "3"}
    assert not warnings(source)


def test_pairs_of_an_image_and_its_annotation(tmp_path: Path) -> None:
    for stem in ("a b", "2", "3"):
        write(tmp_path, stem, item("cat"))
    (tmp_path / "train.txt").write_text("./JPEGImages/a b.jpg ./Annotations/a b.xml\n2.jpg\t2.xml\n")
    (tmp_path / "val.txt").write_text("./JPEGImages/3.jpg ./Annotations/3.xml\n")
    assert splits_of(read_source(tmp_path, Options())) == {"train": "a b 2", "val": "3"}


def test_trainval_without_val_is_train_with_a_share_held_out(tmp_path: Path) -> None:
    for stem in "1234567":
        write(tmp_path, stem, item("cat"))
    write_lists(tmp_path, {f"{MAIN}/trainval.txt": "1 2 3 4", f"{MAIN}/test.txt": "5 6 7"})
    splits = splits_of(read_source(tmp_path, Options()))
    assert splits["test"] == "5 6 7"
    assert sorted((splits["train"] + splits["val"]).replace(" ", "")) == ["1", "2", "3", "4"]
    assert splits["val"]
    write_lists(tmp_path, {f"{MAIN}/test.txt": "4 5 6 7"})
    assert (
        "1 images are in the lists test and trainval; leave each in one (4)" in read_source(tmp_path, Options()).errors
    )


@pytest.mark.parametrize(
    "lists",
    [
        {f"{MAIN}/holdout.txt": "3 4"},
        {f"{MAIN}/train.txt": "1 2", f"{MAIN}/val.txt": "3", "ImageSets/holdout.txt": "4"},
        {f"{MAIN}/train.txt": "1 2", f"{MAIN}/val.txt": "3", "train.txt": "3 4"},
        {"fold1.txt": "1 2", "fold2.txt": "3 4"},
    ],
)
def test_lists_that_tell_no_split_are_named(tmp_path: Path, lists: dict[str, str]) -> None:
    for stem in ("1", "2", "3", "4"):
        write(tmp_path, stem, item("cat"))
    write_lists(tmp_path, lists)
    (warning,) = warnings(read_source(tmp_path, Options()))
    assert "lists of images were not read; if they are splits, call them train.txt" in warning
    assert list(lists)[-1] in warning


def test_names_that_are_too_long_are_missing_images(tmp_path: Path) -> None:
    write(tmp_path, "1", item("cat"))
    write(tmp_path, "2", item("cat"))
    write_lists(tmp_path, {f"{MAIN}/train.txt": f"1 {'x' * 300}", f"{MAIN}/val.txt": "2"})
    source = read_source(tmp_path, Options())
    assert splits_of(source) == {"train": "1", "val": "2"}
    assert any(text.startswith("1 of 3 images are missing") for text in warnings(source))


def beside(folder: Path, split: str, stem: str, label: str) -> None:
    (folder / split).mkdir(parents=True, exist_ok=True)
    (folder / split / f"{stem}.xml").write_text(f"<annotation>{item(label)}</annotation>")
    (folder / split / f"{stem}.jpg").write_bytes(b"")


def test_a_relative_folder_is_read_as_an_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stem in "123":
        beside(tmp_path / "set", "train", stem, "cat")
        beside(tmp_path / "set", "valid", stem, "dog")
    (tmp_path / "set" / "train" / "2.jpg").unlink()
    monkeypatch.chdir(tmp_path)
    for folder in (Path("set"), tmp_path / "set"):
        source = read_source(folder, Options())
        assert {
            name: [(s.image.relative_to(folder).as_posix(), s.labels) for s in v] for name, v in source.samples.items()
        } == {
            "train": [(f"train/{stem}.jpg", ("cat",)) for stem in "13"],
            "val": [(f"valid/{stem}.jpg", ("dog",)) for stem in "123"],
        }
        (warning,) = warnings(source)
        assert warning == f"1 of 6 images are missing and were left out; looked for {folder / 'train/2.jpg'} (2.xml)"


def test_objects_that_labelme_marks_as_deleted_are_none(tmp_path: Path) -> None:
    objects = "".join(
        f"<object><name>{name}</name><deleted>{deleted}</deleted><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>"
        "<ymax>2</ymax></bndbox></object>"
        for name, deleted in (("cat", 0), ("dog", 1))
    )
    (tmp_path / "a.xml").write_text(f"<annotation>{objects}</annotation>")
    assert voc_xml.objects(tmp_path / "a.xml", Findings()) == ({"cat"}, set())
    assert list(voc_xml.boxes(tmp_path / "a.xml")) == ["cat"]


@pytest.mark.parametrize(
    ("annotations", "images"), [("annotations", "images"), ("Annotations", "Images"), ("annotations", "JPEGImages")]
)
def test_folders_in_any_case(tmp_path: Path, annotations: str, images: str) -> None:
    write(tmp_path, "1", item("cat"))
    write(tmp_path, "2", item("dog"), image="2.PNG")
    (tmp_path / "Annotations").rename(tmp_path / annotations)
    (tmp_path / "JPEGImages").rename(tmp_path / images)
    source = read_source(tmp_path, Options())
    assert labels_of(source) == {"1.jpg": ("cat",), "2.PNG": ("dog",)}
    assert not any("another path" in str(found) for found in source.findings)


def test_labels_of_difficult_objects_alone_are_told(tmp_path: Path) -> None:
    write(tmp_path, "1", item("cat"), item("dog", "<difficult>1</difficult>"))
    write(tmp_path, "2", item("cat"), item("cat", "<difficult>1</difficult>"))
    write(tmp_path, "3", item("dog"))
    message = "labels that an image has only of difficult objects count neither as right nor as wrong there: dog (1)"
    assert any(message in str(found) for found in read_source(tmp_path, Options()).findings)
    write(tmp_path, "1", item("cat"))
    assert not any("difficult" in str(found) for found in read_source(tmp_path, Options()).findings)


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "big5", "gb2312"])
def test_encodings_that_are_declared_but_not_known_to_xml(tmp_path: Path, encoding: str) -> None:
    """The bytes of a name may also be those of another one in UTF-8."""
    (tmp_path / "1.jpg").write_bytes(b"")
    xml = f'<?xml version="1.0" encoding="{encoding}"?><annotation><object><name>犬</name></object></annotation>'
    (tmp_path / "1.xml").write_bytes(xml.encode(encoding))
    assert read_source(tmp_path, Options()).labels == ("犬",)


@pytest.mark.parametrize(("images", "annotations"), [("img", "ann"), ("images", "labels"), ("imgs", "xml")])
@pytest.mark.parametrize("batches", [[""], ["batch1/", "batch2/"]])
def test_other_names_for_the_folder_of_the_xml_files(
    tmp_path: Path, images: str, annotations: str, batches: list[str]
) -> None:
    """The batches have images of the same names."""
    for batch in batches:
        for n, name in enumerate(("cat", "dog")):
            for place, suffix in ((images, "jpg"), (annotations, "xml")):
                (tmp_path / batch / place).mkdir(parents=True, exist_ok=True)
                content = f"<annotation><object><name>{name}</name></object></annotation>" if suffix == "xml" else ""
                (tmp_path / batch / place / f"{n}.{suffix}").write_text(content)
    source = read_source(tmp_path, Options())
    found = {str(s.image.relative_to(tmp_path)): s.labels for split in source.samples.values() for s in split}
    expected = {f"{batch}{images}/{n}.jpg": (name,) for batch in batches for n, name in enumerate(("cat", "dog"))}
    assert found == expected


@pytest.mark.parametrize(("images", "annotations"), [("images", "annotations"), ("JPEGImages", "Annotations")])
def test_splits_below_the_folders_of_images_and_annotations(tmp_path: Path, images: str, annotations: str) -> None:
    for split, name in (("train", "cat"), ("val", "dog")):
        for place, suffix in ((images, "jpg"), (annotations, "xml")):
            (tmp_path / place / split).mkdir(parents=True)
            content = f"<annotation><object><name>{name}</name></object></annotation>" if suffix == "xml" else ""
            (tmp_path / place / split / f"1.{suffix}").write_text(content)
    source = read_source(tmp_path, Options())
    found = {
        name: [(str(s.image.relative_to(tmp_path)), s.labels) for s in part] for name, part in source.samples.items()
    }
    assert found == {"train": [(f"{images}/train/1.jpg", ("cat",))], "val": [(f"{images}/val/1.jpg", ("dog",))]}


def test_an_empty_file_that_is_the_first_is_named(tmp_path: Path) -> None:
    for n, content in enumerate(("", "", "<annotation><object><name>cat</name></object></annotation>")):
        (tmp_path / f"{n}.jpg").write_bytes(b"")
        (tmp_path / f"{n}.xml").write_text(content)
    with pytest.raises(DataError, match=r"0\.xml is damaged"):
        read_source(tmp_path, Options())
