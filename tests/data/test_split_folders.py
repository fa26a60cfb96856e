"""Splits in folders of their own, whose images may have the same names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from source_helpers import folder_with, messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source


def images(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def coco(file: Path, **labels: str) -> None:
    """Images a.jpg, b.jpg … with one label each, which is cat or dog."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "images": [{"id": number, "file_name": f"{name}.jpg"} for number, name in enumerate(labels)],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
        "annotations": [
            {"image_id": number, "category_id": int(label == "dog"), "bbox": [number, 0, 1, 1]}
            for number, label in enumerate(labels.values())
        ],
    }
    file.write_text(json.dumps(content))


def table(file: Path, *rows: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(("file_name,label", *rows, "")))


def found(folder: Path, source: Source) -> dict[str, dict[str, str]]:
    """Split -> image below the folder -> its label."""
    return {
        name: {sample.image.resolve().relative_to(folder).as_posix(): sample.labels[0] for sample in samples}
        for name, samples in source.samples.items()
    }


TRAIN, TEST = {"a": "cat", "b": "dog", "c": "cat", "d": "dog"}, {"a": "dog", "b": "cat"}
EXPECTED = {
    "train": {"train/a.jpg": "cat", "train/b.jpg": "dog", "train/c.jpg": "cat", "train/d.jpg": "dog"},
    "test": {"test/a.jpg": "dog", "test/b.jpg": "cat"},
}


def beside(root: Path) -> None:
    for split, labels in (("train", TRAIN), ("test", TEST)):
        images(root / split, *(f"{name}.jpg" for name in labels))
        coco(root / split / "_annotations.coco.json", **labels)


def below_images(root: Path) -> None:
    for split, labels in (("train", TRAIN), ("test", TEST)):
        images(root / split, *(f"{name}.jpg" for name in labels))
        coco(root / "annotations" / f"{split}.json", **labels)


def tables(root: Path) -> None:
    for split, labels in (("train", TRAIN), ("test", TEST)):
        images(root / split, *(f"{name}.jpg" for name in labels))
        table(root / split / "metadata.csv", *(f"{name}.jpg,{label}" for name, label in labels.items()))


def tables_above(root: Path) -> None:
    for split, labels in (("train", TRAIN), ("test", TEST)):
        images(root / split, *(f"{name}.jpg" for name in labels))
        table(root / f"{split}.csv", *(f"{name}.jpg,{label}" for name, label in labels.items()))


def one_table(root: Path) -> None:
    rows = []
    for split, labels in (("train", TRAIN), ("test", TEST)):
        images(root / split, *(f"{name}.jpg" for name in labels))
        rows += [f"{name}.jpg,{label},{split}" for name, label in labels.items()]
    (root / "labels.csv").write_text("\n".join(("image,label,split", *rows, "")))


def addresses(root: Path) -> None:
    tables(root)
    for file in root.glob("*/metadata.csv"):
        file.write_text(file.read_text().replace("\n", "\nhttps://example.org/").removesuffix("https://example.org/"))


@pytest.mark.parametrize("write", [beside, below_images, tables, tables_above, one_table, addresses])
@pytest.mark.parametrize("relative", [True, False])
def test_images_with_the_same_name_are_those_of_their_own_split(
    write: object, relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "set")  # type: ignore[operator]
    monkeypatch.chdir(tmp_path)
    source = read_source(Path("set") if relative else tmp_path / "set", Options(val_fraction=0.25))
    got = found(tmp_path / "set", source)
    assert {**got["train"], **got["val"]} == EXPECTED["train"]
    assert got["test"] == EXPECTED["test"]
    assert not source.errors
    if write in (beside, below_images, tables):
        assert not [finding for finding in source.findings if "another path" in finding.message]
    if write in (beside, below_images):  # each image has its own boxes
        assert source.boxes is not None
        for samples in source.samples.values():
            for sample in samples:
                assert list(source.boxes(sample)) == list(sample.labels)


@pytest.mark.parametrize("write", [beside, below_images, tables])
@pytest.mark.parametrize("relative", [True, False])
def test_an_image_that_is_missing_is_not_taken_from_another_split(
    write: object, relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)  # type: ignore[operator]
    os.rename(tmp_path / "train" / "c.jpg", tmp_path / "test" / "c.jpg")  # which test doesn't list
    os.remove(tmp_path / "train" / "b.jpg")  # which test has, too
    monkeypatch.chdir(tmp_path.parent)
    source = read_source(Path(tmp_path.name) if relative else tmp_path, Options(val_fraction=0.25))
    got = found(tmp_path, source)
    assert {**got["train"], **got.get("val", {})} == {"train/a.jpg": "cat", "train/d.jpg": "dog"}
    assert got["test"] == EXPECTED["test"]
    missing = [finding.message for finding in source.findings if "2 of 6 images are missing" in finding.message]
    assert len(missing) == 1
    assert f"looked for {Path(tmp_path.name) if relative else tmp_path}{os.sep}train{os.sep}b.jpg" in missing[0]


