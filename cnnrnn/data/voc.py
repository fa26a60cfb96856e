"""PASCAL VOC 2007 and 2012 (Everingham et al.), from the official files as downloaded.

``root`` holds ``VOCdevkit/VOC20xx/{JPEGImages,Annotations,ImageSets/Main}``, as torchvision lays it out.
"""

from __future__ import annotations

from pathlib import Path

from cnnrnn.data.formats import voc_xml
from cnnrnn.data.reading import Findings
from cnnrnn.data.split import Boxes, DataError, Sample, Split

LABELS = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
SPLITS = ("train", "val", "trainval", "test")


def load(root: Path, years: tuple[str, ...], split: str, download: bool = False) -> Split:
    """A split of one or several years. With ``download``, what is missing is fetched first.

    Raises DataError where a file is missing or damaged, with its name.
    """
    if split not in SPLITS:
        raise DataError(f"VOC has no split '{split}'; choose one of {', '.join(SPLITS)}")
    samples: list[Sample] = []
    findings = Findings()
    for year in years:
        folder = root / "VOCdevkit" / f"VOC{year}"
        ids_file = folder / "ImageSets" / "Main" / f"{split}.txt"
        if download and not ids_file.exists():
            _download(root, year, split)
        if not ids_file.exists() and (folder / "Annotations").is_dir():
            raise DataError(f"{ids_file} is not there; leave out --dataset to read VOC's XML without lists of splits")
        if not ids_file.exists():
            raise DataError(f"{ids_file} is not there; give --root the folder that holds VOCdevkit, or add --download")
        samples += _read(folder, ids_file, split, findings)
    return Split(
        f"voc{''.join(year[2:] for year in years) if len(years) > 1 else years[0]} {split}",
        LABELS,
        tuple(samples),
        tuple(finding.message for finding in findings.items),
        boxes=_boxes,
    )


def _read(folder: Path, ids_file: Path, split: str, findings: Findings) -> list[Sample]:
    files = {path.stem: path for path in (folder / "Annotations").glob("*.xml")}
    lists = [ids_file.with_name(f"{label}_{split}.txt") for label in LABELS]
    read = _from_label_lists(lists) if all(path.exists() for path in lists) else {}
    samples = []
    for image_id in voc_xml.ids(ids_file, files, findings):
        labels, ignored = read.get(image_id) or _from_annotation(folder / "Annotations" / f"{image_id}.xml", findings)
        samples.append(Sample(voc_xml.image_path(folder, image_id), tuple(sorted(labels)), tuple(sorted(ignored))))
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


def _boxes(sample: Sample) -> Boxes:
    """The boxes of all objects, difficult ones, too."""
    return voc_xml.boxes(sample.image.parent.parent / "Annotations" / f"{sample.image.stem}.xml")


def _from_annotation(path: Path, findings: Findings) -> tuple[set[str], set[str]]:
    """A label is positive if one of its objects isn't difficult, ignored if all of them are."""
    labels, ignored = voc_xml.objects(path, findings)
    if unknown := (labels | ignored) - set(LABELS):
        raise DataError(
            f"{path} names objects that are no VOC labels: {', '.join(sorted(unknown))}. Leave out --dataset to read "
            "VOC's XML with your own labels"
        )
    return labels, ignored


def _download(root: Path, year: str, split: str) -> None:
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    from cnnrnn.data.download import Archive, fetch

    if year == "2012" and split == "test":
        raise DataError("VOC 2012's test labels were never published; take another split, or voc2007")
    known = DATASET_YEAR_DICT["2007-test" if split == "test" else year]
    fetch(Archive(known["url"], known["md5"]), root)
