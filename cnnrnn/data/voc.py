"""PASCAL VOC 2007 and 2012 (Everingham et al.), from the official files as downloaded.

``root`` holds ``VOCdevkit/VOC20xx/{JPEGImages,Annotations,ImageSets/Main}``, as torchvision lays it out.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from cnnrnn.data.split import Boxes, DataError, Sample, Split

LABELS = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
SPLITS = ("train", "val", "trainval", "test")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def load(root: Path, years: tuple[str, ...], split: str, download: bool = False) -> Split:
    """A split of one or several years. With ``download``, what is missing is fetched first.

    Raises DataError where a file is missing or damaged, with its name.
    """
    if split not in SPLITS:
        raise DataError(f"VOC has no split '{split}'; choose one of {', '.join(SPLITS)}")
    samples: list[Sample] = []
    for year in years:
        folder = root / "VOCdevkit" / f"VOC{year}"
        ids_file = folder / "ImageSets" / "Main" / f"{split}.txt"
        if download and not ids_file.exists():
            _download(root, year, split)
        if not ids_file.exists():
            raise DataError(f"{ids_file} is not there; give --root the folder that holds VOCdevkit, or add --download")
        samples += _read(folder, ids_file, split)
    return Split(
        f"voc{''.join(year[2:] for year in years) if len(years) > 1 else years[0]} {split}",
        LABELS,
        tuple(samples),
        boxes=_boxes,
    )


def _read(folder: Path, ids_file: Path, split: str) -> list[Sample]:
    ids = ids_file.read_text().split()
    lists = [ids_file.with_name(f"{label}_{split}.txt") for label in LABELS]
    read = _from_label_lists(lists) if all(path.exists() for path in lists) else {}
    samples = []
    for image_id in ids:
        labels, ignored = read.get(image_id) or _from_annotation(folder / "Annotations" / f"{image_id}.xml")
        image = folder / "JPEGImages" / f"{image_id}.jpg"
        samples.append(Sample(image, frozenset(labels), frozenset(ignored)))
    return samples


def _from_label_lists(lists: list[Path]) -> dict[str, tuple[set[str], set[str]]]:
    """The official per-label lists: 1 positive, -1 negative, 0 when all its objects are difficult."""
    read: dict[str, tuple[set[str], set[str]]] = {}
    for label, path in zip(LABELS, lists, strict=True):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            try:
                image_id, value = line.split()
                labels, ignored = read.setdefault(image_id, (set(), set()))
                {"1": labels, "0": ignored, "-1": set[str]()}[value].add(label)
            except (ValueError, KeyError):
                raise DataError(f"{path}, line {number}: expected an id and 1, 0 or -1, found {line!r}") from None
    return read


def _objects(path: Path) -> list[ElementTree.Element]:
    """Of one image's annotation."""
    try:
        return ElementTree.parse(path).getroot().findall("object")
    except FileNotFoundError:
        raise DataError(f"{path} is not there; unpack the annotations of VOC again") from None
    except ElementTree.ParseError as error:
        raise DataError(f"{path} is damaged ({error}); unpack it again") from None


def _boxes(sample: Sample) -> Boxes:
    """Of all its objects, difficult ones, too. VOC counts pixels from 1, and its last pixel is inside."""
    path = sample.image.parent.parent / "Annotations" / f"{sample.image.stem}.xml"
    boxes: Boxes = {}
    for item in _objects(path):
        try:
            left, top, right, bottom = (float(item.findtext(f"bndbox/{side}", "")) for side in _SIDES)
        except ValueError:
            raise DataError(f"{path} has an object without a box; unpack it again") from None
        boxes.setdefault(item.findtext("name", ""), []).append((left - 1, top - 1, right, bottom))
    return boxes


def _from_annotation(path: Path) -> tuple[set[str], set[str]]:
    """A label is positive if one of its objects isn't difficult, ignored if all of them are."""
    objects = _objects(path)
    flags = {(item.findtext("name", ""), item.findtext("difficult", "0").strip() == "1") for item in objects}
    labels = {name for name, difficult in flags if not difficult}
    if unknown := {name for name, _ in flags} - set(LABELS):
        raise DataError(f"{path} names objects that are no VOC labels: {', '.join(sorted(unknown))}")
    return labels, {name for name, _ in flags} - labels


def _download(root: Path, year: str, split: str) -> None:
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    from cnnrnn.data.download import Archive, fetch

    if year == "2012" and split == "test":
        raise DataError("VOC 2012's test labels were never published; take another split, or voc2007")
    known = DATASET_YEAR_DICT["2007-test" if split == "test" else year]
    fetch(Archive(known["url"], known["md5"]), root)