def test_images_below_images_are_found_for_each_split(tmp_path: Path) -> None:
    for split, labels in (("train", TRAIN), ("test", TEST)):
        images(tmp_path / split / "images", *(f"{name}.jpg" for name in labels))
        table(tmp_path / split / "labels.csv", *(f"{name}.jpg,{label}" for name, label in labels.items()))
    got = found(tmp_path, read_source(tmp_path, Options(val_fraction=0.25)))
    inside = {name.replace("/", "/images/"): label for name, label in EXPECTED["train"].items()}
    assert {**got["train"], **got["val"]} == inside
    assert list(got["test"]) == ["test/images/a.jpg", "test/images/b.jpg"]


def test_a_validation_table_may_name_images_in_the_folder_of_train(tmp_path: Path) -> None:
    """Its images were chosen from that folder, and there is none for val."""
    images(tmp_path / "train", "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "labels.csv").write_text("image,label,split\na.jpg,cat,train\nb.jpg,dog,train\nc.jpg,cat,val\n")
    got = found(tmp_path, read_source(tmp_path, Options()))
    assert got["val"] == {"train/c.jpg": "cat"}


def test_coco_beside_another_table_is_refused(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    coco(tmp_path / "train.json", a="cat")
    table(tmp_path / "val.csv", "b.jpg,dog")
    with pytest.raises(DataError, match=r"COCO JSON \(train.json\) and other annotations \(val.csv\)"):
        read_source(tmp_path, Options())


def test_one_image_is_held_out_where_each_label_has_few(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(12)]
    images(tmp_path, *names)
    table(tmp_path / "t.csv", *(f"{name},l{number // 2}" for number, name in enumerate(names)))
    samples = read_source(tmp_path / "t.csv", Options()).samples
    assert (len(samples["train"]), len(samples["val"])) == (11, 1)
    assert {label for sample in samples["train"] for label in sample.labels} == {f"l{n}" for n in range(6)}
    table(tmp_path / "t.csv", *(f"{name},l{number}" for number, name in enumerate(names)))
    (error,) = read_source(tmp_path / "t.csv", Options()).errors
    assert error.startswith("no image is in a split for validation, and none can be held out")


ROWS = {"1.jpg": "train", "2.jpg": "train", "3.jpg": "val", "4.jpg": "test"}


def splits_of(source: Source) -> dict[str, str]:
    return {sample.image.name: name for name, samples in source.samples.items() for sample in samples}


@pytest.mark.parametrize("named", ["{}", "{}2017", "{}_images", "images/{}", "my_{}/images", "{}-set-01", "{}Images"])
@pytest.mark.parametrize("written", [True, False])
def test_folders_called_like_splits_tell_them(tmp_path: Path, named: str, written: bool) -> None:
    """Whether the table writes these folders, or only names the images that lie in them."""
    places = {image: f"{named.format(split)}/{image}" for image, split in ROWS.items()}
    images(tmp_path, *places.values())
    table(tmp_path / "a.csv", *(f"{places[image] if written else image},cat" for image in ROWS))
    source = read_source(tmp_path, Options())
    assert splits_of(source) == ROWS
    assert "the splits are the names of the images' folders" in messages(source)


def test_folders_of_coco_tell_the_splits(tmp_path: Path) -> None:
    images(tmp_path, "train2017/a.jpg", "train2017/b.jpg", "val2017/c.jpg", "test2017/d.jpg")
    coco(tmp_path / "all.json", a="cat", b="dog", c="cat", d="dog")
    assert splits_of(read_source(tmp_path, Options())) == {
        "a.jpg": "train", "b.jpg": "train", "c.jpg": "val", "d.jpg": "test"
    }  # fmt: skip


def test_images_outside_of_the_splits_folders_are_pointed_out(tmp_path: Path) -> None:
    places = ("train/1.jpg", "train/2.jpg", "test/3.jpg", "more/4.jpg")
    images(tmp_path, *places)
    table(tmp_path / "a.csv", *(f"{place},cat" for place in places))
    source = read_source(tmp_path, Options())
    assert set(splits_of(source).values()) == {"train", "val"}
    assert "1 images lie in no folder called like a split, as those of others do (more/4.jpg)" in messages(source)


def test_folders_that_are_no_splits(tmp_path: Path) -> None:
    places = ("train_station/1.jpg", "train_station/2.jpg", "bus/3.jpg", "valley/4.jpg")
    images(tmp_path, *places)
    table(tmp_path / "a.csv", *(f"{place},cat" for place in places))
    source = read_source(tmp_path, Options())
    assert "split" not in messages(source).replace("no image is in a split for validation", "")


def test_the_splits_of_cocos_images(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    coco(tmp_path / "all.json", a="cat", b="dog", c="cat")
    content = json.loads((tmp_path / "all.json").read_text())
    for image, split in zip(content["images"], ("train", "training", "test"), strict=True):
        image["split"] = split
    (tmp_path / "all.json").write_text(json.dumps(content))
    assert {s.image.name for s in read_source(tmp_path, Options()).samples["test"]} == {"c.jpg"}
    content["images"][0]["split"] = "restval"
    (tmp_path / "all.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"all\.json: 'restval' in 'split' of image 0 is no split"):
        read_source(tmp_path, Options())
    for image in content["images"]:
        image["split"] = "summer"
    (tmp_path / "all.json").write_text(json.dumps(content))
    assert "test" not in read_source(tmp_path, Options()).samples


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_split_without_any_label_is_pointed_out(tmp_path: Path, name: str) -> None:
    images(tmp_path, *(f"{number}.jpg" for number in range(8)))
    rows = [f"{number}.jpg,cat,train" for number in range(5)]
    (tmp_path / "a.csv").write_text("\n".join(("image,label,split", *rows, f"6.jpg,,{name}", f"7.jpg,,{name}", "")))
    message = f"no image of {name} has a label, so that figures on it would be wrong"
    assert message in messages(read_source(tmp_path, Options()))
    (tmp_path / "a.csv").write_text("\n".join(("image,label,split", *rows, f"6.jpg,,{name}", f"7.jpg,cat,{name}", "")))
    assert message not in messages(read_source(tmp_path, Options()))


def test_a_few_images_without_labels_may_be_held_out(tmp_path: Path) -> None:
    images(tmp_path, *(f"{number}.jpg" for number in range(8)))
    for labelled in range(1, 8):
        rows = (f"{number}.jpg,{'cat' if number < labelled else ''}" for number in range(8))
        table(tmp_path / "a.csv", *rows)
        assert "no image of val" not in messages(read_source(tmp_path, Options()))


EMPTY = {"jsonl": ["", "\n", "{}", '{"file_name": "1.j'], "csv": ["", "file_name,labels\n", "file_name,la"]}


@pytest.mark.parametrize(("suffix", "content"), [(suffix, text) for suffix, texts in EMPTY.items() for text in texts])
def test_a_faulty_table_of_one_split_is_refused(tmp_path: Path, suffix: str, content: str) -> None:
    """Otherwise the images of test would be trained on."""
    good = {"jsonl": '{"file_name": "1.jpg", "labels": ["cat"]}\n', "csv": "file_name,labels\n1.jpg,cat\n"}[suffix]
    for faulty, other in (("train", "test"), ("val", "train")):
        files = {f"{faulty}/metadata.{suffix}": content, f"{other}/metadata.{suffix}": good}
        images = [f"{split}/{n}.jpg" for split in (faulty, other) for n in (1, 2)]
        folder = folder_with(tmp_path / faulty, files, images)
        with pytest.raises(
            DataError, match=rf"{faulty}/metadata.{suffix}.* \(other splits have a metadata.{suffix}, too"
        ):
            read_source(folder, Options())


def test_the_only_table_in_a_folder_of_a_split_is_of_this_split(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"test/labels.csv": "image,labels\n1.jpg,cat\n"}, ["train/1.jpg", "test/1.jpg"])
    source = read_source(folder, Options())
    assert {name: [str(s.image.relative_to(folder)) for s in found] for name, found in source.samples.items()} == (
        {"test": ["test/1.jpg"]}
    )


def test_images_that_all_lie_in_test_are_pointed_out(tmp_path: Path) -> None:
    table = "image,labels\n" + "".join(f"test/{n}.jpg,{'cat' if n % 2 else 'dog'}\n" for n in range(8))
    folder = folder_with(tmp_path, {"labels.csv": table}, [f"test/{n}.jpg" for n in range(8)])
    assert "all images lie in folders called like test, but were taken for train" in messages(
        read_source(folder, Options())
    )
