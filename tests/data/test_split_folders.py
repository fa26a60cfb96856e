"""Splits in folders of their own, whose images may have the same names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

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
