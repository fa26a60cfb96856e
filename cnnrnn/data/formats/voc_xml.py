"""PASCAL VOC's XML with one's own labels: a file per image, with or without lists of splits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from cnnrnn.data.formats import sidecars
from cnnrnn.data.formats.folder_names import ANNOTATIONS
from cnnrnn.data.formats.image_lists import splits_of_lists, told_splits
from cnnrnn.data.formats.splits import split_in_name
from cnnrnn.data.formats.text import read_text
from cnnrnn.data.formats.xml import parse
from cnnrnn.data.images import SUFFIXES
from cnnrnn.data.paths import files_below, is_file, relative_name
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import Boxes, DataError

_KIND = "PASCAL VOC XML"
_LOOKED_AT = 20  # XML files, of which the first may be empty
_TASKS = ("segmentation", "layout")  # folders of ImageSets beside Main
_IMAGES = ("JPEGImages", "images", "Images", "img", "imgs")
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_DIFFICULT = {"1", "true", "yes"}  # other words, such as Unspecified, are no


def find(folder: Path) -> list[Path]:
    """Folders in VOC's layout: this one, those of VOCdevkit, or of train/, valid/ and test/; each holds XML files."""
    devkit = folder / "VOCdevkit" if (folder / "VOCdevkit").is_dir() else folder
    inside = sorted(path for path in devkit.iterdir() if path.is_dir())
    own = _annotations(devkit)
    return [*([devkit] if own else []), *(place for place in inside if place != own and _annotations(place))]


def _annotations(folder: Path) -> Path | None:
    """Where the XML files of a folder are: in Annotations, or one that is called otherwise, or beside the images."""
    folders = sorted((path for path in folder.iterdir() if path.name.casefold() in ANNOTATIONS), reverse=True)
    named = {path.name.casefold(): path for path in folders if path.is_dir()}
    for place in (*(named[name] for name in ANNOTATIONS if name in named), folder):
        if any(map(_is_voc, _files(place)[:_LOOKED_AT])):
            return place
    return None


def _files(folder: Path) -> list[Path]:
    paths = (path for path in folder.iterdir() if path.suffix.lower() == ".xml" and not path.name.startswith("."))
    return sorted(filter(is_file, paths))


def _is_voc(path: Path) -> bool:
    try:
        return parse(path).tag == "annotation"
    except DataError:  # told where the file is read
        return path.parent.name == "Annotations" or _begins_as_voc(path)


