"""A person's own data sets: tables in every form that programs and people write, and what is refused."""

from __future__ import annotations

import codecs
import json
import math
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from source_helpers import labels_by_image as labels_of

from cnnrnn.data import DataError, Options, Sample, load_split
from cnnrnn.data.source import Source, read_source
from cnnrnn.data.split import hold_out

CSV = """image,labels,split
a.jpg,cat; dog,train
sub/b.jpg,,train
gone.jpg,dog,train
"c, d.jpg",dog,train
e.jpg,cat;yak,val
"""
LABELS = {"a.jpg": {"cat", "dog"}, "b.jpg": {"dog"}, "c.jpg": {"cat"}, "d.jpg": set()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "sub/b.jpg", "c, d.jpg", "e.jpg"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, name: str, text: str | bytes, **options: object) -> Source:
    return read_source(write(folder, name, text), Options(**options))  # type: ignore[arg-type]


def messages(source: Source, level: str) -> list[str]:
    return [found.message for found in source.findings if found.level == level]


def lines(*rows: str, header: str = "image,labels") -> str:
    return "\n".join((header, *rows, ""))


PLAIN = lines("a.jpg,cat;dog", "b.jpg,dog", "c.jpg,cat", "d.jpg,")


def test_a_table_with_splits(folder: Path) -> None:
    path = write(folder, "mine.csv", CSV)
    train = load_split("table", path, "train")
    assert train.name == "mine train"
    assert train.labels == ("cat", "dog", "yak")
    assert [(s.image.name, s.labels) for s in train.samples] == [
        ("a.jpg", ("cat", "dog")),
        ("b.jpg", ()),
        ("c, d.jpg", ("dog",)),
    ]
    assert train.warnings == (
        "read as CSV, cells separated by commas; images in the column 'image', splits in the column 'split', labels in "
        "'labels', separated by semicolons",
        "1 of 5 images are missing and were left out; looked for " + str(folder / "gone.jpg") + " (line 4)",
        "1 labels have no image in train, so that no model learns them (images in val and test): yak (1)",
        "3 of the 7 images in the folders of the annotated images are in no row that was read, and not used: "
        "b.jpg, c.jpg, d.jpg",
    )
    assert load_split("table", path, "val").samples[0].labels == ("cat", "yak")
    assert load_split("table", path, "validation").samples == load_split("table", path, "val").samples
    with pytest.raises(DataError, match="has no split 'test'; it has train, val"):
        load_split("table", path, "test")


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("t.csv", PLAIN, "separated by commas; images in the column 'image', labels in 'labels', separated by semic"),
        ("t.csv", codecs.BOM_UTF8 + PLAIN.replace(",", "\t").replace("\n", "\r\n").encode(), "TSV"),
        ("t.txt", PLAIN.replace(",", "\t").encode("utf-16"), "TSV"),
        ("t.txt", PLAIN.replace(",", "\t").encode("utf-16-le"), "TSV"),
        ("t.csv", PLAIN.replace(";", ", ").replace("image,", "image;").replace("jpg,", "jpg;"), "by semicolons"),
        ("t.csv", lines('a.jpg,"cat, dog"', "b.jpg,dog", "c.jpg,cat", "d.jpg,"), "separated by commas"),
        ("t.csv", lines("a.jpg,cat dog", "b.jpg,dog", "c.jpg,cat", "d.jpg,"), "separated by blanks"),
        ("t.csv", lines("a.jpg,cat|dog", "b.jpg,dog", "c.jpg,cat", "d.jpg,"), "separated by vertical bars"),
        ("t.csv", lines("a.jpg,\"['cat', 'dog']\"", "b.jpg,['dog']", "c.jpg,[cat]", "d.jpg,[]"), "as lists"),
        ("t.csv", lines("a.jpg,['cat' 'dog']", "b.jpg,['dog']", "c.jpg,\"('cat',)\"", "d.jpg,nan"), "as lists"),
        ("t.csv", lines("a.jpg,cat", "a.jpg,dog", "b.jpg,dog", "c.jpg,cat", "d.jpg,None"), "one in a cell"),
        ("t.csv", lines("a.jpg,cat;dog;", "b.jpg, dog", "c.jpg,cat ", "d.jpg,-", "", ",", ""), "semicolons"),
        ("t.csv", lines("0,a.jpg,cat;dog", "1,b.jpg,dog", "2,c.jpg,cat", "3,d.jpg,", header=",image,labels"), "CSV"),
        ("t.csv", lines("a.jpg,1, 1", "b.jpg,0, 1", "c.jpg,1, 0", "d.jpg,0, 0", header="filename, cat, dog"), "of 2"),
        ("t.csv", lines("a,1,1", "b,-1,1", "c,1,-1", "d,-1,-1", header="id,cat,dog"), "each of 2 labels"),
        ("t.csv", lines("a.jpg,True,True,9", "b.jpg,False,True,7", "c.jpg,True,False,8", "d.jpg,False,,6",
                        header="Image Name,cat,dog,width"), "each of 2 labels"),
        ("t.csv", lines("a.jpg,cat,1", "a.jpg,dog,2", "b.jpg,dog,3", "c.jpg,cat,4", "d.jpg,,5",
                        header="filename,class,xmin"), "'class', one in a cell"),
        ("t.csv", '"sep=;"\r\n' + PLAIN.replace(",", "\t").replace(";", "|").replace("\t", ";"), "by semicolons"),
        ("t.csv", lines("a.jpg,cat,dog", "b.jpg,dog,", "c.jpg,cat,", "d.jpg,,", header="image,tag 1,tag 2"), "'tag 2'"),
        ("t.csv", lines("a.jpg,1,1", "b.jpg,0,1", "c.jpg,1,0", "d.jpg,0,0", header="image,cat,dog"), "each of 2"),
        ("t.json", json.dumps({"image": dict(enumerate(LABELS)), "tags": dict(enumerate(map(list, LABELS.values())))}),
         "as lists"),
        ("t.json", json.dumps({n: {"id": k, "tags": [*v] or math.nan} for n, (k, v) in enumerate(LABELS.items())}),
         "as lists"),
        ("t.json", json.dumps({k: {"cat": "cat" in v, "dog": "dog" in v} for k, v in LABELS.items()}), "as lists"),
        ("t.csv", lines("cat;dog,a.jpg", "dog,b.jpg", "cat,c.jpg", ",d.jpg", header="Tags,Photo"), "'Photo', labels"),
        ("t.csv", lines("b.jpg,dog", "c.jpg,cat", header="a.jpg,cat;dog") + "d.jpg,nan\n", "'image'"),
        ("t.jsonl", "".join(json.dumps({"id": k, "tag": sorted(v) or None}) + "\n" for k, v in LABELS.items()), "JSON"),
        ("t.json", json.dumps([{"image": k, "tags": ";".join(sorted(v))} for k, v in LABELS.items()]), "JSON"),
        ("t.json", "\ufeff" + json.dumps({"data": [{"id": k, "tags": dict.fromkeys(v, 1)} for k, v in LABELS.items()]}),
         "JSON"),
        ("t.json", json.dumps({k: sorted(v) for k, v in LABELS.items()}), "JSON"),
        ("t.json", json.dumps([{"image": k, "cat": "cat" in v, "dog": "dog" in v} for k, v in LABELS.items()]), "each"),
        ("t.json", "".join(json.dumps({"image": k, "labels": sorted(v)}) + "\n" for k, v in LABELS.items()), "JSON"),
    ],
)  # fmt: skip
def test_the_same_labels_in_every_form(folder: Path, name: str, text: str | bytes, kind: str) -> None:
    source = read(folder, name, text)
    assert labels_of(source) == LABELS
    assert source.labels == ("cat", "dog")
    assert kind in source.kind
    assert messages(source, "error") == []


