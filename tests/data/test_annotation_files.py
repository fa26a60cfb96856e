"""A folder's own annotations are found among the other files of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import source_helpers
from source_helpers import labels_by_image as labels_of
from source_helpers import messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import read_source

TABLE = "image,labels\n1.jpg,cat;dog\n2.jpg,dog\n3.jpg,cat\n"
LABELS = {"1.jpg": {"cat", "dog"}, "2.jpg": {"dog"}, "3.jpg": {"cat"}}
COCO = {
    "images": [{"id": n, "file_name": name} for n, name in enumerate(LABELS)],
    "annotations": [{"image_id": n, "category_id": k} for n, found in enumerate(LABELS.values()) for k in found],
    "categories": [{"id": name, "name": name} for name in ("cat", "dog")],
}
OTHER = {
    "package.json": {"name": "photos", "version": "1.0", "files": ["a", "b"]},
    "config.json": {"hidden": 3, "layers": [{"id": 1, "size": 2}]},
    "info.json": [1, 2],
    "tsconfig.json": "{ // a comment\n}",
    "log.jsonl": '{"step": 1, "loss": 2}\n',
    "captions.json": {"images": [], "annotations": []},
    "classes.csv": "id,name\n0,cat\n1,dog\n",
    "sample_submission.csv": "image_id,cat,dog\n9,0.5,0.5\n",
    "requirements.txt": "torch\nnumpy\n",
}


def folder_with(folder: Path, files: dict[str, Any], images: tuple[str, ...] = tuple(LABELS)) -> Path:
    return source_helpers.folder_with(folder, files, images)


@pytest.mark.parametrize("table", [{"labels.csv": TABLE}, {"annotations.json": COCO}, {"annotations/all.json": COCO}])
def test_other_files_are_passed_over_and_named(tmp_path: Path, table: dict[str, Any]) -> None:
    source = read_source(folder_with(tmp_path, OTHER | table), Options())
    assert labels_of(source) == LABELS
    assert f"{len(OTHER)} files that hold no annotations were passed over (captions.json, classes" in messages(source)


def test_files_about_single_images_are_passed_over(tmp_path: Path) -> None:
    sidecars = {f"{name}.json": {"title": name, "description": "", "geoData": {"latitude": 0.0}} for name in LABELS}
    assert labels_of(read_source(folder_with(tmp_path, {"labels.csv": TABLE, **sidecars}), Options())) == LABELS


def test_folders_of_labels_beside_other_files(tmp_path: Path) -> None:
    files = {name: content for name, content in OTHER.items() if name != "captions.json"}  # which may be of the images
    source = read_source(folder_with(tmp_path, files, ("cat/1.jpg", "dog/2.jpg", "dog/3.jpg")), Options())
    assert source.labels == ("cat", "dog")
    assert "files that hold no annotations were passed over" in messages(source)


def test_workbooks_beside_folders_are_pointed_out(tmp_path: Path) -> None:
    source = read_source(folder_with(tmp_path, {"labels.ods": "PK"}, ("batch1/1.jpg", "batch2/2.jpg")), Options())
    assert "not read: labels.ods; if the labels are in there, save it as CSV" in messages(source)


def test_damaged_files_of_a_split_are_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"val\.json is no JSON"):
        read_source(folder_with(tmp_path, {"train.json": COCO, "val.json": "{"}), Options())
    with pytest.raises(DataError, match=r"train\.csv, line 3: 1 cells"):
        read_source(folder_with(tmp_path / "csv", {"train.csv": "image,labels\n1.jpg,cat\n2.jpg\n"}), Options())


def test_splits_beside_lists_of_test_images_and_settings(tmp_path: Path) -> None:
    files = {"train.csv": TABLE, "test.csv": "image_id\n9\n", "train_config.json": {"lr": 1}}
    files |= {"train_log.csv": "epoch,loss\n1,2\n", "val.txt": "1.jpg\n"}
    assert labels_of(read_source(folder_with(tmp_path, files), Options())) == LABELS


def test_a_split_without_labels_is_not_passed_over(tmp_path: Path) -> None:
    files = {"train.csv": TABLE, "val.csv": "image,foo\n4.jpg,cat\n"}
    with pytest.raises(DataError, match=r"val\.csv names no images with labels, though its name tells a split"):
        read_source(folder_with(tmp_path, files), Options())


def test_blanks_mean_the_same_in_all_files(tmp_path: Path) -> None:
    words = "image,labels\n1.jpg,cat dog\n2.jpg,dog\n3.jpg,cat\n"
    folder_with(tmp_path, {"train.csv": words, "val.csv": "image,labels\n4.jpg,cat bus\n"}, (*LABELS, "4.jpg"))
    with pytest.raises(DataError, match=r"separate labels in train\.csv, but to stand inside them in val\.csv"):
        read_source(tmp_path, Options())
    assert labels_of(read_source(tmp_path, Options(separator=" ")))["4.jpg"] == {"cat", "bus"}
    assert labels_of(read_source(tmp_path, Options(separator=";")))["4.jpg"] == {"cat bus"}


def test_blanks_mean_the_same_in_all_files_with_splits(tmp_path: Path) -> None:
    words = "image,labels,split\n1.jpg,cat dog,train\n2.jpg,dog,train\n3.jpg,cat,train\n"
    files = {"train.csv": words, "val.csv": "image,labels,split\n4.jpg,cat bus,val\n"}
    folder_with(tmp_path, files, (*LABELS, "4.jpg"))
    with pytest.raises(DataError, match=r"separate labels in train\.csv, but to stand inside them in val\.csv"):
        read_source(tmp_path, Options())


def test_the_instances_of_coco_beside_its_other_files(tmp_path: Path) -> None:
    names = ("instances_train2017", "person_keypoints_train2017", "image_info_val2017")
    source = read_source(folder_with(tmp_path, {f"annotations/{name}.json": COCO for name in names}), Options())
    assert labels_of(source) == LABELS
    assert "the others are COCO's instances: image_info_val2017.json, person_keypoints_train2017.json" in messages(
        source
    )


OTHER_TABLE = "image,labels\n4.jpg,cat\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ("labels.csv", "val.csv"),
            r"the name of val\.csv tells a split, .* of labels\.csv; rename labels\.csv to train",
        ),
        (("labels.csv", "test.csv"), r"rename labels\.csv to train\.csv, or give the one file"),
        (("annotations.json", "val.json"), r"rename annotations\.json to train\.json"),
        (("train.csv", "holdout.csv"), r"rename holdout\.csv to val\.csv or test\.csv"),
        (("train.json", "val.csv"), r"COCO JSON \(train\.json\) and other annotations \(val\.csv\)"),
        (("instances_train.json", "val.csv"), r"COCO JSON \(instances_train\.json\) and other annotations"),
    ],
)
def test_tables_that_do_not_belong_together_for_certain(tmp_path: Path, files: tuple[str, str], message: str) -> None:
    first, second = ({"json": COCO, "csv": table}[name.rpartition(".")[2]] for name, table in zip(
        files, (TABLE, OTHER_TABLE), strict=True
    ))  # fmt: skip
    folder_with(tmp_path, {files[0]: first, files[1]: second}, (*LABELS, "4.jpg"))
    with pytest.raises(DataError, match=message):
        read_source(tmp_path, Options())
    assert labels_of(read_source(tmp_path / files[0], Options())) == LABELS


def test_a_third_table_beside_those_of_splits_is_pointed_out(tmp_path: Path) -> None:
    files = {"train.csv": TABLE, "test.csv": OTHER_TABLE, "all.csv": TABLE + "4.jpg,cat\n"}
    source = read_source(folder_with(tmp_path, files, (*LABELS, "4.jpg")), Options())
    assert [sample.image.name for sample in source.samples["test"]] == ["4.jpg"]
    assert "all.csv was not read, since its name tells no split; give that file if it has all labels" in messages(
        source
    )


def test_the_form_for_a_submission_is_not_read(tmp_path: Path) -> None:
    files = {"train.csv": TABLE, "sample_submission.csv": "image,labels\n4.jpg,cat\n"}
    source = read_source(folder_with(tmp_path, files, (*LABELS, "4.jpg")), Options())
    assert labels_of(source) == LABELS
    assert "not read, since it lists images to be labelled: sample_submission.csv" in messages(source)


LABELLED = {image: sorted(labels) for image, labels in LABELS.items()}


def test_json_with_splits_at_the_top(tmp_path: Path) -> None:
    content = {"train": {n: LABELLED[n] for n in ("1.jpg", "2.jpg")}, "val": {"3.jpg": LABELLED["3.jpg"]}}
    content["test"] = {"4.jpg": None}
    source = read_source(folder_with(tmp_path, {"a.json": content}, (*LABELS, "4.jpg")) / "a.json", Options())
    assert {name: [s.image.name for s in split] for name, split in source.samples.items()} == {
        "train": ["1.jpg", "2.jpg"],
        "val": ["3.jpg"],
        "test": ["4.jpg"],
    }
    assert labels_of(source) == LABELS | {"4.jpg": set()}
    with pytest.raises(DataError, match="no list of objects"):
        read_source(folder_with(tmp_path, {"b.json": {"train": {"x": 1}, "val": {}}}) / "b.json", Options())


def test_json_with_null_for_no_label(tmp_path: Path) -> None:
    folder_with(tmp_path, {"a.json": LABELLED | {"4.jpg": None}, "b.json": LABELLED | {"4.jpg": 7}}, (*LABELS, "4.jpg"))
    assert labels_of(read_source(tmp_path / "a.json", Options())) == LABELS | {"4.jpg": set()}
    with pytest.raises(DataError, match=r"b\.json, entry 4\.jpg: 7 is no label"):
        read_source(tmp_path / "b.json", Options())


def test_json_with_a_list_of_classes(tmp_path: Path) -> None:
    classes = [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]
    content = {"classes": classes, "images": [{"file": name, "labels": found} for name, found in LABELLED.items()]}
    assert labels_of(read_source(folder_with(tmp_path, {"a.json": content}) / "a.json", Options())) == LABELS


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"1.jpg": "cat", "2.jpg": "cat", "1.jpg": "dog"}', r"a\.json: the key '1\.jpg' stands twice"),
        ("a.json", '[{"image": "1.jpg", "label": "cat", "label": "dog"}]', "with 'cat' and with 'dog'; write it once"),
        (
            "a.jsonl",
            '{"image": "1.jpg", "label": 1}\n{"image": "2.jpg", "label": "a", "label": "b"}',
            "line 2: the key",
        ),
    ],
)
def test_json_with_a_key_twice(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_source(folder_with(tmp_path, {name: text}) / name, Options())
    same = '[{"image": "1.jpg", "label": "cat", "label": "cat"}]'
    assert labels_of(read_source(folder_with(tmp_path, {"b.json": same}) / "b.json", Options())) == {"1.jpg": {"cat"}}


LABELBOX = 'ID,Labeled Data,Label,External ID\na,https://a/1.jpg,"{""objects"": [], ""classifications"": []}",1.jpg\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", {"name": "p", "tags": [], "assets": {}}, "is a project of VoTT; export it as CSV"),
        ("a.vott", {"name": "p", "tags": [], "assets": {}}, "is a project of VoTT; export it as CSV"),
        ("a.json", {"asset": {"name": "1.jpg"}, "regions": []}, "of one image, of VoTT; export the project as CSV"),
        ("a.json", [{"resizedImageUri": "http://a/1.jpg", "tags": []}], "is of Azure Custom Vision; write a CSV"),
        ("a.json", {"version": "2.0", "item": {"name": "1.jpg"}, "annotations": []}, "of V7 Darwin; export it as COCO"),
        ("a.json", {"dataset": "x", "image": {"filename": "1.jpg"}, "annotations": []}, "of V7 Darwin 1; export it as"),
        (
            "a.json",
            [{"ID": "a", "Labeled Data": "https://a/1.jpg", "Label": {"objects": []}}],
            "old export of Labelbox",
        ),
        ("a.csv", LABELBOX, r"a\.csv is an old export of Labelbox; export it as COCO, or write a CSV with image"),
        ("a.manifest", {"source-ref": "s3://b/1.jpg", "cls": 0}, "is a manifest of SageMaker; write a CSV"),
    ],
)
def test_exports_that_are_not_read_are_named(tmp_path: Path, name: str, content: Any, message: str) -> None:
    folder_with(tmp_path, {name: content})
    for source in (tmp_path / name, tmp_path):
        with pytest.raises(DataError, match=message):
            read_source(source, Options())


@pytest.mark.parametrize(
    ("files", "images", "message"),
    [
        ({"package.json": OTHER["package.json"]}, ("1.jpg",), r"passed over: .*package\.json names no"),
        ({"meta.json": {"classes": [], "tags": [], "projectType": ""}}, ("a/1.jpg", "b/2.jpg"), "is the classes of a"),
        ({"labels.ods": "PK"}, ("images/1.jpg",), r"labels\.ods can't be read; save it as CSV"),
        ({"labels.csv.gz": ""}, ("images/1.jpg",), r"labels\.csv\.gz can't be read; unpack it and give the folder"),
        ({"labels.xlsx": "PK\3\4"}, ("images/1.jpg",), r"labels\.xlsx is no Excel workbook that can be read"),
        ({"data/train.parquet": "PAR1"}, (), r"train\.parquet is no parquet file that can be read"),
        ({}, ("images/1.jpg", "masks/1.png"), "holds no annotations"),
        ({}, ("photos2020/1.jpg",), "holds no annotations"),
        ({"a.csv": TABLE, "b.csv": TABLE}, ("1.jpg",), r"several files: a\.csv, b\.csv; give one"),
    ],
)  # fmt: skip
def test_folders_without_annotations(
    tmp_path: Path, files: dict[str, Any], images: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_source(folder_with(tmp_path, files, images), Options())


def test_folders_that_hold_no_images_are_no_labels(tmp_path: Path) -> None:
    images = ("train/cat/1.jpg", "train/dog/2.jpg", "train/dog/3.jpg", "train/cat/4.jpg")
    source = read_source(folder_with(tmp_path, {"docs/a.md": ""}, images), Options())
    assert source.labels == ("cat", "dog")


@pytest.mark.parametrize("place", ["", "data/"])
def test_parts_of_one_split_are_read_together(tmp_path: Path, place: str) -> None:
    """As Hugging Face writes large ones."""
    files = {
        f"{place}{split}-0000{part}-of-00002.csv": f"image,labels\n{split}{part}.jpg,cat;dog\n"
        for split in ("train", "test")
        for part in (0, 1)
    }
    images = [f"{split}{part}.jpg" for split in ("train", "test") for part in (0, 1)]
    source = read_source(folder_with(tmp_path, files | {"notes.md": "x"}, images), Options())
    assert {s.image.name for s in (*source.samples["train"], *source.samples.get("val", ()))} == {*images[:2]}
    assert {s.image.name for s in source.samples["test"]} == {*images[2:]}
