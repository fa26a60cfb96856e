"""MS COCO 2014 and 2017 (Lin et al., 2014), from the official instance annotations.

``root`` holds ``annotations/instances_{train,val}20xx.json`` and the folders ``{train,val}20xx`` of images.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from cnnrnn.data.formats import coco_json
from cnnrnn.data.formats.text import unreadable
from cnnrnn.data.reading import Findings, Reading
from cnnrnn.data.split import Boxes, DataError, Sample, Split

LABELS = (  # of all years, the most frequent first
    "person", "car", "chair", "dining table", "cup", "bottle", "handbag", "bowl", "truck", "backpack", "bench",
    "cell phone", "sports ball", "clock", "bus", "umbrella", "book", "knife", "tennis racket", "tie", "potted plant",
    "skateboard", "dog", "surfboard", "motorcycle", "tv", "couch", "laptop", "traffic light", "bicycle", "pizza",
    "sink", "skis", "spoon", "fork", "train", "remote", "cat", "horse", "vase", "baseball glove", "bed", "airplane",
    "cake", "boat", "baseball bat", "kite", "oven", "toilet", "suitcase", "giraffe", "wine glass", "frisbee", "bird",
    "sandwich", "banana", "refrigerator", "teddy bear", "keyboard", "elephant", "snowboard", "mouse", "donut",
    "broccoli", "carrot", "fire hydrant", "stop sign", "apple", "orange", "cow", "hot dog", "sheep", "zebra",
    "microwave", "toothbrush", "scissors", "bear", "parking meter", "toaster", "hair drier",
)  # fmt: skip
SPLITS = ("train", "val")
HOST = "http://images.cocodataset.org"
MD5 = {
    "annotations_trainval2014.zip": "0a379cfc70b0e71301e0f377548639bd",
    "train2014.zip": "0da8c0bd3d6becc4dcb32757491aca88",
    "val2014.zip": "a3d79f5ed8d289b7a7554ce06a5782b3",
    "annotations_trainval2017.zip": "f4bbac642086de4f52a3fdda2de5fa2c",
    "train2017.zip": "cced6f7f71b7629ddf16f17bbcfab6b2",
    "val2017.zip": "442b8da7639aecaf257c1dceb8ba8c80",
}


def load(root: Path, year: str, split: str, download: bool = False) -> Split:
    """A split with all 80 labels, by their official ids; an image without objects is kept, with no labels.

    Crowd annotations count as their label. With `download`, what is missing is fetched first. Raises DataError where
    a file is missing or damaged.
    """
    if split not in SPLITS:
        raise DataError(f"COCO has no public labels for '{split}'; choose one of {', '.join(SPLITS)}")
    path = root / "annotations" / f"instances_{split}{year}.json"
    if download:
        _download(root, year, split)
    if not path.exists():
        raise DataError(f"{path} is not there; --root is the folder that holds annotations/")
    reading, boxes = _read(path)
    folder = root / f"{split}{year}"
    samples = {row.image: Sample(folder / row.image, row.labels) for row in reading.rows}
    return Split(
        f"coco{year} {split}",
        reading.labels or (),
        tuple(samples.values()),
        tuple(finding.message for finding in reading.findings.items),
        boxes=lambda sample: boxes(str(sample.image.relative_to(folder))),
        groups=reading.groups,
    )


def read_boxes(path: Path) -> dict[str, Boxes]:
    """The boxes of every image of an instance annotation, by file name. Raises DataError."""
    reading, boxes = _read(path)
    return {row.image: boxes(row.image) for row in reading.rows}


def _download(root: Path, year: str, split: str) -> None:
    from cnnrnn.data.download import Archive, fetch

    required = {
        root / "annotations" / f"instances_{split}{year}.json": f"annotations/annotations_trainval{year}.zip",
        root / f"{split}{year}": f"zips/{split}{year}.zip",
    }
    for path, file in required.items():
        if not path.exists():
            fetch(Archive(f"{HOST}/{file}", MD5[file.split("/")[1]]), root)


def _read(path: Path) -> tuple[Reading, Callable[[str], Boxes]]:
    """The images with their labels, and the boxes of an image by its file name."""
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        raise DataError(f"{path} is not there; check the path") from None
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); unpack or export it again") from None
    findings = Findings()
    reading = coco_json.read([(path, coco_json.unwrap(path, content, findings))], path.parent, findings)
    assert reading.boxes is not None  # a COCO document has them, or says so when they are asked for
    return reading, reading.boxes