@pytest.mark.parametrize(
    "written",
    [
        r"C:\Users\me\{}", r"sub\..\{}", "/home/somebody/{}", "./{}", "https://example.org/x/{}?size=2", "~/{}",
        "file:///data/{}", "/data/upload/1/5f2a8c1d-{}", "/data/local-files/?d=photos/{}", "photos/{}",
    ],
)  # fmt: skip
def test_images_named_on_another_machine_are_found(tmp_path: Path, written: str) -> None:
    for name in LABELS:
        (tmp_path / name).write_bytes(b"")
    rows = [f"{written.format(name)},{';'.join(sorted(labels))}" for name, labels in LABELS.items()]
    source = read(tmp_path, "t.csv", lines(*rows))
    assert labels_of(source) == LABELS
    if written != "./{}":  # which is the same path
        assert "4 images were found under another path or spelling" in messages(source, "warning")[0]


def test_spelling_and_suffix_of_file_names_may_differ(tmp_path: Path) -> None:
    for name in ("A.JPG", unicodedata.normalize("NFD", "é.jpg"), "c.png"):
        (tmp_path / name).write_bytes(b"")
    source = read(tmp_path, "t.csv", lines("a.jpg,cat", "é.jpg,dog", "c,cat"))
    assert {unicodedata.normalize("NFC", name) for name in labels_of(source)} == {"A.JPG", "é.jpg", "c.png"}


