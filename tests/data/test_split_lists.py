"""Lists of the images of each split that lie beside the labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import source_helpers
from source_helpers import messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

SPLITS = {"1.jpg": "train", "2.jpg": "train", "3.jpg": "val", "4.jpg": "test"}
TABLE = "image,labels\n1.jpg,cat;dog\n2.jpg,dog\n3.jpg,cat\n4.jpg,dog\n"
COCO = {
    "images": [{"id": n, "file_name": name} for n, name in enumerate(SPLITS)],
    "annotations": [{"image_id": n, "category_id": 1} for n in range(4)],
    "categories": [{"id": 1, "name": "cat"}],
}
BY_SPLIT = {split: [name for name, own in SPLITS.items() if own == split] for split in ("train", "val", "test")}


def folder_with(folder: Path, files: dict[str, Any], images: Any = SPLITS) -> Path:
    return source_helpers.folder_with(folder, files, images)


def splits_of(source: Source) -> dict[str, str]:
    return {sample.image.name: name for name, samples in source.samples.items() for sample in samples}


def lists(name: str = "{}.txt", line: str = "{}") -> dict[str, str]:
    return {
        name.format(split): "".join(line.format(image) + "\n" for image in images) for split, images in BY_SPLIT.items()
    }


NUMBERS = {"train": 0, "val": 1, "test": 2}
NUMBERED = "".join(f"{image} {NUMBERS[split]}\n" for image, split in SPLITS.items())
PAIRS = "".join(f"{image}    {split}\n" for image, split in SPLITS.items())
TABLE_OF_SPLITS = "image,split\n" + "".join(f"{image},{split}\n" for image, split in SPLITS.items())


@pytest.mark.parametrize(
    "files",
    [
        lists(),
        lists("{}_list.txt"),
        lists("{}list01.txt"),
        lists("splits/{}.txt"),
        lists("ImageSets/Main/{}.txt"),
        lists("meta/{}.lst"),
        lists("{}/list.txt"),
        lists("{}/images.txt"),
        {"splits.txt": "".join(f"{image} {split}\n" for image, split in SPLITS.items())},
        lists(line="./images/{}"),
        lists(line="C:\\photos\\{}"),
        lists(line='"{}"'),
        lists(line="{} 3"),
        lists(line="images/{} 0 5"),
        {name: text.replace(".jpg", "") for name, text in lists().items()},
        {name.replace(".txt", ".csv"): "image\n" + text for name, text in lists().items()},
        {name.replace(".txt", ".csv"): text for name, text in lists().items()},
        {f"{split}.json": images for split, images in BY_SPLIT.items()},
        {f"meta/{split}.json": {"cat": images} for split, images in BY_SPLIT.items()},
        {"split.json": BY_SPLIT},
        {"split.json": SPLITS},
        {"meta/splits.json": BY_SPLIT},
        {"split.csv": TABLE_OF_SPLITS},
        {"meta/train_test_split.csv": TABLE_OF_SPLITS},
        {"meta/trainTestSplit.csv": TABLE_OF_SPLITS},
        {"partition.csv": TABLE_OF_SPLITS.replace("image,split", "file_name,partition")},
        {**lists(), **lists("meta/{}.txt")},
        {"list_eval_partition.txt": NUMBERED},  # CelebA's, and as Kaggle has it
        {"list_eval_partition.txt": f"4\nimage_name  evaluation_status\n{PAIRS}"},  # DeepFashion's
        {"list_eval_partition.csv": "image_id,partition\n" + NUMBERED.replace(" ", ",")},
    ],
    ids=str,
)
@pytest.mark.parametrize("labels", [{"labels.csv": TABLE}, {"all.json": COCO}])
def test_lists_are_read(tmp_path: Path, files: dict[str, Any], labels: dict[str, Any]) -> None:
    source = read_source(folder_with(tmp_path, files | labels), Options())
    assert splits_of(source) == SPLITS
    assert "the splits were read from" in messages(source)
    assert "passed over" not in messages(source)
    assert not source.errors


def test_lists_beside_folders_of_labels(tmp_path: Path) -> None:
    images = ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg")
    files = {"train.txt": "a/1\nb/1\nb/2\n", "test.txt": "a/2\nb/3\n"}
    source = read_source(folder_with(tmp_path, files, [f"images/{name}" for name in images]), Options())
    assert {s.image.relative_to(tmp_path).as_posix() for s in source.samples["test"]} == {
        "images/a/2.jpg", "images/b/3.jpg"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["test.txt", "test_list.txt", "testing_files.csv"])
def test_a_list_of_test_leaves_the_others_to_train(tmp_path: Path, name: str) -> None:
    source = read_source(folder_with(tmp_path, {"labels.csv": TABLE, name: "4.jpg\n"}), Options())
    assert [sample.image.name for sample in source.samples["test"]] == ["4.jpg"]
    assert len(source.samples["train"]) + len(source.samples["val"]) == 3


def test_images_of_train_and_val_in_one_list(tmp_path: Path) -> None:
    files = {"labels.csv": TABLE, "train_val_list.txt": "1.jpg\n2.jpg\n3.jpg\n", "test_list.txt": "4.jpg\n"}
    source = read_source(folder_with(tmp_path, files), Options())
    assert splits_of(source)["4.jpg"] == "test"
    assert "the splits were read from test_list.txt, train_val_list.txt" in messages(source)


def test_images_in_no_list_are_left_out(tmp_path: Path) -> None:
    files = {"labels.csv": TABLE, "train.txt": "1.jpg\n2.jpg\n", "test.txt": "4.jpg\n"}
    source = read_source(folder_with(tmp_path, files), Options())
    assert "3.jpg" not in splits_of(source)
    assert "1 images are in none of these lists and were left out (3.jpg)" in messages(source)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"train.txt": "1.jpg\n2.jpg\n"}, "train.txt"),
        ({"train1.txt": "1.jpg\n2.jpg\n", "test1.txt": "3.jpg\n", "train2.txt": "1.jpg\n3.jpg\n"}, "train2.txt"),
        ({"train_test_split.txt": "1 0\n2 1\n"}, "train_test_split.txt"),
        ({"meta/partition.txt": "1.jpg 1\n2.jpg 2\n3.jpg 3\n"}, "meta/partition.txt"),
        ({"list_eval_partition.txt": "1.jpg 0\n2.jpg 1\n3.jpg 2\n4.jpg 2\n"}, "list_eval_partition.txt"),
        ({"folds.json": json.dumps({"a": ["1.jpg", "2.jpg"], "b": ["3.jpg", "4.jpg"]})}, "folds.json"),
        ({"setid_split.mat": "MATLAB 5.0"}, "setid_split.mat"),
        ({"split.csv": "image,split\n1.jpg,train\n2.jpg,other\n"}, "split.csv"),
    ],
)
def test_what_is_not_read_is_pointed_out(tmp_path: Path, files: dict[str, str], named: str) -> None:
    source = read_source(folder_with(tmp_path, files | {"labels.csv": TABLE}), Options())
    (warning,) = [str(found) for found in source.findings if "seem to tell splits" in str(found)]
    assert named in warning
    assert "write a column split" in warning


def test_an_image_in_two_lists_is_an_error(tmp_path: Path) -> None:
    files = {"labels.csv": TABLE, "train.txt": "1.jpg\n2.jpg\n3.jpg\n", "val.txt": "3.jpg\n4.jpg\n1.jpg\n"}
    source = read_source(folder_with(tmp_path, files), Options())
    assert [*source.errors] == ["2 images are in the lists train and val; leave each in one (3.jpg, 1.jpg)"]


def test_lists_that_tell_otherwise_are_pointed_out(tmp_path: Path) -> None:
    files = {"labels.csv": TABLE, **lists(), "meta/train.txt": "3.jpg\n", "meta/test.txt": "1.jpg\n"}
    source = read_source(folder_with(tmp_path, files), Options())
    assert splits_of(source) == SPLITS
    assert "not read, though they seem to tell splits: meta/test.txt, meta/train.txt" in messages(source)


@pytest.mark.parametrize(
    "files",
    [
        {"test.csv": "image\n9.jpg\n"},  # images to be labelled
        {"train_config.json": {"lr": 1}, "train_log.csv": "epoch,loss\n1,2\n", "training.txt": "we trained it\n"},
        {"val.txt": "cat\ndog\n", "test_notes.txt": "all of 1 and 2 were tested\n"},
        {"README_train.txt": "1.jpg\n"},
    ],
)
def test_other_files_are_no_lists(tmp_path: Path, files: dict[str, Any]) -> None:
    source = read_source(folder_with(tmp_path, files | {"labels.csv": TABLE}), Options())
    assert "test" not in source.samples
    assert "splits were read" not in messages(source)
    assert "seem to tell splits" not in messages(source)


def test_a_file_beside_a_table_may_have_rows_that_are_longer_than_its_first_one(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"labels.csv": TABLE, "names.txt": "n2,goldfish\nn1,tench, Tinca tinca\n"})
    assert "seem to tell splits" not in messages(read_source(folder / "labels.csv", Options()))


def test_a_table_with_splits_needs_no_lists(tmp_path: Path) -> None:
    rows = "".join(f"{image},cat,{split}\n" for image, split in SPLITS.items())
    files = {"labels.csv": f"image,labels,split\n{rows}", "test.txt": "1.jpg\n"}
    source = read_source(folder_with(tmp_path, files), Options())
    assert splits_of(source) == SPLITS


LABELS = {"1": {"cat"}, "2": {"dog"}, "3": {"cat", "dog"}, "4": {"dog"}}
NUMBERED_TABLE = "id,labels\n" + "".join(f"{n},{';'.join(sorted(labels))}\n" for n, labels in LABELS.items())


def paths_of(source: Source, folder: Path) -> dict[str, set[str]]:
    samples = [sample for split in source.samples.values() for sample in split]
    return {str(sample.image.relative_to(folder)): {*sample.labels} for sample in samples}


@pytest.mark.parametrize("others", [{}, {"test.csv": "id\n1\n2\n3\n"}, {"test.txt": "1.jpg\n2.jpg\n3.jpg\n"}])
@pytest.mark.parametrize("place", ["train", "train_images", "images/Train"])
def test_the_test_images_of_a_contest_may_have_the_names_of_its_train_images(
    tmp_path: Path, others: dict[str, str], place: str
) -> None:
    """Both are numbered from 1, and train.csv speaks of those in train/, also where one of them is missing."""
    folders = [place, "test"]
    images = [f"{folder}/{n}.jpg" for folder in folders for n in range(1, 6) if (folder, n) != (place, 2)]
    folder = folder_with(tmp_path, {"train.csv": NUMBERED_TABLE, **others}, images)
    expected = {f"{place}/{n}.jpg": labels for n, labels in LABELS.items() if n != "2"}
    for given in (folder, folder / "train.csv"):
        source = read_source(given, Options())
        assert paths_of(source, folder) == expected
        assert "test" not in source.samples
        assert "1 of 4 images are missing" in messages(source)
        assert "(1 of them are only in the folder of another split)" in messages(source)
        assert "seem to tell splits" not in messages(source)
        assert "give the folder to read them" not in messages(source)


def test_numbers_of_two_images_are_asked_about(tmp_path: Path) -> None:
    images = [f"{folder}/{n}.jpg" for folder in ("train", "test") for n in range(1, 5)]
    files = {"labels.csv": NUMBERED_TABLE, "test.csv": "id\n1\n2\n3\n"}
    with pytest.raises(
        DataError, match=r"test.csv lists images such as 1, which is in a folder of train and in one of"
    ):
        read_source(folder_with(tmp_path / "asked", files, images), Options())
    renamed = folder_with(
        tmp_path / "renamed", {"train.csv": files["labels.csv"], "test.csv": files["test.csv"]}, images
    )
    assert paths_of(read_source(renamed, Options()), renamed) == {f"train/{n}.jpg": own for n, own in LABELS.items()}
    lines = files["labels.csv"].split()
    with_split = "\n".join(
        f"{line},{split}" for line, split in zip(lines, ["split", *["test"] * 3, "train"], strict=True)
    )
    named = folder_with(tmp_path / "column", {"labels.csv": with_split, "test.csv": files["test.csv"]}, images)
    assert {*paths_of(read_source(named, Options()), named)} == {
        "test/1.jpg",
        "test/2.jpg",
        "test/3.jpg",
        "train/4.jpg",
    }


def test_a_test_list_of_images_that_lie_in_one_folder(tmp_path: Path) -> None:
    images = ["train/4.jpg", *(f"test/{n}.jpg" for n in range(1, 4))]
    folder = folder_with(tmp_path, {"labels.csv": NUMBERED_TABLE, "test.csv": "id\n1\n2\n3\n"}, images)
    assert {*paths_of(read_source(folder, Options()), folder)} == {*images}


def test_rows_of_a_split_are_looked_for_in_folders_of_another_if_its_own_has_none(tmp_path: Path) -> None:
    """People hold out a share of train/ by a column, and the images to be labeled are in test/."""
    rows = "".join(f"{n}.jpg,cat,{'test' if n == 4 else 'train'}\n" for n in range(1, 5))
    images = [*(f"train/{n}.jpg" for n in range(1, 5)), "test/9.jpg"]
    folder = folder_with(tmp_path, {"labels.csv": f"image,labels,split\n{rows}"}, images)
    source = read_source(folder, Options())
    assert [str(sample.image.relative_to(folder)) for sample in source.samples["test"]] == ["train/4.jpg"]
    assert "missing" not in messages(source)


def test_lists_beside_a_file_that_is_given(tmp_path: Path) -> None:
    """Its folder may hold more data sets, so that the lists are no part of what was given."""
    folder_with(tmp_path, {"labels.csv": TABLE, **lists()})
    source = read_source(tmp_path / "labels.csv", Options())
    assert "test" not in source.samples
    message = "the splits of test.txt, train.txt, val.txt were not read, since only labels.csv was given"
    assert message in messages(source)


def test_a_table_of_splits_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"split\.json names no images with labels"):
        read_source(folder_with(tmp_path, {"split.json": SPLITS}), Options())


@pytest.mark.parametrize("name", ["split.csv", "split.json"])
@pytest.mark.parametrize("word", ["train/val", "trainval", "train & val"])
def test_words_for_train_and_val(tmp_path: Path, name: str, word: str) -> None:
    """Also those with a slash, and where a file looks like one of labels."""
    split_of = {f"{label}/{n}.jpg": "test" if n == 2 else word for label in ("cat", "dog") for n in range(12)}
    table = "image,split\n" + "".join(f"{image},{split}\n" for image, split in split_of.items())
    for image in split_of:
        (tmp_path / image).parent.mkdir(exist_ok=True)
        (tmp_path / image).write_bytes(b"")
    (tmp_path / name).write_text(table if name == "split.csv" else json.dumps(split_of))
    source = read_source(tmp_path, Options())
    assert source.labels == ("cat", "dog")
    assert {split: len(samples) for split, samples in source.samples.items()} == {"train": 18, "val": 4, "test": 2}


@pytest.mark.parametrize(
    "table",
    [
        "image,is_test,is_val\n1.jpg,no,no\n2.jpg,no,no\n3.jpg,no,yes\n4.jpg,yes,no\n",
        "image,train,val,test\n1.jpg,1,0,0\n2.jpg,1,0,0\n3.jpg,0,1,0\n4.jpg,0,0,1\n",
    ],
)
@pytest.mark.parametrize("name", ["split.csv", "meta/splits.csv"])
def test_a_table_with_a_flag_for_each_split(tmp_path: Path, table: str, name: str) -> None:
    folder = folder_with(tmp_path, {"labels.csv": TABLE, name: table})
    assert splits_of(read_source(folder, Options())) == SPLITS
    told = messages(read_source(folder / "labels.csv", Options()))
    assert f"the splits of {name} were not read, since only labels.csv was given" in told
