"""A folder per label, below splits with many names, and beside folders of something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

PETS = ("cat/1.jpg", "dog/2.jpg")


def make(root: Path, *images: str) -> Path:
    for name in images:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def pets(*folders: str) -> list[str]:
    return [f"{folder}/{name}" for folder in folders for name in PETS]


def found_in(root: Path, source: Source) -> dict[str, dict[str, str]]:
    """The label of every image, by split; what was held out of train is counted to it."""
    held_out = any("split for validation" in str(finding) for finding in source.findings)
    found: dict[str, dict[str, str]] = {}
    for name, samples in source.samples.items():
        split = found.setdefault("train" if held_out and name == "val" else name, {})
        split |= {sample.image.relative_to(root).as_posix(): "+".join(sample.labels) for sample in samples}
    return found


def expected(**splits: str | list[str]) -> dict[str, dict[str, str]]:
    """The images of a folder with cat/1.jpg and dog/2.jpg for each split."""
    places = {split: [folders] if isinstance(folders, str) else folders for split, folders in splits.items()}
    return {
        split: {f"{folder}/{name}": name[:3] for folder in folders for name in PETS}
        for split, folders in places.items()
    }


def warnings(source: Source) -> list[str]:
    return [str(found) for found in source.findings if found.level == "warning" and "in several" not in str(found)]


@pytest.mark.parametrize(
    "splits",
    [
        {"train": "train", "val": "val", "test": "test"},
        {"train": "Training", "test": "Test"},
        {"train": "seg_train/seg_train", "test": "seg_test/seg_test"},
        {"train": "training_set/training_set", "test": "test_set/test_set"},
        {"train": "train_data", "val": "val_data"},
        {"train": "train_images", "test": "test_images"},
        {"train": "trainval", "test": "test"},
        {"train": "train_val2007", "test": "test2007"},
        {"train": "data/train", "val": "data/val"},
        {"train": "test_of_mine/pets/train", "val": "test_of_mine/pets/val"},
        {"train": ["train", "train_more"], "val": "valid"},
        {"train": "dataset"},
        {"train": "train/photos/all"},
    ],
)
def test_names_of_splits(tmp_path: Path, splits: dict[str, str | list[str]]) -> None:
    wanted = expected(**splits)
    source = read_source(make(tmp_path, *(name for split in wanted.values() for name in split)), Options())
    assert found_in(tmp_path, source) == wanted
    assert source.labels == ("cat", "dog")
    assert not warnings(source)


@pytest.mark.parametrize(
    ("beside", "warning"),
    [
        (("extra/3.jpg", "extra/4.jpg"), "left out, as the images are in no folders of labels: extra (2 images)"),
        (("seg_pred/seg_pred/3.jpg",), "left out, as the images are in no folders of labels: seg_pred (1 images)"),
        (("test-many/3.jpg", "test1/4.jpg"), "no folders of labels: test-many (1 images), test1 (1 images)"),
        (("test/3.jpg",), "left out, as the images are in no folders of labels: test (1 images)"),
        (("test/unknown/3.jpg",), "left out, as the images are in no folders of labels: test (1 images)"),
        (("masks/cat/1.png", "masks/dog/2.png"), "left out, as these names are no splits: masks (2 images)"),
        (pets("copy/train", "copy/val"), "left out, as there are splits inside and beside; give that folder to read"),
        (pets("trainval"), "left out, since train or val lies beside it: trainval (2 images)"),
        (("3.jpg", "train/4.jpg"), "2 images lie beside the folders of labels and were left out (3.jpg, train/4.jpg)"),
    ],
)
def test_what_lies_beside_splits_is_left_out_with_a_warning(
    tmp_path: Path, beside: tuple[str, ...], warning: str
) -> None:
    source = read_source(make(tmp_path, *pets("train", "val"), *beside), Options())
    assert found_in(tmp_path, source) == expected(train="train", val="val")
    (found,) = warnings(source)
    assert warning in found


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (pets("train", "holdout"), "holdout holds folders, but its name tells no split as train beside it"),
        (pets("train", "fold1"), "fold1 holds folders, but its name tells no split"),
        (pets("fold1", "fold2", "fold3"), "fold1, fold2, fold3 hold folders with the same names .cat, dog."),
        ([f"{split}/{part}/patient{n}/{n}.jpg" for split in ("train", "valid") for part in "ab" for n in (1, 2)],
         "in train, valid the folders a, b hold no images themselves, but folders that do .patient1, patient2."),
        (["a/cat/1.jpg", "a/dog/2.jpg", "b/bus/3.jpg", "b/car/4.jpg"], "a, b hold no images themselves"),
        (["a/cat/1.jpg", "a/dog/2.jpg", "b/3.jpg", "c/4.jpg"], "a holds no images itself, but folders that do"),
        ([*pets("train"), "test/a/x/1.jpg", "test/a/y/2.jpg", "test/b/z/3.jpg"], "test: a, b hold no images"),
        ([*pets("train"), "val/3.jpg"], "val holds images, but no folders of labels; put them into"),
        ([*pets("train"), "train/bird/x/3.jpg", "train/bird/y/3.jpg"], "bird holds no images itself"),
        (["train/1.jpg", "test/2.jpg"], "no annotations: test, train are called like splits, but hold no"),
        (["train_images/1.jpg", "test_images/2.jpg"], "test_images, train_images are called like splits"),
        (["train/1.jpg", "test/2.jpg", "extra/3.jpg"], "holds no annotations: extra, test, train are called"),
        (["DCIM/100CANON/1.jpg", "DCIM/101CANON/2.jpg"], "100CANON, 101CANON are called as the folders of a camera"),
        (["100_0612/1.jpg", "101_0613/2.jpg"], "100_0612, 101_0613 are called as the folders of a camera"),
        (["100APPLE/1.jpg", "100CANON/2.jpg"], "100APPLE, 100CANON are called as the folders of a camera"),
        (["images/1.jpg", "masks/1.png"], "the folders images, masks are called as the parts of a data set"),
        (["train/images/1.jpg", "train/labels/2.jpg"], "the folders images, labels are called as the parts"),
        ([*PETS, "masks/1.png", "masks/2.png"], "masks has the same images as cat, dog once more, so that these names"),
        ([*PETS, "masks/1_mask.jpg", "masks/2_mask.jpg"], "masks has the same images as cat, dog once more"),
        ([*PETS, "thumbnails/1.jpg", "thumbnails/2.jpg"], "thumbnails has the same images as cat, dog once more"),
        (["images/1.jpg", "mask/1.jpg", "cat/9.jpg"], "mask has the same images as cat, images once more"),
    ],
)  # fmt: skip
def test_folders_in_folders_are_refused_where_labels_are_not_plain(
    tmp_path: Path, images: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_source(make(tmp_path, *images), Options())


@pytest.mark.parametrize(
    ("images", "warning"),
    [
        (("mask/1.jpg", "no_mask/1.jpg"), "read as labels, like the folders beside: mask; move elsewhere"),
        (("mask/1.png", "no mask/1.jpg"), "read as labels, like the folders beside: mask; move elsewhere"),
        (("mask/1.jpg", "hat/1.jpg", "scarf/2.jpg"), "read as labels, like the folders beside: mask"),
        (("images/1.jpg", "documents/2.jpg"), "read as labels, like the folders beside: images"),
        (("labels/1.jpg", "Thumbnails/1.jpg", "boxes/1.jpg", "images/2.jpg"), None),
        (("20240101/1.jpg", "20240102/2.jpg"), "read as labels: 20240101, 20240102; if these are days, write a table"),
        (("2024-01-01/1.jpg", "2024-01-02/2.jpg"), "read as labels: 2024-01-01, 2024-01-02; if these are days"),
        (("10000001/1.jpg", "10000002/2.jpg"), ""),
        (("101BLACK/1.jpg", "102WHITE/2.jpg"), ""),
        (("100APPLE/1.jpg", "melon/2.jpg"), ""),
        (("train/1.jpg", "no train/2.jpg"), ""),
        (("train/1.jpg", "Without_Train/2.jpg", "bus/3.jpg"), ""),
    ],
)
def test_labels_called_as_folders_of_something_else(
    tmp_path: Path, images: tuple[str, ...], warning: str | None
) -> None:
    make(tmp_path, *images)
    if warning is None:
        with pytest.raises(DataError, match="has the same images as"):
            read_source(tmp_path, Options())
        return
    source = read_source(tmp_path, Options())
    assert found_in(tmp_path, source) == {"train": {name: name.split("/")[0] for name in images}}
    told = [found for found in warnings(source) if "all labels are numbers" not in found]
    assert [found[: len(warning)] for found in told] == ([warning] if warning else [])


def test_a_label_may_be_called_as_a_split(tmp_path: Path) -> None:
    images = ("boat/1.jpg", "boat/2.jpg", "train/3.jpg", "train/4.jpg", "train/steam/5.jpg")
    source = read_source(make(tmp_path, *images), Options())
    assert found_in(tmp_path, source) == {"train": {name: name.split("/")[0] for name in images}}
    assert not warnings(source)
    assert "1 folders lie in those of labels; their images got these labels, too (train/steam)" in map(
        str, source.findings
    )
    make(tmp_path, "test/6.jpg")
    with pytest.raises(DataError, match="holds no annotations"):
        read_source(tmp_path, Options())


@pytest.mark.parametrize(
    ("images", "names"),
    [
        ((*PETS, "Unlabeled/3.jpg"), "Unlabeled"),
        (("train/cat/1.jpg", "train/dog/2.jpg", "train/not labelled/3.jpg"), "not labelled"),
        ((*PETS, "unsorted/3.jpg", "none/4.jpg"), "none, unsorted"),
        ((*PETS, "unknown/3.jpg", "masks/4.jpg"), "unknown"),
    ],
)
def test_labels_that_may_mean_no_label_are_pointed_out(tmp_path: Path, images: tuple[str, ...], names: str) -> None:
    """As those in the cells of tables are."""
    source = read_source(make(tmp_path, *images), Options())
    assert set(names.split(", ")) < set(source.labels)
    assert (
        f"read as labels, like the folders beside: {names}; move elsewhere images of which nobody knows the label"
    ) in warnings(source)


def test_a_label_called_test_is_pointed_out(tmp_path: Path) -> None:
    source = read_source(make(tmp_path, *PETS, "test1/3.jpg"), Options())
    assert source.labels == ("cat", "dog", "test1")
    assert "read as labels, like the folders beside: test1; move elsewhere what is a split" in warnings(source)


def test_one_stray_image_does_not_make_a_split_a_label(tmp_path: Path) -> None:
    source = read_source(make(tmp_path, *pets("train"), "val/3.jpg", "val/cat/4.jpg"), Options())
    assert found_in(tmp_path, source) == {**expected(train="train"), "val": {"val/cat/4.jpg": "cat"}}


def test_images_in_a_folder_called_images(tmp_path: Path) -> None:
    images = ("train/n01/images/1.jpg", "train/n02/images/2.jpg", "val/n01/3.jpg", "val/n02/4.jpg")
    source = read_source(make(tmp_path, *images), Options())
    assert found_in(tmp_path, source) == {
        "train": {images[0]: "n01", images[1]: "n02"},
        "val": {images[2]: "n01", images[3]: "n02"},
    }


def test_hidden_folders_and_those_of_systems_are_passed_over(tmp_path: Path) -> None:
    hidden = ("cat/.ipynb_checkpoints/1.jpg", "cat/__MACOSX/1.jpg", "dog/@eaDir/2.jpg/THUMB.jpg", "dog/._2.jpg")
    places = ("$RECYCLE.BIN/9.jpg", "lost+found/9.jpg", ".Trash/9.jpg", "__MACOSX/cat/1.jpg")
    source = read_source(make(tmp_path, *PETS, *hidden, *places), Options())
    assert found_in(tmp_path, source) == {"train": {"cat/1.jpg": "cat", "dog/2.jpg": "dog"}}
    assert not warnings(source)


def test_splits_may_be_links_and_the_folder_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "elsewhere", *PETS)
    make(tmp_path / "set", *pets("train"))
    (tmp_path / "set" / "val").symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    source = read_source(Path("set"), Options())
    assert found_in(Path("set"), source) == expected(train="train", val="val")
    assert not warnings(source)


def test_links_to_folders_elsewhere_are_followed(tmp_path: Path) -> None:
    make(tmp_path, *pets("a", "set/train", "set/val"), "elsewhere/3.jpg")
    (tmp_path / "set" / "train" / "bird").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "train" / "cat" / "again").symlink_to(tmp_path / "set")  # which would be endless
    source = read_source(tmp_path / "set", Options())
    assert [s.image.name for s in source.samples["train"] if s.labels == ("bird",)] == ["3.jpg"]
    assert "links to folders that lie in set as well were not followed: train/cat/again" in "\n".join(warnings(source))


def test_a_table_finds_images_behind_links(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/deep/1.jpg", "elsewhere/deep/2.jpg", "set/images/3.jpg")
    (tmp_path / "set" / "images" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a.csv").write_text("image,labels\n1.jpg,cat\n2.jpg,dog\n3.jpg,cat\n")
    source = read_source(tmp_path / "set", Options())
    assert {s.image.name for split in source.samples.values() for s in split} == {"1.jpg", "2.jpg", "3.jpg"}


@pytest.mark.parametrize("above", ["", "data/"])
def test_splits_inside_of_labels(tmp_path: Path, above: str) -> None:
    images = [f"{above}{label}/{split}/{n}.jpg" for label in ("cat", "dog") for n, split in enumerate(("train", "Val"))]
    source = read_source(make(tmp_path, *images), Options())
    assert found_in(tmp_path, source) == {
        "train": {f"{above}{label}/train/0.jpg": label for label in ("cat", "dog")},
        "val": {f"{above}{label}/Val/1.jpg": label for label in ("cat", "dog")},
    }
    assert "the splits are the names of the folders in those of labels" in [str(found) for found in source.findings]


@pytest.mark.parametrize("other", ["dog/7.jpg", "dog/more/7.jpg", "7.jpg"])
def test_splits_inside_of_some_labels_are_refused(tmp_path: Path, other: str) -> None:
    """What lies beside them is in no split."""
    images = [f"{label}/{split}/{split}.jpg" for label in ("cat", "dog") for split in ("train", "val")]
    with pytest.raises(DataError):
        read_source(make(tmp_path, *images, other), Options())


def test_masks_beside_the_images_are_left_out(tmp_path: Path) -> None:
    """As those of BUSI; a picture of a mask is one of its own."""
    images = [f"{label}/{label} (1){end}.png" for label in ("benign", "normal") for end in ("", "_mask", "_mask_1")]
    source = read_source(make(tmp_path, *images, "normal/blue_mask.png"), Options())
    found = {sample.image.name for split in source.samples.values() for sample in split}
    assert found == {"benign (1).png", "normal (1).png", "blue_mask.png"}
    assert "4 images are called like masks of others beside them, and were left out (benign (1)_mask.png," in (
        "\n".join(warnings(source))
    )