def test_an_image_is_not_taken_for_another_of_the_same_name(tmp_path: Path) -> None:
    for name in ("dogs/1.jpg", "birds/2.jpg", "cats/2.jpg"):
        write(tmp_path, name, b"")
    source = read(tmp_path, "t.csv", lines("dogs/1.jpg,dog", "cats/1.jpg,cat", r"x\cats\2.jpg,cat", "fish/2.jpg,fish"))
    assert {str(s.image.relative_to(tmp_path)) for split in source.samples.values() for s in split} == {
        "dogs/1.jpg",
        "cats/2.jpg",
    }
    assert "2 of 4 images are missing" in "".join(messages(source, "warning"))
    assert "fish/2.jpg (2 files fit, such as birds/2.jpg, cats/2.jpg; write the folder, too)" in "".join(
        messages(source, "warning")
    )


def test_missing_images_are_named_as_they_were_looked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", lines("x/1.jpg,cat", "2.jpg,cat", "3.jpg,dog", "4.jpg,dog"))
    with pytest.raises(
        DataError, match=r"4 of 4 images are missing .*/2\.jpg, .*/3\.jpg, .*/4\.jpg.*--images"
    ) as raised:
        load_split("table", path, "train")
    assert "1.jpg" not in str(raised.value)
    images = tmp_path / "elsewhere" / "deep"
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg"):
        write(images, name, b"")
    assert len(labels_of(read_source(path, Options(images=tmp_path / "elsewhere")))) == 4


@pytest.mark.parametrize(
    ("words", "flag"),
    [(("train", "valid"), "split"), (("Training", "VALIDATION"), "Set"), (("train", "dev"), "subset"),
     (("False", "True"), "is_valid"), (("0", "1"), "is_valid"), ((" train ", "eval"), "split")],
)  # fmt: skip
def test_words_for_splits(folder: Path, words: tuple[str, str], flag: str) -> None:
    rows = [f"a.jpg,cat;dog,{words[0]}", f"b.jpg,dog,{words[0]}", f"c.jpg,cat,{words[1]}"]
    source = read(folder, "t.csv", lines(*rows, header=f"image,labels,{flag}"))
    assert {name: len(samples) for name, samples in source.samples.items()} == {"train": 2, "val": 1}


def test_without_splits_some_images_of_every_label_are_held_out(tmp_path: Path) -> None:
    rows = []
    for number in range(60):
        write(tmp_path, f"{number}.jpg", b"")
        rows.append(f"{number}.jpg,{'rare;common' if number < 3 else 'common'}")
    source = read(tmp_path, "t.csv", lines(*rows))
    assert len(source.samples["val"]) == 12
    assert [sum("rare" in s.labels for s in source.samples[name]) for name in ("train", "val")] == [2, 1]
    assert "12 of 60 were held out as val" in messages(source, "note")[0]
    again = load_split("table", tmp_path / "t.csv", "val")  # by name, in another command
    assert again.samples == source.samples["val"]
    more = read_source(tmp_path / "t.csv", Options(val_fraction=0.5))
    assert len(more.samples["val"]) == 30


