"""The inputs of ../shared/cases: each gives the labels of the plain table, or says what to do."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

# What cannot be understood for certain is refused, with a word that tells why.
REFUSED = {
    "t27": "'0' in the column 'split' is no split",
    "t42": "line 2: 4 cells",
    "t51": "Excel workbook",
    "t57": "4 is no label",
    "u02": "line 2: 5 cells",
    "c14": "no category_id of those listed",
    "c18": "has the categories new-in-val",
    "c19": "no category_id of those listed",
    "c24": "has no annotations",
}
# Training on these is refused, but all else about them is shown.
WRONG = {"t35": "3 images are in train and in val", "c11": "no image has a label"}
OTHER_NAMES = {"t04", "t25", "c21", "v03", "v04", "v13", "v15"}  # in which some labels differ by intention


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> Path:
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip("needs ../shared/cases")
    return folder


def case_names() -> list[str]:
    folder = Path(__file__).resolve().parents[3] / "shared" / "cases"
    return sorted(path.name for path in folder.iterdir() if re.match(r"[ctuv]\d", path.name)) if folder.is_dir() else []


def images_of(shared_data: Path) -> Path:
    return shared_data / "VOCdevkit" / "VOC2007" / "JPEGImages"


def place(name: str, cases: Path, photographs: Path, folder: Path) -> Path:
    """The case beside its photographs; returns the source."""
    shutil.copytree(cases / name, folder, dirs_exist_ok=True)
    if name[0] == "v":
        return _place_voc(name, photographs, folder)
    if name[0] == "c":
        return _place_coco(name, photographs, folder)
    (table,) = (path for path in folder.rglob("*") if path.is_file())
    for stem in sorted(set(re.findall(r"\d{6}", table.read_text(encoding="utf-8", errors="ignore").replace("\0", "")))):
        image = table.parent / ("photos" if name.startswith("t09") else "") / f"{stem}.jpg"
        image.parent.mkdir(exist_ok=True)
        if (photographs / f"{stem}.jpg").is_file():
            shutil.copy(photographs / f"{stem}.jpg", image.with_suffix(".JPG") if name.startswith("t10") else image)
    for extra in re.findall(r"[xy]\d\.jpg", table.read_text(encoding="utf-8", errors="ignore")):
        shutil.copy(photographs / "000906.jpg", table.parent / extra)
    if name.startswith("t40"):
        shutil.copy(photographs / "000906.jpg", table.parent / unicodedata.normalize("NFD", "café-été.jpg"))
    return table


def _place_coco(name: str, photographs: Path, folder: Path) -> Path:
    for path in sorted((folder / "annotations").glob("*.json")):
        content = json.loads(path.read_text())
        images = folder / ("val2017" if "val" in path.name else "train2017")
        for image in (content[0] if isinstance(content, list) else content)["images"]:
            if stem := re.search(r"\d{6}", image["file_name"]):
                (images / image["file_name"]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(photographs / f"{stem.group()}.jpg", images / image["file_name"])
    default = folder / "annotations" / "instances_default.json"
    return default if default.is_file() else folder


def _place_voc(name: str, photographs: Path, folder: Path) -> Path:
    root = folder / "VOCdevkit" / "VOC2012"
    images = root / "JPEGImages"
    images.mkdir()
    for path in (root / "Annotations").glob("*.xml"):
        stem = re.search(r"\d{6}", path.stem)
        photograph = photographs / f"{stem.group() if stem else '000906'}.jpg"
        if name.startswith("v09"):
            Image.open(photograph).save(images / f"{path.stem}.png")
        else:
            shutil.copy(photograph, images / f"{path.stem}{'.JPG' if name.startswith('v11') else '.jpg'}")
    return folder


def labels_of(source: Source) -> dict[str, set[str]]:
    return {sample.image.stem: set(sample.labels) for split in source.samples.values() for sample in split}


@pytest.mark.skipif(not case_names(), reason="needs ../shared/cases")
@pytest.mark.parametrize("name", case_names())
def test_a_case(name: str, cases: Path, shared_data: Path, tmp_path: Path) -> None:
    key = name.partition("-")[0]
    path = place(name, cases, images_of(shared_data), tmp_path / "case")
    if key in REFUSED:
        with pytest.raises(DataError, match=re.escape(REFUSED[key])):
            read_source(path, Options())
        return
    source = read_source(path, Options())
    assert [error.startswith(WRONG.get(key, "-")) for error in source.errors] == [True] * (key in WRONG)
    if key in WRONG or key in OTHER_NAMES:
        return
    plain = read_source(place("t33-no-split-column", cases, images_of(shared_data), tmp_path / "plain"), Options())
    found = labels_of(source)
    for image, labels in labels_of(plain).items():
        assert found.get(image, labels) == labels
    assert len(found) >= 12
