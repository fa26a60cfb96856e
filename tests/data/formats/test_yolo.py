"""YOLO's data sets as Ultralytics, Roboflow, CVAT, Label Studio and labelImg write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from source_helpers import messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

CAT, DOG = "0 0.5 0.5 0.2 0.4\n", "1 0.25 0.5 0.5 1\n"
NAMES = "names: [cat, no]\n"  # which YAML takes for false


def make(root: Path, files: dict[str, str], *images: str) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in images:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 50)).save(root / name)
    return root


def labels_of(source: Source) -> dict[str, dict[str, set[str]]]:
    return {name: {s.image.name: set(s.labels) for s in split} for name, split in source.samples.items()}


EXPECTED = {"train": {"1.jpg": {"cat", "no"}, "2.jpg": {"no"}}, "val": {"3.jpg": {"cat"}}}


@pytest.mark.parametrize(
    ("files", "images"),
    [
        pytest.param(
            {"data.yaml": f"path: ../datasets/x\ntrain: images/train\nval: images/val\ntest:\nnc: 2\n{NAMES}",
             "labels/train/1.txt": CAT + DOG + CAT, "labels/train/2.txt": DOG, "labels/val/3.txt": CAT},
            ("images/train/1.jpg", "images/train/2.jpg", "images/val/3.jpg"), id="ultralytics"),
        pytest.param(
            {"data.yaml": f"train: ../train/images\nval: ../valid/images\n{NAMES}", "README.dataset.txt": "# photos\n",
             "train/labels/1.txt": CAT + DOG, "train/labels/2.txt": DOG, "valid/labels/3.txt": CAT},
            ("train/images/1.jpg", "train/images/2.jpg", "valid/images/3.jpg"), id="roboflow"),
        pytest.param(
            {"data.yaml": f"train: images/train\nval: images/val\n{NAMES}", "labels/train/1.TXT": CAT + DOG,
             "labels/train/2.txt": DOG, "labels/val/3.TXT": CAT},
            ("images/train/1.jpg", "images/train/2.jpg", "images/val/3.jpg"), id="capitals"),
        pytest.param(
            {"coco.yaml": f"path: .\ntrain: train2017.txt\nval: val2017.txt\n{NAMES}",
             "train2017.txt": "./images/train2017/1.jpg\n./images/train2017/2.jpg\n",
             "val2017.txt": "/data/coco/images/val2017/3.jpg\n", "labels/train2017/1.txt": CAT + DOG,
             "labels/train2017/2.txt": DOG, "labels/val2017/3.txt": CAT},
            ("images/train2017/1.jpg", "images/train2017/2.jpg", "images/val2017/3.jpg"), id="lists of images"),
        pytest.param(
            {"obj.data": "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n",
             "obj.names": "cat\nno\n", "train.txt": "data/obj_train_data/1.jpg\ndata/obj_train_data/2.jpg\n",
             "valid.txt": "data/obj_valid_data/3.jpg\n", "obj_train_data/1.txt": CAT + DOG,
             "obj_train_data/2.txt": DOG, "obj_valid_data/3.txt": CAT},
            ("obj_train_data/1.jpg", "obj_train_data/2.jpg", "obj_valid_data/3.jpg"), id="darknet, CVAT"),
        pytest.param(
            {"train/1.txt": "\ufeff" + CAT + "1.000000 0.5 0.5 1 1\r\n", "train/2.txt": DOG, "val/3.txt": CAT,
             "train/classes.txt": "cat\nno\n"},
            ("train/1.jpg", "train/2.jpg", "val/3.jpg"), id="labelImg, beside the images"),
        pytest.param(
            {"classes.txt": "cat\nno\n", "notes.json": '{"categories": [{"id": 0, "name": "cat"}]}',
             "images/train/1.txt": "", "labels/train/1.txt": CAT + DOG, "labels/train/2.txt": DOG,
             "labels/val/3.txt": CAT},
            ("images/train/1.jpg", "images/train/2.jpg", "images/val/3.jpg"), id="label studio"),
        pytest.param(
            {"data.yaml": f"train: train\nval: val\nkpt_shape: [2, 2]\n{NAMES}",
             "train/1.txt": "0 .5 .5 .2 .4 .1 .1 .9 .9\n1 .5 .5 .2 .4 0 0 0 0\n", "train/2.txt": DOG, "val/3.txt": CAT},
            ("train/1.jpg", "train/2.jpg", "val/3.jpg"), id="poses"),
    ],
)  # fmt: skip
def test_every_layout(tmp_path: Path, files: dict[str, str], images: tuple[str, ...]) -> None:
    source = read_source(make(tmp_path, files, *images), Options())
    assert labels_of(source) == EXPECTED
    assert source.labels == ("cat", "no")
    assert source.kind == "YOLO's labels, a text file per image"
    assert not source.errors
    assert not [str(found) for found in source.findings if found.level == "warning"]


def test_the_yaml_file_may_be_given(tmp_path: Path) -> None:
    files = {"sets/photos.yaml": f"path: ../photos\ntrain: images/a\nval: images/b\n{NAMES}"}
    files |= {"photos/labels/a/1.txt": CAT, "photos/labels/b/2.txt": DOG}
    make(tmp_path, files, "photos/images/a/1.jpg", "photos/images/b/2.jpg")
    source = read_source(tmp_path / "sets" / "photos.yaml", Options())
    assert labels_of(source) == {"train": {"1.jpg": {"cat"}}, "val": {"2.jpg": {"no"}}}


def test_boxes_and_polygons_are_in_pixels(tmp_path: Path) -> None:
    files = {"data.yaml": f"train: images\nval: val\n{NAMES}", "labels/1.txt": CAT + "1 0 0 0.5 0.1 0.2 1 0.3 0.3\n"}
    files |= {"val/2.txt": "1 0.5 0.5 0.2 0.4 0.9\n"}  # a prediction with its confidence
    source = read_source(make(tmp_path, files, "images/1.jpg", "val/2.jpg"), Options())
    assert source.boxes is not None
    boxes = {s.image.name: source.boxes(s) for split in source.samples.values() for s in split}
    assert {name: boxes["1.jpg"][name] for name in ("cat", "no")} == {
        "cat": [pytest.approx((40, 15, 60, 35))],
        "no": [pytest.approx((0, 0, 50, 50))],
    }
    assert boxes["2.jpg"] == {"no": [pytest.approx((40, 15, 60, 35))]}


def test_boxes_of_poses_are_those_before_the_points(tmp_path: Path) -> None:
    files = {"data.yaml": f"train: a\nval: b\nkpt_shape: [2, 2]\n{NAMES}", "a/1.txt": "0 .5 .5 .2 .4 0 0 1 1\n"}
    source = read_source(make(tmp_path, files, "a/1.jpg", "b/2.jpg"), Options())
    assert source.boxes is not None
    assert source.boxes(source.samples["train"][0]) == {"cat": [pytest.approx((40, 15, 60, 35))]}


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    files = {"data.yaml": f"train: images/train\nval: [images/val, images/more]\n{NAMES}", "labels/train/1.txt": CAT}
    files |= {"labels/train/9.txt": DOG, "labels/val/3.txt": DOG}
    images = ("images/train/1.jpg", "images/train/2.jpg", "images/val/3.jpg", "images/other/4.jpg")
    source = read_source(make(tmp_path, files, *images), Options())
    assert labels_of(source) == {"train": {"1.jpg": {"cat"}, "2.jpg": set()}, "val": {"3.jpg": {"no"}}}
    assert "1 images have no file of labels, and were taken to show nothing (2.jpg)" in messages(source)
    assert "1 files of labels have no image and were left out (9.txt)" in messages(source)
    assert "1 paths that the settings name are not there (val: images/more)" in messages(source)
    assert "1 images are in no split that the settings name and were left out (4.jpg)" in messages(source)


def test_an_image_in_two_splits_is_an_error(tmp_path: Path) -> None:
    files = {"data.yaml": f"train: images\nval: images\n{NAMES}", "labels/1.txt": CAT}
    error = read_source(make(tmp_path, files, "images/1.jpg"), Options()).errors[0]
    assert error.startswith("1 images are in train and in val")


def test_numbers_without_names_can_be_named(tmp_path: Path) -> None:
    make(tmp_path, {"labels/1.txt": CAT, "labels/2.txt": DOG}, "images/1.jpg", "images/2.jpg")
    source = read_source(tmp_path, Options())
    assert source.labels == ("0", "1")
    assert "no file names the classes, such as data.yaml or classes.txt; give --label-names FILE" in messages(source)
    names = make(tmp_path, {"my.yaml": "names:\n  0: cat\n  1: no\n"}) / "my.yaml"
    named = read_source(tmp_path, Options(label_names=names))
    assert named.labels == ("cat", "no")
    assert "no file names the classes" not in messages(named)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"labels/1.txt": CAT + "2 0.5 0.5 0.1 0.1\n"}, r"1\.txt, line 2: class 2 has no name; there are 2"),
        ({"labels/1.txt": CAT + "0 0.5 0.5\n"}, r"line 2: expected the number of a class .* '0 0.5 0.5'"),
        ({"labels/1.txt": CAT + "0.5 0.5 0.5 1 1\n"}, r"1\.txt, line 2: expected the number"),
        ({"labels/1.txt": CAT + "cat 0.5 0.5 1 1\n"}, r"1\.txt, line 2: expected the number"),
        ({"data.yaml": "train: [images\nval: x"}, r"data\.yaml is no YAML"),
        ({"data.yaml": "a: &a [x, x]\nb: &b [*a, *a]\ntrain: *b\nval: x\nnames: [cat]"}, r"no YAML: aliases, such as"),
        ({"data.yaml": "train: images\nval: x\nnames: my.names"}, r"the file of names, my\.names, is not there"),
        ({"other.yaml": "train: images\nval: x\nnames: [a]"}, r"several data sets: data\.yaml, other\.yaml; give one"),
    ],
)  # fmt: skip
def test_faults_are_named_with_their_line(tmp_path: Path, files: dict[str, str], message: str) -> None:
    good = {"data.yaml": f"train: images\nval: images\n{NAMES}", "labels/1.txt": CAT}
    with pytest.raises(DataError, match=message):
        read_source(make(tmp_path, good | files, "images/1.jpg"), Options())


def test_a_table_beside_yolo_is_read_with_a_warning(tmp_path: Path) -> None:
    files = {"labels.csv": "image,labels\n1.jpg,sun\n2.jpg,moon\n", "labels/1.txt": CAT}
    source = read_source(make(tmp_path, files, "images/1.jpg", "images/2.jpg"), Options())
    assert source.labels == ("moon", "sun")
    assert "labels.csv was read, but not the labels of YOLO; give data.yaml if it has those you want" in messages(
        source
    )


def test_yaml_of_something_else_is_no_data_set(tmp_path: Path) -> None:
    files = {"compose.yaml": "services: [web]\n", "broken.yml": "a: [", "notes.txt": "0 photos of 5\n"}
    make(tmp_path, files, "images/1.jpg")
    (tmp_path / "binary.data").write_bytes(b"\x80\x04\x95\x00\x01\xff")
    with pytest.raises(DataError, match="holds no annotations"):
        read_source(tmp_path, Options())
    with pytest.raises(DataError, match=r"broken\.yml is no YAML"):  # given by name it is not passed over
        read_source(tmp_path / "broken.yml", Options())


TWO = {"train/1.txt": CAT, "train/2.txt": DOG, "val/3.txt": CAT}
TWO_IMAGES = ("train/1.jpg", "train/2.jpg", "val/3.jpg")


def test_lists_of_names_that_differ_are_refused(tmp_path: Path) -> None:
    files = TWO | {"train/classes.txt": "cat\ndog\n", "val/classes.txt": "dog\ncat\n"}
    make(tmp_path, files, *TWO_IMAGES)
    with pytest.raises(
        DataError, match=r"class 0 is 'cat' in .*train/classes.txt, but 'dog' in .*val/classes.txt; num"
    ):
        read_source(tmp_path, Options())
    make(tmp_path, {"val/classes.txt": "cat\n"})  # to which labelImg has added no other
    assert read_source(tmp_path, Options()).labels == ("cat", "dog")


@pytest.mark.parametrize(
    "names",
    [
        {"data.yaml": "nc: 2\nnames: [cat, dog]\n"},
        {"classes.yaml": "names:\n  0: cat\n  1: dog\n"},
        {"classes.yaml": "- cat\n- dog\n"},
        {"obj.data": "classes = 2\nnames = my.names\n", "my.names": "cat\ndog\n"},
        {"data.yaml": "train: train\nval: val\nnc: 2\n", "classes.txt": "cat\ndog\n"},
    ],
)
def test_names_without_splits_and_splits_without_names(tmp_path: Path, names: dict[str, str]) -> None:
    source = read_source(make(tmp_path, TWO | names, *TWO_IMAGES), Options())
    assert labels_of(source) == {"train": {"1.jpg": {"cat"}, "2.jpg": {"dog"}}, "val": {"3.jpg": {"cat"}}}
    assert "no file names the classes" not in messages(source)


def test_other_names_than_those_of_the_settings_are_pointed_out(tmp_path: Path) -> None:
    files = TWO | {"data.yaml": "train: train\nval: val\nnames: [cat, dog]\n", "classes.txt": "dog\ncat\n"}
    source = read_source(make(tmp_path, files, *TWO_IMAGES), Options())
    assert labels_of(source)["val"] == {"3.jpg": {"cat"}}
    assert "class 0 is 'cat' in data.yaml, which was read, but 'dog' in classes.txt; remove" in messages(source)


@pytest.mark.parametrize(
    "files",
    [
        {"data.yaml": f"train: images\nval: {'x' * 300}\n{NAMES}"},
        {"data.yaml": f"path: {'x' * 300}\ntrain: images\n{NAMES}"},
        {"data.yaml": f"train: train.txt\n{NAMES}", "train.txt": f"images/1.jpg\nimages/2.jpg\n{'x' * 300}.jpg\n/\n"},
    ],
)
def test_paths_that_are_too_long_are_missing(tmp_path: Path, files: dict[str, str]) -> None:
    files |= {"labels/1.txt": CAT, "labels/2.txt": CAT}
    source = read_source(make(tmp_path, files, "images/1.jpg", "images/2.jpg"), Options())
    assert {name: s for split in labels_of(source).values() for name, s in split.items()} == {
        "1.jpg": {"cat"},
        "2.jpg": {"cat"},
    }


@pytest.mark.parametrize("train", ["train/../train", "{root}/set/train", "./train"])
def test_a_relative_folder_with_paths_of_any_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: str) -> None:
    settings = {"data.yaml": f"train: {train.format(root=tmp_path)}\nval: val\nnames: [cat, dog]\n"}
    make(tmp_path / "set", TWO | settings, *TWO_IMAGES)
    monkeypatch.chdir(tmp_path)
    source = read_source(Path("set"), Options())
    assert {name: [s.image.as_posix() for s in split] for name, split in source.samples.items()} == {
        "train": ["set/train/1.jpg", "set/train/2.jpg"],
        "val": ["set/val/3.jpg"],
    }
    assert not [str(found) for found in source.findings]


FOLDERS = ("cat/1.jpg", "cat/2.jpg", "dog/3.jpg", "dog/4.jpg")
BY_FOLDER = {"1.jpg": {"cat"}, "2.jpg": {"cat"}, "3.jpg": {"dog"}, "4.jpg": {"dog"}}


def in_any_split(source: Source) -> dict[str, set[str]]:
    return {name: found for split in labels_of(source).values() for name, found in split.items()}


@pytest.mark.parametrize("name", ["stats.txt", "parts/locations.txt", "cat/colors.txt", "attributes/values.txt"])
def test_other_files_with_numbers_make_no_yolo(tmp_path: Path, name: str) -> None:
    source = read_source(make(tmp_path, {name: CAT + DOG}, *FOLDERS), Options())
    assert source.kind == "a folder per label"
    assert in_any_split(source) == BY_FOLDER


def test_settings_above_folders_of_labels(tmp_path: Path) -> None:
    images = (*(f"train/{name}" for name in FOLDERS), "val/cat/5.jpg", "val/dog/6.jpg")
    source = read_source(make(tmp_path, {"data.yaml": f"train: train\nval: val\n{NAMES}"}, *images), Options())
    assert labels_of(source) == {"train": BY_FOLDER, "val": {"5.jpg": {"cat"}, "6.jpg": {"dog"}}}
    assert "data.yaml was not read, since there are no files of labels, but folders called like labels" in messages(
        source
    )


@pytest.mark.parametrize("place", ["labels", "cat", "annotations/boxes"])
def test_files_called_like_images_make_yolo(tmp_path: Path, place: str) -> None:
    files = {f"{place}/{name}.txt": CAT for name in "12"} | {"classes.txt": "a\nb\n"}
    source = read_source(make(tmp_path, files, *FOLDERS), Options())
    assert source.kind == "YOLO's labels, a text file per image"


def test_settings_with_empty_files_of_labels(tmp_path: Path) -> None:
    images = (*(f"train/images/{name}" for name in FOLDERS), "val/images/cat/5.jpg")
    files = {"data.yaml": f"train: train\nval: val\n{NAMES}", "train/labels/cat/1.txt": ""}
    assert read_source(make(tmp_path, files, *images), Options()).kind == "YOLO's labels, a text file per image"


@pytest.mark.parametrize("text", ["- image: 1.jpg\n  labels: [cat]\n", "1.jpg: [cat]\n2.jpg: [dog]\n"])
def test_records_in_yaml_are_no_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(DataError, match=r"t\.yaml holds records, which are read from JSON and CSV only; save them as"):
        read_source(tmp_path / "t.yaml", Options())