def test_no_label_loses_all_its_images_to_validation(tmp_path: Path) -> None:
    rows = []
    for number in range(40):
        write(tmp_path, f"{number}.jpg", b"")
        rows.append(f"{number}.jpg,only{number};all")
    samples = read(tmp_path, "t.csv", lines(*rows, "0.jpg,again", "1.jpg,again")).samples
    trained = {label for sample in samples["train"] for label in sample.labels}
    assert {label for sample in samples.get("val", ()) for label in sample.labels} <= trained


def test_a_table_without_train_rows_is_one_to_evaluate_on(folder: Path) -> None:
    source = read(folder, "evaluate.csv", "image,labels,split\na.jpg,cat,test\ne.jpg,cat;yak,val\n")
    assert source.labels == ("cat", "yak")
    assert set(source.samples) == {"val", "test"}
    assert [found.message for found in source.findings if "in no row" not in found.message] == []


def test_an_image_in_two_splits_is_a_leak(folder: Path) -> None:
    path = write(folder, "t.csv", CSV + "a.jpg,cat;dog,val\n")
    source = read_source(path, Options())
    assert "1 images are in train and in val" in messages(source, "error")[0]
    assert "(a.jpg)" in messages(source, "error")[0]
    with pytest.raises(DataError, match="are in train and in val"):
        load_split("table", path, "train")


def test_labels_of_one_spelling_with_what_was_written(folder: Path) -> None:
    rows = ("a.jpg,Cat;cafe\u0301", "b.jpg,cat ;café", "c.jpg,cat;hot  dog", "d.jpg,hot dog")
    source = read(folder, "t.csv", lines(*rows))
    assert source.labels == ("café", "cat", "hot dog")
    assert "labels that differ by case or blanks are now 'cat': 'cat' (2), 'Cat' (1)" in messages(source, "warning")


def test_several_words_may_be_one_label_or_several(folder: Path) -> None:
    one = read(folder, "t.csv", lines("a.jpg,hot dog", "b.jpg,hot dog", "c.jpg,pizza", "d.jpg,fire hydrant"))
    assert one.labels == ("fire hydrant", "hot dog", "pizza")
    unclear = lines("a.jpg,traffic light", "b.jpg,traffic sign", "c.jpg,stop sign", "d.jpg,pizza")
    with pytest.raises(DataError, match="is 'traffic light' one label or several"):
        read(folder, "t.csv", unclear)
    assert len(read(folder, "t.csv", unclear, separator=" ").labels) == 5
    assert len(read(folder, "t.csv", unclear, separator=";").labels) == 4


