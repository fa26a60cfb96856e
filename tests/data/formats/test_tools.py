"""Exports of annotation tools, as their documentation shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_by_image as labels_of

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


def result(name: str, kind: str, *labels: Any) -> dict[str, Any]:
    return {"from_name": name, "type": kind, "value": {kind: list(labels)}}


def test_taxonomies_give_the_last_part_of_each_path(folder: Path) -> None:
    content = [task(1, "a.jpg"), task(2, "b.jpg")]
    content[0]["annotations"][0]["result"] = [result("t", "taxonomy", ["animal", "cat"], ["animal", "dog"])]
    content[1]["annotations"][0]["result"] = [result("t", "taxonomy", ["animal", "dog"])]
    source = read(folder, "export.json", content)
    assert labels_of(source) == EXPECTED
    assert "of the paths of a taxonomy, the last parts were read as labels" in map(str, source.findings)


def test_several_controls_of_a_task_are_pointed_out(folder: Path) -> None:
    content = [task(1, "a.jpg", "cat", "dog"), task(2, "b.jpg", "dog")]
    for item in content:
        item["annotations"][0]["result"].append(result("quality", "choices", "good"))
    source = read(folder, "export.json", content)
    assert labels_of(source) == {name: {*labels, "good"} for name, labels in EXPECTED.items()}
    assert (
        "the labels of 2 controls were joined: choice (cat, dog), quality (good); remove from the export what is no "
        "label of an image" in map(str, source.findings)
    )


def test_results_without_labels_are_pointed_out(folder: Path) -> None:
    content = [task(1, "a.jpg"), task(2, "b.jpg")]
    for item in content:
        item["annotations"][0]["result"] = [{"from_name": "t", "type": "textarea", "value": {"text": ["cat"]}}]
    source = read(folder, "export.json", content)
    assert source.errors == ["no image has a label"]
    assert "results that are no choices and no labels were not read: 2 of textarea" in map(str, source.findings)


def test_options_of_via_whose_ids_are_numbers_have_texts(folder: Path) -> None:
    entries = {
        "a": via("a.jpg", {"animal": {"1": True, "2": True}, "sky": "0"}),
        "b": via("b.jpg", {"animal": {"1": False, "2": True}, "sky": ""}),
    }
    options = {"animal": {"options": {"1": "cat", "2": "dog"}}, "sky": {"options": {"0": "grey", "9": "blue"}}}
    project = {"_via_img_metadata": entries, "_via_attributes": {"region": {}, "file": options}}
    assert labels_of(read(folder, "p.json", project)) == {"a.jpg": {"cat", "dog", "grey"}, "b.jpg": {"dog"}}
    named = {"a": via("a.jpg", {"animal": {"cat": True, "dog": True}}), "b": via("b.jpg", {"animal": {"dog": True}})}
    project["_via_img_metadata"] = named
    options["animal"]["options"] = {"cat": "Felis catus", "dog": "Canis familiaris"}
    assert labels_of(read(folder, "p.json", project)) == EXPECTED


def test_several_attributes_of_via_are_pointed_out(folder: Path) -> None:
    content = {
        "a": via("a.jpg", {"type": "cat", "quality": {"good": True}, "caption": "c"}),
        "b": via("b.jpg", {}, "dog"),
    }
    source = read(folder, "export.json", content)
    assert labels_of(source) == {"a.jpg": {"cat", "good"}, "b.jpg": {"dog"}}
    assert (
        "the labels of 3 attributes were joined: type (cat), quality (good), class (dog); remove from the export what "
        "is no label of an image" in map(str, source.findings)
    )
    content = {n: via(f"{n}.jpg", {"name": n, "type": "human", "image_quality": {"blurred": True}}) for n in ("a", "b")}
    source = read(folder, "export.json", content)
    assert labels_of(source) == {"a.jpg": {"a"}, "b.jpg": {"b"}}
    assert "attributes that were not read, beside name: type (human), image_quality (blurred)" in map(
        str, source.findings
    )


def sample(name: str, **fields: Any) -> dict[str, Any]:
    return {"filepath": f"data/{name}", "tags": [], **fields}


def field(kind: str, *labels: str) -> dict[str, Any]:
    return {"_cls": kind, kind.lower(): [{"label": label, "confidence": 0.9} for label in labels]}


@pytest.mark.parametrize("name", ["ground_truth", "gt"])
def test_the_ground_truth_of_fiftyone_beside_predictions(folder: Path, name: str) -> None:
    samples = [
        sample("a.jpg", resnet=field("Classifications", "cow"), **{name: field("Detections", "cat", "dog")}),
        sample("b.jpg", resnet=None, **{name: field("Detections", "dog")}),
    ]
    source = read(folder, "samples.json", {"samples": samples})
    assert labels_of(source) == EXPECTED
    assert f"the field {name} of samples.json was read, but not resnet" in map(str, source.findings)


def test_predictions_of_fiftyone_alone_are_pointed_out(folder: Path) -> None:
    samples = [sample("a.jpg", predictions=field("Detections", "cat", "dog"))]
    samples += [sample("b.jpg", predictions=field("Detections", "dog"))]
    source = read(folder, "samples.json", {"samples": samples})
    assert labels_of(source) == EXPECTED
    assert "the only labels of samples.json are in the field predictions; check that people gave them" in map(
        str, source.findings
    )


@pytest.mark.parametrize("kind", ["Polylines", "Keypoints"])
def test_shapes_of_fiftyone(folder: Path, kind: str) -> None:
    one = {"_cls": kind.removesuffix("s"), "label": "dog", "points": []}
    samples = [sample("a.jpg", shapes=field(kind, "cat", "dog")), sample("b.jpg", shapes=one)]
    assert labels_of(read(folder, "samples.json", {"samples": samples})) == EXPECTED


NAMELESS = [["a.jpg"], {"name": "a.jpg"}, 7, " "]


@pytest.mark.parametrize("name", NAMELESS)
def test_names_of_images_that_are_no_texts(folder: Path, name: Any) -> None:
    categories = {"label": {"labels": [{"name": "cat"}]}}
    for content in (
        {"a": via(name, {}, "cat")},
        {"categories": categories, "items": [{"image": {"path": name}, "annotations": [{"label_id": 0}]}]},
    ):
        with pytest.raises(DataError, match=r"(entry a|item 1): the image is .*; write the name of a file"):
            read(folder, "export.json", content)


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
        (
            {"samples": [sample("a.jpg", a=field("Detections", "cat"), b=field("Detections", "dog"))]},
            "the labels can be in the fields a, b; export the data set with one",
        ),
        ({"a": via("a.jpg", {"breed": "pug", "mood": "good"})}, "in the attribute 'breed' or 'mood'"),
    ],
)
def test_exports_that_are_not_clear(folder: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(folder, "export.json", content)