def _begins_as_voc(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return re.search(rb"<(\w+:)?annotation[\s>]", file.read(1000)) is not None
    return False


def read(folders: list[Path], root: Path, findings: Findings) -> Reading:
    """The rows of all folders. Raises DataError for a damaged file."""
    rows: list[Row] = []
    annotations: dict[str, Path] = {}
    for folder in folders:
        found = list(_rows(folder, root, len(folders) == 1, findings))
        rows += [row for row, _ in found]
        annotations |= {row.image: path for row, path in found if path is not None}
    if difficult := Counter(label for row in rows for label in row.ignored):
        findings.warning(
            "labels that an image has only of difficult objects count neither as right nor as wrong there: "
            + ", ".join(f"{label} ({images})" for label, images in difficult.most_common(8))
        )
    return Reading(
        _KIND,
        rows,
        root,
        findings,
        boxes=lambda name: boxes(annotations[name]) if name in annotations else {},
    )


def read_beside(folder: Path, findings: Findings) -> Reading | None:
    """The XML files in folders beside those of their images: annotations/train/1.xml of images/train/1.jpg. None if
    the first of them is of another kind, or there is none."""
    found = sidecars.in_folders_beside(folder, list(files_below(folder)), ".xml")
    if not found or not _is_voc(next(iter(found.values()))):
        return None
    rows = []
    for image, file in found.items():
        labels, ignored = objects(file, findings)
        where = relative_name(file, folder)
        rows.append(Row(where, relative_name(image, folder), tuple(sorted(labels)), None, tuple(sorted(ignored))))
    annotations = {relative_name(image, folder): file for image, file in found.items()}
    return Reading(_KIND, rows, folder, findings, boxes=lambda name: boxes(annotations[name]), lists_images=True)


def _rows(folder: Path, root: Path, alone: bool, findings: Findings) -> Iterator[tuple[Row, Path | None]]:
    place = _annotations(folder)
    if place is None:
        raise DataError(f"{folder} has no XML files of PASCAL VOC")
    files = {path.stem: path for path in _files(place)}
    above = [folder, *(path for path in folder.parents if alone and path.is_relative_to(root))]
    splits = _listed(above, root, files, findings)
    without = [name for name in splits or () if name not in files]
    if without:
        findings.warning(f"{len(without)} images have no XML file; they were taken for images without labels", without)
    named_by_folder = split_in_name(folder.name) if folder != root else None
    if splits and (unlisted := [name for name in files if name not in splits]):
        findings.note(f"{len(unlisted)} XML files are in no list of splits and were left out", unlisted)
    for name in splits or files:
        labels, ignored = objects(files[name], findings) if name in files else (set(), set())
        split = splits[name] if splits else named_by_folder
        image = relative_name(_image(folder, name, files), root)
        row = Row(f"{name}.xml", image, tuple(sorted(labels)), split, tuple(sorted(ignored)))
        yield row, files.get(name)


def image_path(folder: Path, stem: str) -> Path:
    """The image of an annotation, by the name of its XML file: tools copy the name inside from elsewhere."""
    places = [place for name in _IMAGES if (place := folder / name).is_dir()]
    for place in (*places, folder):
        for suffix in SUFFIXES:
            for written in (suffix, suffix.upper()):
                if is_file(place / f"{stem}{written}"):
                    return place / f"{stem}{written}"
    return next(iter(places), folder) / f"{stem}.jpg"


def _image(folder: Path, name: str, files: dict[str, Path]) -> Path:
    """`image_path`, or the image named inside if there is no other, and no other XML file is called like it."""
    path = image_path(folder, name)
    if name in files and not is_file(path):
        inside = Path(parse(files[name]).findtext("filename", "").strip()).stem
        if inside and inside not in files and is_file(written := image_path(folder, inside)):
            return written
    return path


def _listed(above: list[Path], root: Path, files: dict[str, Path], findings: Findings) -> dict[str, str]:
    """The split of every image, by lists of names in ImageSets or beside it; empty without these lists."""
    sets = [found for place in above if (found := _folder(place, "ImageSets"))]
    main = [found for place in sets if (found := _folder(place, "Main"))]
    others = [place for found in sets for place in _of_other_tasks(found)]
    splits: dict[str, str] = {}
    unread: dict[Path, list[str]] = {}
    for place in (*main, *sets, *others, *above):
        if splits and place in others:  # such as Segmentation, which has some of the images of Main
            continue
        if place in above:
            lists = _lists_beside(place, files)
        else:
            lists = {path: list(ids(path, files, findings)) for path in _texts(place)}
        if not splits:
            splits = splits_of_lists(lists, findings)
        unread |= lists
    _warn_of_unread(unread, splits, files, root, findings)
    return splits


def _folder(place: Path, name: str) -> Path | None:
    """A folder in any case."""
    return next((p for p in sorted(place.iterdir()) if p.name.casefold() == name.casefold() and p.is_dir()), None)


def _of_other_tasks(sets: Path) -> list[Path]:
    """The folders of ImageSets but for Main; those for which all annotations count come first."""
    places = [path for path in sets.iterdir() if path.is_dir() and not path.name.startswith(".")]
    places = [path for path in places if path.name.casefold() != "main"]
    return sorted(places, key=lambda path: (path.name.casefold() not in _TASKS, path.name))


def _lists_beside(place: Path, files: dict[str, Path]) -> dict[Path, list[str]]:
    """Those that name images: notes, lists of classes and labels of YOLO may lie beside the XML files, too."""
    lists: dict[Path, list[str]] = {}
    for path in _texts(place):
        if path.stem not in files:
            with suppress(DataError):
                names = list(ids(path, files, Findings()))
                lists |= {path: names} if any(name in files for name in names) else {}
    return lists


def _texts(place: Path) -> list[Path]:
    texts = [path for path in place.iterdir() if path.suffix.lower() == ".txt" and is_file(path)]
    return sorted(path for path in texts if not path.name.startswith("."))


def _warn_of_unread(
    lists: dict[Path, list[str]], splits: dict[str, str], files: dict[str, Path], root: Path, findings: Findings
) -> None:
    """Lists that tell something else than what was read. Those of all images, as CVAT's default.txt, tell nothing."""
    unread = []
    for path, names in lists.items():
        images = set(names) & set(files)
        told = told_splits(path)
        if images and (told or len(images) < len(files)) and {splits.get(image) for image in images} - told:
            unread.append(str(path.relative_to(root)))
    if unread:
        findings.warning(
            f"{len(unread)} lists of images were not read; if they are splits, call them train.txt, val.txt and "
            "test.txt, and put them into ImageSets/Main",
            unread,
        )


def ids(path: Path, files: Mapping[str, Path], findings: Findings) -> Iterator[str]:
    """The images of a list: names that may have blanks, folders, a suffix, or a column of 1, 0 and -1 behind them."""
    for line in read_text(path, findings).splitlines():
        if name := _name(line.strip(), files):
            yield name


def _name(line: str, files: Mapping[str, Path]) -> str:
    """The name of an image, as its XML file has it. PaddleDetection writes the paths of both behind one another."""
    name = line
    if name not in files and (columns := re.fullmatch(r"(.*\S)\s+(1|0|-1)", name)):
        name = columns[1]
    last = name.replace("\\", "/").rpartition("/")[2]
    if name in files or (suffix := Path(last).suffix.lower()) not in (*SUFFIXES, ".xml"):
        return last if name not in files and last in files else name
    stem = Path(last).stem
    return stem.split()[-1] if suffix == ".xml" and stem not in files and stem.split() else stem


def objects(path: Path, findings: Findings) -> tuple[set[str], set[str]]:
    """Labels with an object that isn't difficult, and those whose objects all are."""
    flags = set()
    root = parse(path, findings)
    if root.tag != "annotation":
        raise DataError(f"{path} is no annotation of PASCAL VOC, but <{root.tag}>; export it again, or remove it")
    for item in _kept(root):
        name = " ".join(item.findtext("name", "").split())
        if not name:
            raise DataError(f"{path} has an object without a name; write one, or remove the object")
        flags.add((name, (item.findtext("difficult") or "").strip().casefold() in _DIFFICULT))
    labels = {name for name, difficult in flags if not difficult}
    return labels, {name for name, _ in flags} - labels


def boxes(path: Path) -> Boxes:
    """The boxes of all objects, difficult ones, too. VOC counts pixels from 1, and its last pixel is inside."""
    found: Boxes = {}
    for item in _kept(parse(path)):
        found.setdefault(" ".join(item.findtext("name", "").split()), []).append(_box(path, item))
    return found


def _kept(root: ElementTree.Element) -> list[ElementTree.Element]:
    """Its objects, without those that LabelMe marks as deleted."""
    return [item for item in root.findall("object") if (item.findtext("deleted") or "").strip() != "1"]


def _box(path: Path, item: ElementTree.Element) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(item.findtext(f"bndbox/{side}", "")) for side in _SIDES)
    except ValueError:
        raise DataError(f"{path} has an object without a box; draw it again, or remove the object") from None
    return left - 1, top - 1, right, bottom