def test_columns_can_be_named(folder: Path) -> None:
    text = lines("a.jpg,cat,x,dev", "b.jpg,dog,y,train", "c.jpg,cat,x,train", header="picture file,beast,label,part")
    source = read(folder, "t.csv", text, image_column="picture file", label_column="beast", split_column="part")
    assert labels_of(source) == {"a.jpg": {"cat"}, "b.jpg": {"dog"}, "c.jpg": {"cat"}}
    assert set(source.samples) == {"train", "val"}
    with pytest.raises(DataError, match=r"no column 'animal' for --label-column; it has beast, label"):
        read(folder, "t.csv", text, label_column="animal")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "is empty|no column of images"),
        ("a.csv", "one,two\n1,2\n", "no column of images was found in the first line"),
        ("a.csv", "image,x,y\na.jpg,3,4\n", "give --label-column NAME"),
        ("a.csv", "image,label,class\na.jpg,3,4\n", "in the column 'label' or 'class'; give --label-column"),
        ("a.csv", "image,labels,labels\na.jpg,3,4\n", "names the column 'labels' twice"),
        ("a.csv", "image,labels\na.jpg\n", "line 2: 1 cells, but the first line names 2 columns; 'labels' is missing"),
        ("a.csv", "image,labels\n,cat\n", "line 2: the column 'image' names no image"),
        ("a.csv", "image,labels\na.jpg,cat,dog\n", "line 2: 3 cells, but the first line names 2 columns. Put"),
        ("a.csv", "image,labels,split\na.jpg,cat,dog,train\n", "line 2: 4 cells"),
        ("a.csv", "image,labels,split\na.jpg,cat,dog\n", r"'dog' in the column 'split' is no split \(1 rows: line 2\)"),
        ("a.csv", "image,labels,split\na.jpg,cat,train\nb.jpg,cat,\n", "'' in the column 'split' is no split"),
        (
            "a.csv",
            'image,labels\na.jpg,cat;dog\nb.jpg,"cat, dog"\n',
            r"by semicolons in some .* by commas .*line 3",
        ),
        ("a.csv", "image,cat,dog\n" + "a.jpg,1,0\n" * 20 + "b.jpg,2,0\n", "line 22: '2' in the column 'cat'; 0 or 1"),
        ("a.csv", b"PK\x03\x04 something", "is no Excel workbook that can be read"),
        ("a.csv", b"\x00\x01\x02 something", "is no text"),
        ("a.jsonl", '{"image": "a.jpg", "labels": ["x"]}\nnonsense\n', "line 2: expected an object"),
        ("a.jsonl", '{"image": "a.jpg", "labels": [1]}\n', "line 1: 1 is no label; write labels by their names"),
        ("a.jsonl", '{"image": "a.jpg", "labels": ["x"], "split": 0}\n', "'0' in the column 'split' is no split"),
        ("a.json", '{"a": 1}', "no list of objects with image and labels"),
        ("a.json", '[{"image": "a.jpg", "labels": ["x"]}, 3]', "entry 2: expected an object"),
        ("a.json", "{", "is no JSON"),
        ("a.csv", "image,labels\na.jpg,\n", "no image has a label"),
        ("a.csv", "image,labels,split\na.jpg,,train\ne.jpg,cat,val\n", "no image of train has a label"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(name: str, text: str | bytes, message: str, folder: Path) -> None:
    with pytest.raises(DataError, match=message):
        load_split("table", write(folder, name, text), "train")


def test_two_names_for_one_file_are_not_joined(tmp_path: Path) -> None:
    write(tmp_path, "here/1.jpg", b"")
    write(tmp_path, "2.jpg", b"")
    source = read(tmp_path, "t.csv", lines("cats/1.jpg,cat", "dogs/1.jpg,dog", "2.jpg,cat"))
    assert labels_of(source) == {"2.jpg": {"cat"}}
    assert "2 of 3 images are missing" in messages(source, "warning")[0]


def test_the_column_whose_values_are_images_is_taken(folder: Path) -> None:
    source = read(folder, "t.csv", lines("7,a.jpg,cat", "8,b.jpg,dog", header="image,id,labels"))
    assert labels_of(source) == {"a.jpg": {"cat"}, "b.jpg": {"dog"}}


def test_blanks_between_delimiter_and_quotes(folder: Path) -> None:
    source = read(folder, "t.csv", lines('a.jpg, "cat, dog"', 'b.jpg, "dog"'))
    assert labels_of(source) == {"a.jpg": {"cat", "dog"}, "b.jpg": {"dog"}}


def test_words_that_mostly_stand_alone_are_labels(folder: Path) -> None:
    source = read(folder, "t.csv", lines("a.jpg,cat dog", "b.jpg,cow hen", "c.jpg,cat", "d.jpg,dog"))
    assert source.labels == ("cat", "cow", "dog", "hen")


def test_one_hot_columns_whose_names_say_label(folder: Path) -> None:
    text = lines("a.jpg,1,1,640", "b.jpg,0,1,640", header="image,label_cat,label_dog,width")
    assert read(folder, "t.csv", text).labels == ("label_cat", "label_dog")


def test_objects_without_labels_are_counted(folder: Path) -> None:
    rows = [{"image": "a.jpg", "labels": ["cat"]}, {"image": "b.jpg", "lables": ["dog"]}]
    source = read(folder, "t.json", json.dumps(rows))
    assert "1 objects of t.json have no 'labels'; taken for no labels (entry 2)" in messages(source, "warning")


def test_labels_that_are_numbers_are_pointed_out(folder: Path) -> None:
    source = read(folder, "t.csv", lines("a.jpg,3;7", "b.jpg,7"))
    assert "all labels are numbers; if they stand for names, give --label-names FILE" in messages(source, "warning")


def test_splits_can_be_the_names_of_folders(tmp_path: Path) -> None:
    for name in ("train/1.jpg", "train/2.jpg", "valid/3.jpg"):
        write(tmp_path, name, b"")
    source = read(tmp_path, "t.csv", lines("train/1.jpg,cat", "train/2.jpg,dog", r"valid\3.jpg,dog"))
    assert {name: len(samples) for name, samples in source.samples.items()} == {"train": 2, "val": 1}


def test_text_of_windows_is_read_with_a_warning(folder: Path) -> None:
    source = read(folder, "t.csv", lines("a.jpg,chaton né", "b.jpg,dog").encode("cp1252"))
    assert "chaton né" in source.labels
    assert "t.csv is not UTF-8; it was read as cp1252, of Windows, with such words as né" in "".join(
        messages(source, "warning")
    )


def test_labels_that_look_like_several_are_pointed_out(folder: Path) -> None:
    source = read(
        folder, "t.jsonl", '{"image": "a.jpg", "labels": ["cat;dog"]}\n{"image": "b.jpg", "labels": ["dog"]}\n'
    )
    assert "the label 'cat;dog' looks like several" in messages(source, "warning")[0]


def test_several_files_of_one_data_set(folder: Path) -> None:
    for name in ("train", "valid"):
        (folder / name).mkdir()
    write(folder, "train/1.jpg", b"")
    write(folder, "valid/1.jpg", b"")
    write(folder, "train/_classes.csv", "filename, cat, dog\n1.jpg, 1, 0\n")
    write(folder, "valid/_classes.csv", "filename, cat, dog\n1.jpg, 0, 1\n")
    for name in folder.glob("*.jpg"):
        name.unlink()
    source = read_source(folder, Options())
    assert [(s.image.parent.name, s.labels) for split in source.samples.values() for s in split] == [
        ("train", ("cat",)),
        ("valid", ("dog",)),
    ]
    write(folder, "train.csv", "image,labels\ntrain/1.jpg,cat\n")
    write(folder, "val.csv", "image,labels\nvalid/1.jpg,dog\n")
    assert {name: len(samples) for name, samples in read_source(folder, Options()).samples.items()} == {
        "train": 1,
        "val": 1,
    }
    write(folder, "other.tsv", "image\tlabels\ntrain/1.jpg\tcat\n")
    write(folder, "another.tsv", "image\tlabels\ntrain/1.jpg\tcat\n")
    (folder / "train.csv").unlink(), (folder / "val.csv").unlink()
    with pytest.raises(DataError, match=r"holds several files: another\.tsv, other\.tsv; give one"):
        read_source(folder, Options())


def test_a_folder_per_label(tmp_path: Path) -> None:
    for name in ("cats/1.jpg", "cats/._1.jpg", "dogs/2.PNG", "dogs/deep/3.jpg", "__MACOSX/cats/1.jpg"):
        write(tmp_path, name, b"")
    source = read_source(tmp_path, Options())
    assert labels_of(source) == {"1.jpg": {"cats"}, "2.PNG": {"dogs"}, "3.jpg": {"dogs"}}
    for name in ("all/train/cats/1.jpg", "all/valid/dogs/2.jpg", "all/train/dogs/3.jpg"):
        write(tmp_path, name, b"")
    source = read_source(tmp_path / "all", Options())
    assert {name: [s.labels for s in samples] for name, samples in source.samples.items()} == {
        "train": [("cats",), ("dogs",)],
        "val": [("dogs",)],
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "holds no annotations"),
        (lambda folder: write(folder, "images/1.jpg", b""), "holds no annotations"),
    ],
)
def test_a_folder_without_annotations(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match=message):
        read_source(tmp_path, Options())
    with pytest.raises(DataError, match="is not there; give the file"):
        read_source(tmp_path / "gone.csv", Options())


