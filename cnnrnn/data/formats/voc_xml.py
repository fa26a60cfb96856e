"""PASCAL VOC's XML with one's own labels: a file per image, with or without lists of splits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from cnnrnn.data.formats.splits import split_in_name
from cnnrnn.data.formats.text import read_text
from cnnrnn.data.formats.xml import parse
from cnnrnn.data.images import SUFFIXES
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import Boxes, DataError

LISTS = ("train", "val", "valid", "test")  # of ImageSets/Main; trainval repeats two of them
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_DIFFICULT = {"1", "true", "yes"}  # other words, such as Unspecified, are no


def find(folder: Path) -> list[Path]:
    """Folders in VOC's layout: this one, those of VOCdevkit, or of train/, valid/ and test/; each holds XML files."""
    devkit = folder / "VOCdevkit" if (folder / "VOCdevkit").is_dir() else folder
    inside = sorted(path for path in devkit.iterdir() if path.is_dir())
    own = _annotations(devkit)
    return [*([devkit] if own else []), *(place for place in inside if place != own and _annotations(place))]


def _annotations(folder: Path) -> Path | None:
    """Where the XML files of a folder are: in Annotations, or beside the images."""
    for place in (folder / "Annotations", folder):
        first = next(iter(_files(place)), None) if place.is_dir() else None
        if first is not None and _is_voc(first):
            return place
    return None


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.xml")) if not path.name.startswith(".")]  # ._ files of macOS


def _is_voc(path: Path) -> bool:
    try:
        return parse(path).tag == "annotation"
    except DataError:
        return path.parent.name == "Annotations"


def read(folders: list[Path], root: Path, findings: Findings) -> Reading:
    """The rows of all folders. Raises DataError for a damaged file."""
    rows: list[Row] = []
    annotations: dict[str, Path] = {}
    for folder in folders:
        found = list(_rows(folder, root, findings))
        rows += [row for row, _ in found]
        annotations |= {row.image: path for row, path in found if path is not None}
    return Reading(
        "PASCAL VOC XML",
        rows,
        root,
        findings,
        image_folders=tuple(place for folder in folders for place in (folder / "JPEGImages", folder) if place.is_dir()),
        boxes=lambda name: boxes(annotations[name]) if name in annotations else {},
    )


def _rows(folder: Path, root: Path, findings: Findings) -> Iterator[tuple[Row, Path | None]]:
    place = _annotations(folder)
    if place is None:
        raise DataError(f"{folder} has no XML files of PASCAL VOC")
    files = {path.stem: path for path in _files(place)}
    splits = _listed(folder, files, findings)
    without = [name for name in splits or () if name not in files]
    if without:
        findings.warning(f"{len(without)} images have no XML file; they were taken for images without labels", without)
    named_by_folder = split_in_name(folder.name) if folder != root else None
    if splits and (unlisted := [name for name in files if name not in splits]):
        findings.note(f"{len(unlisted)} XML files are in no list of splits and were left out", unlisted)
    for name in splits or files:
        labels, ignored = objects(files[name], findings) if name in files else (set(), set())
        split = splits[name] if splits else named_by_folder
        image = _image(folder, name, files)
        row = Row(f"{name}.xml", str(image), tuple(sorted(labels)), split, tuple(sorted(ignored)))
        yield row, files.get(name)


def image_path(folder: Path, stem: str) -> Path:
    """The image of an annotation, by the name of its XML file: tools copy the name inside from elsewhere."""
    for place in (folder / "JPEGImages", folder):
        for suffix in SUFFIXES:
            for written in (suffix, suffix.upper()):
                if (place / f"{stem}{written}").is_file():
                    return place / f"{stem}{written}"
    return folder / "JPEGImages" / f"{stem}.jpg"


def _image(folder: Path, name: str, files: dict[str, Path]) -> Path:
    """`image_path`, or the image named inside if there is no other, and no other XML file is called like it."""
    path = image_path(folder, name)
    if name in files and not path.is_file():
        inside = Path(parse(files[name]).findtext("filename", "").strip()).stem
        if inside and inside not in files and (written := image_path(folder, inside)).is_file():
            return written
    return path


def _listed(folder: Path, files: dict[str, Path], findings: Findings) -> dict[str, str]:
    """The split of every image of ImageSets/Main; empty without these lists."""
    splits: dict[str, str] = {}
    for name in LISTS:
        path = folder / "ImageSets" / "Main" / f"{name}.txt"
        if path.is_file():
            for image in ids(path, files, findings):
                if splits.setdefault(image, name) != name:
                    findings.error(f"{image} is in the lists {splits[image]} and {name}; leave it in one")
    return splits


def ids(path: Path, files: dict[str, Path], findings: Findings) -> Iterator[str]:
    """The images of a list: names that may have blanks, a suffix, or a column of 1, 0 and -1 behind them."""
    for line in read_text(path, findings).splitlines():
        name = line.strip()
        first, _, last = name.rpartition(" ")
        if name not in files and first and last in ("1", "0", "-1"):
            name = first.strip()
        if name not in files and Path(name).suffix.lower() in SUFFIXES:
            name = Path(name).stem
        if name:
            yield name


def objects(path: Path, findings: Findings | None = None) -> tuple[set[str], set[str]]:
    """Labels with an object that isn't difficult, and those whose objects all are."""
    flags = set()
    root = parse(path, findings)
    if root.tag != "annotation":
        raise DataError(f"{path} is no annotation of PASCAL VOC, but <{root.tag}>; export it again, or remove it")
    for item in root.findall("object"):
        name = " ".join(item.findtext("name", "").split())
        if not name:
            raise DataError(f"{path} has an object without a name; write one, or remove the object")
        flags.add((name, (item.findtext("difficult") or "").strip().casefold() in _DIFFICULT))
    labels = {name for name, difficult in flags if not difficult}
    return labels, {name for name, _ in flags} - labels


def boxes(path: Path) -> Boxes:
    """Of all its objects, difficult ones, too. VOC counts pixels from 1, and its last pixel is inside."""
    found: Boxes = {}
    for item in parse(path).findall("object"):
        found.setdefault(" ".join(item.findtext("name", "").split()), []).append(_box(path, item))
    return found


def _box(path: Path, item: ElementTree.Element) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(item.findtext(f"bndbox/{side}", "")) for side in _SIDES)
    except ValueError:
        raise DataError(f"{path} has an object without a box; unpack it again") from None
    return left - 1, top - 1, right, bottom
