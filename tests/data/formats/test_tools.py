"""Exports of annotation tools, as their documentation shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

EXPECTED = {"a.jpg": {"cat", "dog"}, "b.jpg": {"dog"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in EXPECTED:
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def read(folder: Path, name: str, content: Any) -> Source:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_source(path, Options())


def labels_of(source: Source) -> dict[str, set[str]]:
    return {sample.image.name: set(sample.labels) for split in source.samples.values() for sample in split}


def task(number: int, image: str, *labels: str, cancelled: bool = False) -> dict[str, Any]:
    result = [{"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": list(labels)}}]
    return {"id": number, "data": {"image": image}, "annotations": [{"was_cancelled": cancelled, "result": result}]}


def region(label: str) -> dict[str, Any]:
    return {"shape_attributes": {"name": "rect", "x": 1}, "region_attributes": {"class": label}}


def via(name: str, attributes: dict[str, Any], *labels: str) -> dict[str, Any]:
    return {"filename": name, "size": 9, "regions": [region(x) for x in labels], "file_attributes": attributes}


VIA = {"a.jpg9": via("a.jpg", {"tags": {"cat": True, "dog": True, "cow": False}}), "b.jpg9": via("b.jpg", {}, "dog")}
DEFAULTS = {"caption": "", "public_domain": "no", "image_url": ""}
CLASSES = ["cat", "cow", "dog"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ([task(1, "/data/upload/1/5f2a8c1d-a.jpg", "cat", "dog"), task(2, "/up/b.jpg", "dog")], "Label Studio"),
        (
            [
                {"id": 1, "data": {"img": "s3://bucket/a.jpg"}, "annotations": [{"result": [
                    {"value": {"x": 1, "rectanglelabels": [label]}} for label in ("cat", "dog", "dog")
                ]}]},
                task(2, "/data/local-files/?d=photos/b.jpg", "dog"),
            ],
            "Label Studio",
        ),
        ([{"image": "/data/upload/1/a.jpg", "id": 7, "choice": {"choices": ["cat", "dog"]}, "annotator": 1},
          {"image": "/data/upload/1/b.jpg", "id": 8, "choice": "dog", "annotator": 1}], "'choice'"),
        (VIA, "VGG Image Annotator's JSON"),
        ({"_via_settings": {}, "_via_img_metadata": VIA}, "project of the VGG"),
        ({"a.jpg9": {**via("a.jpg", DEFAULTS), "regions": {"0": region("cat"), "1": region("dog")}},
          "b.jpg9": via("b.jpg", DEFAULTS, "dog", "dog")}, "VGG"),
        ({"classes": CLASSES, "labels": {"a": [0, 2], "b": 2}}, "FiftyOne's labels"),
        ({"classes": None, "labels": {"a": ["cat", "dog"], "b": "dog"}}, "FiftyOne's labels"),
        ({"classes": CLASSES, "labels": {"a": [{"label": 0, "bounding_box": [0, 0, 1, 1]}, {"label": 2}],
                                         "b": [{"label": "dog"}]}}, "FiftyOne's labels"),
        ({"samples": [
            {"filepath": "data/a.jpg", "tags": ["train"], "ground_truth": {
                "_cls": "Classifications", "classifications": [{"label": "cat"}, {"label": "dog"}]}},
            {"filepath": "data/b.jpg", "tags": ["validation"], "ground_truth": {
                "_cls": "Detections", "detections": [{"label": "dog", "bounding_box": [0, 0, 1, 1]}]}},
        ]}, "FiftyOne's samples"),
        ({"info": {}, "categories": {"label": {"labels": [{"name": name} for name in CLASSES]}}, "items": [
            {"id": "x/a", "image": {"path": "a.jpg"}, "annotations": [
                {"type": "label", "label_id": 0}, {"type": "bbox", "label_id": 2}, {"type": "caption"}]},
            {"id": "x/b", "media": {"path": ""}, "annotations": [{"type": "polygon", "label_id": 2}]},
        ]}, "Datumaro's JSON"),
    ],
)  # fmt: skip
def test_json_of_annotation_tools(folder: Path, content: Any, kind: str) -> None:
    source = read(folder, "export.json", content)
    assert labels_of(source) == EXPECTED
    assert kind in source.kind


def test_csv_of_annotation_tools(folder: Path) -> None:
    label_studio = (
        'image,id,choice,annotator\n/data/upload/1/5f2a8c1d-a.jpg,1,"{""choices"":[""cat"",""dog""]}",1\n'
        "/data/upload/1/0f2a8c1d-b.jpg,2,dog,1\n"
    )
    assert labels_of(read(folder, "export.csv", label_studio)) == EXPECTED
    via_csv = (
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
        'a.jpg,9,"{}",2,0,"{""name"":""rect""}","{""class"":""cat""}"\n'
        'a.jpg,9,"{}",2,1,"{""name"":""rect""}","{""class"":""dog""}"\n'
        'b.jpg,9,"{""tags"":{""dog"":true}}",0,0,"{}","{}"\n'
    )
    assert labels_of(read(folder, "export.csv", via_csv)) == EXPECTED


def test_cvat_for_images(folder: Path) -> None:
    source = read(
        folder,
        "annotations.xml",
        '<?xml version="1.0"?><annotations><version>1.1</version>'
        '<image name="a.jpg" subset="Train"><box label="cat" xtl="1"/><tag label="dog"/><box label="cat"/></image>'
        '<image id="1" name="b.jpg" subset="Validation"><polygon label="dog" points="1,2"/></image></annotations>',
    )
    assert labels_of(source) == EXPECTED
    assert set(source.samples) == {"train", "val"}
    assert labels_of(read_source(folder, Options())) == EXPECTED


def test_a_split_that_only_some_images_have_is_an_error(folder: Path) -> None:
    samples = [
        {"filepath": name, "tags": tags, "label": {"_cls": "Classification", "label": "cat"}}
        for name, tags in (("a.jpg", ["train"]), ("b.jpg", []))
    ]
    assert read(folder, "samples.json", {"samples": samples}).errors == [
        "1 images have no split, though others have one (sample 2)"
    ]


def test_tasks_that_nobody_annotated_are_left_out_and_counted(folder: Path) -> None:
    source = read(folder, "export.json", [task(1, "a.jpg", "cat"), task(2, "b.jpg", "dog", cancelled=True)])
    assert labels_of(source) == {"a.jpg": {"cat"}}
    assert "1 tasks without an annotation were left out (task 2)" in [found.message for found in source.findings]


def test_several_annotations_of_a_task_are_pointed_out(folder: Path) -> None:
    content = [task(1, "a.jpg", "cat"), task(2, "b.jpg", "dog")]
    content[0]["annotations"] += task(1, "a.jpg", "dog")["annotations"]
    source = read(folder, "export.json", content)
    assert labels_of(source) == EXPECTED
    assert "1 tasks have several annotations; their labels were joined (task 1)" in map(str, source.findings)


def test_a_text_of_a_task_is_no_image(folder: Path) -> None:
    content = [task(1, "a.jpg", "cat", "dog"), task(2, "b.jpg", "dog")]
    for item in content:
        item["data"] = {"caption": "e.g. a dog / a cat", "photo": item["data"]["image"]}
    assert labels_of(read(folder, "export.json", content)) == EXPECTED


def test_attributes_of_cvat_are_pointed_out(folder: Path) -> None:
    tag = '<tag label="dog"><attribute name="breed">pug</attribute></tag>'
    source = read(folder, "a.xml", f'<annotations><image name="a.jpg">{tag}</image></annotations>')
    assert "attributes of a.xml were not read, only the labels of tags and shapes (breed)" in map(str, source.findings)


def test_tasks_with_predictions_only_are_left_out(folder: Path) -> None:
    source = read(folder, "export.json", [{"data": {"image": "a.jpg"}, "predictions": [{"result": []}]}])
    assert source.errors == ["no image has a label"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"classes": CLASSES, "labels": {"a": 3}}, "label 3 is none of the 3 classes"),
        ({"samples": [{"tags": []}]}, "sample 1 has no filepath"),
        ({"samples": [1]}, "is not as FiftyOne's samples is .*; export it again"),
        ({"categories": {}, "items": [{"id": "a", "annotations": [{"label_id": 0}]}]}, "item a: label_id 0 is none of"),
        ([{"data": {}, "annotations": []}], "task 1 names no image"),
        ({"a": via("a.jpg", {"breed": "pug", "mood": "good"})}, "in the attribute 'breed' or 'mood'"),
    ],
)
def test_exports_that_are_not_clear(folder: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(folder, "export.json", content)