def test_a_part_is_held_out_and_always_the_same(scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "train")
    rest, held = split.hold_out(0.25)
    assert 0.15 < len(held.samples) / len(split.samples) < 0.35
    assert {*rest.samples, *held.samples} == set(split.samples)
    assert not {*rest.samples} & {*held.samples}
    assert split.hold_out(0.25)[1].samples == held.samples
    with pytest.raises(DataError, match="leaves nothing"):
        split.hold_out(1e-9)


def test_a_part_with_names_that_are_not_unicode_is_held_out() -> None:
    samples = [Sample(Path(os.fsdecode(b"\xe9%d.jpg" % number)), ("cat",)) for number in range(8)]
    rest, held = hold_out(samples, 0.25)
    assert (len(rest), len(held)) == (6, 2)


def test_groups_of_the_labels_come_from_a_file(folder: Path) -> None:
    path = write(folder, "mine.csv", CSV)
    groups = write(folder, "groups.csv", "label,group\ndog, pets \ncat,pets\nyak,wild\nelk,wild\n")
    assert load_split("table", path, "train", Options(groups=groups)).groups == {
        "cat": "pets",
        "dog": "pets",
        "yak": "wild",
    }
    assert load_split("table", path, "train").groups is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,group\ncat,pets\n", "no group for 2 labels; add dog, yak"),
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


