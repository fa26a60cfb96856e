"""Other annotations in a folder per label, deeper than they are looked for: folders of images may be no labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

IMAGES = ("a/1.jpg", "a/2.jpg", "a/3.jpg", "b/4.jpg", "b/5.jpg")
LABELS = {"1.jpg": ["cat", "dog"], "2.jpg": ["dog"], "3.jpg": ["cat"], "4.jpg": ["dog"], "5.jpg": ["cat"]}
TABLE = "image,labels\n" + "".join(f"{image},{';'.join(labels)}\n" for image, labels in LABELS.items())
COCO = {
    "images": [{"id": n, "file_name": name} for n, name in enumerate(LABELS)],
    "annotations": [{"image_id": n, "category_id": k} for n, found in enumerate(LABELS.values()) for k in found],
    "categories": [{"id": name, "name": name} for name in ("cat", "dog")],
}


def folder_with(folder: Path, files: dict[str, Any], root: str = "images/") -> Path:
    for name in IMAGES:
        (folder / root / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / root / name).write_bytes(b"")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def warnings(source: Source) -> str:
    return "\n".join(found.message for found in source.findings if found.level == "warning")


@pytest.mark.parametrize("place", ["labels", "Labels", "meta", "docs/new", "images", "images/a"])
@pytest.mark.parametrize("file", [{"all.csv": TABLE}, {"all.json": COCO}, {"all.json": LABELS}], ids=str)
def test_a_table_with_other_labels_is_refused(tmp_path: Path, place: str, file: dict[str, Any]) -> None:
    ((name, content),) = file.items()
    folder_with(tmp_path, {f"{place}/{name}": content})
    message = (
        rf"a folder per label \(a, b\), but {place}/{name} gives their images other labels, such as 1\.jpg: cat, dog"
    )
    with pytest.raises(DataError, match=message) as refused:
        read_source(tmp_path, Options())
    assert f"give that file and --images {tmp_path}" in str(refused.value)
    source = read_source(tmp_path / place / name, Options(images=tmp_path))
    assert {s.image.name: [*s.labels] for split in source.samples.values() for s in split} == LABELS
    if "images" not in place:
        assert f"if the folders are the labels, give {tmp_path / 'images'}" in str(refused.value)
        assert read_source(tmp_path / "images", Options()).labels == ("a", "b")


@pytest.mark.parametrize("name", ["all.pq", "all.jsonlines", "all.manifest"])
def test_tables_with_rare_suffixes_are_opened_too(tmp_path: Path, name: str) -> None:
    rows = [{"image": image, "labels": labels} for image, labels in LABELS.items()]
    folder_with(tmp_path, {f"meta/{name}": "\n".join(map(json.dumps, rows))})
    if name == "all.pq":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "meta" / name)
    with pytest.raises(DataError, match=f"meta/{name} gives their images other labels"):
        read_source(tmp_path, Options())


def test_several_tables_with_other_labels_are_refused(tmp_path: Path) -> None:
    rows = TABLE.splitlines()
    files = {"Labels/a.csv": "\n".join(rows[:4]), "Labels/b.csv": "\n".join([rows[0], *rows[4:]])}
    with pytest.raises(
        DataError, match=r"but Labels/a\.csv, Labels/b\.csv give .* give one table of them and --images"
    ):
        read_source(folder_with(tmp_path, files), Options())


def test_folders_of_splits_beside_a_table(tmp_path: Path) -> None:
    for name in IMAGES:
        (tmp_path / "test" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "test" / name).with_stem("9").write_bytes(b"")
    with pytest.raises(DataError, match=r"other labels, .* move it elsewhere"):
        read_source(folder_with(tmp_path, {"meta/all.csv": TABLE}, "train/"), Options())


@pytest.mark.parametrize("labels", [{"a": "a", "b": "b"}, {"a": "apples", "b": "bananas"}])
def test_a_table_with_the_same_labels_is_pointed_out(tmp_path: Path, labels: dict[str, str]) -> None:
    table = "image,labels\n" + "".join(f"{image},{labels[image[0]]}\n" for image in IMAGES)
    source = read_source(folder_with(tmp_path, {"meta/all.csv": table}), Options())
    assert source.labels == ("a", "b")
    assert "about these images: meta/all.csv" in warnings(source)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({f"images/{name}".replace("jpg", "json"): {"labels": [name[0]]} for name in IMAGES}, "5 files called like"),
        ({f"images/{name}.json": {"width": 640} for name in IMAGES}, "images/a/1.jpg.json"),
        ({f"images/{name}".replace("jpg", "txt"): f"taken by {name}" for name in IMAGES}, "images/a/1.txt"),
        ({f"images/{name}".replace("jpg", "xml"): "<annotation/>" for name in IMAGES}, "images/a/1.xml"),
        ({f"Annotation/{name}".replace(".jpg", ""): "<annotation/>" for name in IMAGES}, "Annotation/a/1"),
        ({f"images/{part}/{part}_labels_metadata.json": {"labels": ["x"]} for part in "ab"}, "a_labels_metadata.json"),
        ({"runs/predictions.csv": TABLE}, "runs/predictions.csv"),
        ({"labels/joint.txt": "".join(f"{name} cat dog \n" for name in IMAGES)}, "labels/joint.txt"),
        ({"joint.txt": "".join(f"{name} cat dog \n" for name in IMAGES)}, "about these images: joint.txt"),
        ({"meta/x.json": {"cat": [{"file": image} for image in LABELS]}}, "meta/x.json"),
        ({"attributes/image_attribute_labels.txt": "1 1 0 3 27.7\n1 2 1 3 27.7\n"}, "image_attribute_labels.txt"),
        ({"labels.csv.gz": "x"}, "not read: labels.csv.gz"),
        ({"lists/labels.mat": "MATLAB 5.0"}, "not read: lists/labels.mat; if the labels are in there, save it as CSV"),
    ],
    ids=str,
)
def test_other_files_about_images_are_pointed_out(tmp_path: Path, files: dict[str, Any], named: str) -> None:
    source = read_source(folder_with(tmp_path, files), Options())
    assert source.labels == ("a", "b")
    assert named in warnings(source)
    assert "passed over" not in "\n".join(map(str, source.findings))


def test_files_about_something_else_are_no_labels(tmp_path: Path) -> None:
    files = {
        "classes.txt": "a\nb\n",
        "labels.txt": "a\nb\n",
        "docs/notes.txt": "one or two words\n",
        "LICENSE": "free",
        "images/a/license.txt": "free\n",
        "src/config.json": {"classes": 2},
        "images/a/1.txt": "",
        "results/log.csv": "epoch,loss\n1,2\n2,3\n",
    }
    assert warnings(read_source(folder_with(tmp_path, files), Options())) == ""


def test_numbers_with_blank_lines_take_no_time(tmp_path: Path) -> None:
    """One pattern for the whole text would try every way to share out its blank lines: with forty, for ever."""
    folder = folder_with(tmp_path, {"a/labels.txt": "1 2\n\n" * 40 + "x"}, root="")
    assert read_source(folder, Options()).labels == ("a", "b")
