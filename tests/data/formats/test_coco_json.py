"""COCO's JSON of other tools than COCO's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import messages

from cnnrnn.data import DataError, Options, load_split
from cnnrnn.data.source import Source, read_source

CATEGORIES = [{"id": 1, "name": "cat", "supercategory": "pets"}, {"id": 2, "name": "dog", "supercategory": "pets"}]


def annotation(number: int, image: Any, category: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": [1, 2, 3, 4]}


def document(*names: str, categories: Any = CATEGORIES, **changes: Any) -> dict[str, Any]:
    """The first image has both labels, the others a dog."""
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    annotations = [annotation(9, 0, 1), *(annotation(number, number, 2) for number in range(len(names)))]
    return {"images": images, "annotations": annotations, "categories": categories, **changes}


def write(path: Path, content: Any, *images: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    for name in images:
        image = path.parent.parent / name if path.parent.name == "annotations" else path.parent / name
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(b"")


def found(source: Source) -> dict[str, list[tuple[str, set[str]]]]:
    return {
        name: [(sample.image.name, set(sample.labels)) for sample in samples]
        for name, samples in source.samples.items()
    }


def test_annotations_with_low_scores_are_predictions(tmp_path: Path) -> None:
    content = document("a.jpg", "b.jpg")
    content["annotations"][0]["score"], content["annotations"][1]["score"] = 0.9, 0.04
    write(tmp_path / "x.json", content, "a.jpg", "b.jpg")
    with pytest.raises(DataError, match=r"annotation 0 has the score 0\.04, as predictions do; keep those"):
        read_source(tmp_path / "x.json", Options())


def test_lvis_names_images_by_their_address_at_coco(tmp_path: Path) -> None:
    content = document("1.jpg", "2.jpg")
    for image in content["images"]:
        image |= {
            "coco_url": f"http://images.cocodataset.org/val2017/{image.pop('file_name')}",
            "neg_category_ids": [1],
        }
    write(tmp_path / "lvis_v1_val.json", content, "val2017/1.jpg", "val2017/2.jpg")
    source = read_source(tmp_path, Options())
    assert found(source) == {"val": [("1.jpg", {"cat", "dog"}), ("2.jpg", {"dog"})]}
    assert "2 images list the labels that were looked for and not found" in messages(source)
    assert source.boxes is not None
    assert source.boxes(source.samples["val"][0])["cat"] == [(1, 2, 4, 6)]


def test_roboflow(tmp_path: Path) -> None:
    root = [{"id": 0, "name": "animals", "supercategory": "none"}]
    categories = [*root, *({**item, "supercategory": "animals"} for item in CATEGORIES)]
    for split, name in (("train", "a.jpg"), ("valid", "b.jpg"), ("test", "c.jpg")):
        write(tmp_path / split / "_annotations.coco.json", document(name, categories=categories), name)
    source = read_source(tmp_path, Options())
    both = {"cat", "dog"}
    assert found(source) == {"train": [("a.jpg", both)], "val": [("b.jpg", both)], "test": [("c.jpg", both)]}
    assert source.labels == ("cat", "dog")  # without the parent of all


def test_cvat_and_folders_in_file_names(tmp_path: Path) -> None:
    write(tmp_path / "annotations" / "instances_default.json", document("cam/a.jpg", "b.jpg"),
          "images/default/cam/a.jpg", "images/default/b.jpg")  # fmt: skip
    for path in (tmp_path, tmp_path / "annotations" / "instances_default.json"):
        source = read_source(path, Options())
        images = [sample for split in source.samples.values() for sample in split]
        assert sorted(sample.image.name for sample in images) == ["a.jpg", "b.jpg"]
        assert source.boxes is not None
        assert source.boxes(next(s for s in images if s.image.name == "a.jpg"))["cat"] == [(1, 2, 4, 6)]


def test_ids_as_texts_or_numbers(tmp_path: Path) -> None:
    content = document("a.jpg", "b.jpg")
    content["annotations"] = [annotation(1, "0", "1"), annotation(2, 1.0, " 2"), annotation(3, 0, 2)]
    write(tmp_path / "train.json", content, "a.jpg", "b.jpg")
    (samples,) = read_source(tmp_path / "train.json", Options(val_fraction=0.01)).samples.values()
    assert [set(sample.labels) for sample in samples] == [{"cat", "dog"}, {"dog"}]
    write(tmp_path / "annotations" / "instances_train2017.json", content, "train2017/a.jpg", "train2017/b.jpg")
    official = load_split("coco2017", tmp_path, "train")
    assert [set(sample.labels) for sample in official.samples] == [{"cat", "dog"}, {"dog"}]


def test_oddities_are_counted(tmp_path: Path) -> None:
    content = document("a.jpg", "b.jpg", categories=[*CATEGORIES, {"id": 3, "name": "dog"}, {"id": 4, "name": "cow"}])
    content["annotations"] += [annotation(50, 777, 1), annotation(51, 1, 3)]
    content["images"].append({"id": 0, "file_name": "a.jpg"})
    write(tmp_path / "train.json", [content], "a.jpg", "b.jpg")
    messages = [str(finding) for finding in read_source(tmp_path / "train.json", Options()).findings]
    assert messages[:4] == [
        "train.json is a list that holds one COCO document; that was read",
        "train.json: 1 images are listed twice with the same id; each was taken once",
        "train.json: 1 categories have the name of another; each name is one label",
        "train.json: 1 annotations of images that are not listed (annotation 50)",
    ]
    assert "1 labels have no image in train, so that no model learns them (images in val and test): cow (0)" in messages


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"annotations": [annotation(5, 0, 99)]},
            r"1 annotations have no category_id of .* \(annotation 5\)",
        ),
        ({"annotations": [{"id": 6, "image_id": 0}]}, r"no category_id of those listed \(annotation 6\)"),
        ({"annotations": [{"id": 6, "category_id": 1}]}, "annotation 6 has no image_id"),
        ({"annotations": []}, "no image has a label"),
        ({"annotations": None}, "has no annotations: it lists images without labels"),
        ({"images": [{"id": 0}]}, "'file_name' is missing"),
        ({"categories": [{"id": 1}]}, "'name' is missing"),
        ({"categories": [{"id": 1, "name": " "}]}, "name is empty where the id is 1"),
        ({"categories": [{"id": 1, "name": None}]}, "name is empty where the id is 1"),
        ({"categories": [*CATEGORIES, {"id": "1", "name": "cow"}]}, "the id 1 stands for 'cat' and for 'cow'"),
        ({"categories": ["cat"]}, "'cat' is no object with id and name"),
        ({"categories": []}, "it has no categories"),
        ({"images": [{"id": 0, "file_name": "a.jpg"}, {"id": 0, "file_name": "b.jpg"}]}, "stands for 'a.jpg' and for"),
    ],
)
def test_what_would_be_trained_wrongly_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path / "train.json", document("a.jpg", **changes), "a.jpg")
    with pytest.raises(DataError, match=message):
        load_split("table", tmp_path / "train.json", "train")


def test_categories_that_only_validation_has(tmp_path: Path) -> None:
    write(tmp_path / "annotations" / "train.json", document("a.jpg"), "a.jpg")
    content = document("b.jpg", categories=[*CATEGORIES, {"id": 3, "name": "cow"}])
    content["annotations"].append(annotation(7, 0, 3))
    write(tmp_path / "annotations" / "val.json", content, "b.jpg")
    with pytest.raises(DataError, match=r"val\.json has the categories cow, which train\.json lacks"):
        read_source(tmp_path, Options())


def test_files_of_test_images_have_no_annotations(tmp_path: Path) -> None:
    write(tmp_path / "annotations" / "train.json", document("a.jpg"), "a.jpg")
    content = document("b.jpg")
    del content["annotations"]
    write(tmp_path / "annotations" / "test.json", content, "b.jpg")
    source = read_source(tmp_path, Options())
    assert set(source.samples) == {"train"}
    assert "test.json has no annotations; its 1 images were left out" in str(source.findings[0])


@pytest.mark.parametrize(
    "annotations",
    [
        [{"image_id": 0, "category_id": [1, 2]}, {"image_id": 1, "category_id": [2]}],
        [{"image_id": 0, "category_ids": [1, 2], "bbox": [1, 2, 3, 4]}, {"image_id": 1, "category_ids": ["2"]}],
        [
            {"image_id": 0, "file_name": "a.png", "segments_info": [{"id": 7, "category_id": 1}, {"category_id": 2}]},
            {"image_id": 1, "file_name": "b.png", "segments_info": [{"id": 8, "category_id": 2}]},
        ],
    ],
)  # fmt: skip
def test_several_categories_in_one_annotation(tmp_path: Path, annotations: list[Any]) -> None:
    write(tmp_path / "a.json", document("a.jpg", "b.jpg") | {"annotations": annotations}, "a.jpg", "b.jpg")
    (samples,) = read_source(tmp_path / "a.json", Options(val_fraction=0.01)).samples.values()
    assert [set(sample.labels) for sample in samples] == [{"cat", "dog"}, {"dog"}]


def test_splits_are_read_where_the_first_image_has_none(tmp_path: Path) -> None:
    content = document("a.jpg", "b.jpg", "c.jpg")
    for image, split in zip(content["images"][1:], ("train", "val"), strict=True):
        image["split"] = split
    write(tmp_path / "x.json", content, "a.jpg", "b.jpg", "c.jpg")
    source = read_source(tmp_path / "x.json", Options())
    assert [sample.image.name for sample in source.samples["val"]] == ["c.jpg"]