def test_boxes_of_images_that_are_elsewhere_are_found_there(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    path = write(elsewhere, "mine.csv", CSV)
    boxes = write(elsewhere, "boxes.json", instances(["sub/b.jpg", "a.jpg"]))
    split = load_split("table", path, "train", Options(images=folder, boxes=boxes))
    assert [sample.image.name for sample in split.samples] == ["a.jpg", "b.jpg"]
    boxes = write(elsewhere, "boxes.json", instances(["x.jpg"]))
    with pytest.raises(DataError, match=f"must be relative to {re.escape(str(folder))}$"):
        load_split("table", path, "train", Options(images=folder, boxes=boxes))


def test_boxes_of_no_image_of_the_table_are_refused(folder: Path) -> None:
    path = write(folder, "mine.csv", CSV)
    with pytest.raises(DataError, match="file_name must be relative to"):
        load_split("table", path, "train", Options(boxes=write(folder, "boxes.json", instances(["images/x.jpg"]))))
    with pytest.raises(DataError, match=r"none\.json is not there; check the path"):
        load_split("table", path, "train", Options(boxes=folder / "none.json"))
    with pytest.raises(DataError, match="can't be read: Is a directory"):
        load_split("table", path, "train", Options(boxes=folder))
    with pytest.raises(DataError, match="no instance annotation"):
        load_split("table", path, "train", Options(boxes=write(folder, "odd.json", '{"images": []}')))
    with pytest.raises(DataError, match="are for the data set 'table'"):
        load_split("scenes", folder, "train", Options(boxes=folder / "boxes.json"))


def test_one_label_of_all_images_is_pointed_out(folder: Path) -> None:
    rows = [f"{name}.jpg,animal,{name}" for name in "abc"]
    source = read(folder, "t.csv", lines(*rows, header="image,category,subcategory"))
    assert "every image has the label 'animal' and no other, so that there is nothing to learn" in "".join(
        messages(source, "note")
    )


def test_options_that_are_empty_or_no_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,labels\n1.jpg,cat\n")
    with pytest.raises(DataError, match="--separator is empty; give the sign"):
        read_source(tmp_path / "t.csv", Options(separator=""))
    for place in (tmp_path / "nothere", tmp_path / "t.csv"):
        with pytest.raises(DataError, match=f"{place} is no folder; give the folder of the images as --images"):
            read_source(tmp_path / "t.csv", Options(images=place))
