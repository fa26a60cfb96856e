"""Exports of annotation tools: Label Studio, the VGG Image Annotator (VIA), FiftyOne, Datumaro and CVAT."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

from cnnrnn.data.formats import superannotate
from cnnrnn.data.formats.cells import Cells
from cnnrnn.data.formats.column_names import key, looks_like_image
from cnnrnn.data.formats.label_keys import VIA_DEFAULTS
from cnnrnn.data.formats.splits import splits_in
from cnnrnn.data.formats.xml import parse
from cnnrnn.data.formats.yes_no import flag
from cnnrnn.data.reading import Findings, Row, listed_with_labels
from cnnrnn.data.split import DataError

Read = Callable[[Path, Any, Findings], list[Row]]


def find_tool(content: Any) -> tuple[str, Read] | None:
    """The tool that wrote a JSON document, and how its rows are read."""
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict) and "data" in first and {"annotations", "completions", "predictions"} & first.keys():
        return "Label Studio's JSON", _label_studio
    if superannotate.is_export(content):
        return "SuperAnnotate's JSON", superannotate.read
    if not isinstance(content, dict):
        return None
    if "_via_img_metadata" in content:
        return "a project of the VGG Image Annotator", _via_project
    if isinstance(content.get("samples"), list):
        return "FiftyOne's samples", _fiftyone_samples
    if isinstance(content.get("labels"), dict) and "classes" in content:
        return "FiftyOne's labels", _fiftyone_labels
    if isinstance(content.get("items"), list) and isinstance(content.get("categories"), dict):
        return "Datumaro's JSON", _datumaro
    values = list(content.values())
    if values and all(isinstance(value, dict) and "filename" in value and "regions" in value for value in values):
        return "the VGG Image Annotator's JSON", _via
    return None


def _rows(path: Path, cells: Sequence[tuple[str, str, Any, str | None]], findings: Findings) -> list[Row]:
    """The rows of (place, image, labels, split); the labels are a list or an object, as in the cell of a table."""
    for where, image, _, _ in cells:
        _check_name(path, where, image)
    read = Cells(path, [(where, labels) for where, _, labels, _ in cells], findings, known_keys=True)
    labels = read.labels(read.separator(None))
    return [Row(where, image, found, split) for (where, image, _, split), found in zip(cells, labels, strict=True)]


def _check_name(path: Path, where: str, image: Any) -> None:
    if not isinstance(image, str) or not image.strip():
        raise DataError(f"{path}, {where}: the image is {image!r:.40}; write the name of a file, or export it again")


def _label_studio(path: Path, content: Any, findings: Findings) -> list[Row]:
    """https://labelstud.io/guide/export: choices of every annotation that was not cancelled, and labels of regions."""
    cells, undone, several = [], [], []
    labels_of: dict[str, dict[str, None]] = defaultdict(dict)  # by control
    unread: Counter[str] = Counter()
    for number, task in enumerate(content, start=1):
        where = f"task {task.get('id', number)}"
        if (image := _image_of_task(task.get("data", {}))) is None:
            raise DataError(f"{path}, {where} names no image")
        all_annotations = task.get("annotations") or task.get("completions") or ()
        annotations = [annotation for annotation in all_annotations if not annotation.get("was_cancelled")]
        if not annotations:
            undone.append(where)
            continue
        if len(annotations) > 1:
            several.append(where)
        labels = []
        for result in (result for item in annotations for result in item.get("result") or ()):
            found = _of_result(result)
            labels += found
            if found:
                labels_of[str(result.get("from_name") or result.get("type"))] |= dict.fromkeys(map(str, found))
            if "taxonomy" in (result.get("value") or {}):
                findings.note("of the paths of a taxonomy, the last parts were read as labels")
            if result.get("type") in _WITHOUT_LABELS:
                unread[str(result["type"])] += 1
        cells.append((where, image, labels, None))
    if several:
        findings.warning(f"{len(several)} tasks have several annotations; their labels were joined", several)
    if undone:
        findings.warning(f"{len(undone)} tasks without an annotation were left out", undone)
    if unread:
        shown = ", ".join(f"{count} of {kind}" for kind, count in unread.items())
        findings.warning(f"results that are no choices and no labels were not read: {shown}")
    if len(labels_of) > 1:
        _warn_of_several(f"the labels of {len(labels_of)} controls were joined", labels_of, findings)
    return _rows(path, cells, findings)


def _image_of_task(data: dict[str, Any]) -> str | None:
    """The value of image, or else the first text that looks like an image, or like a path."""
    texts = [value for value in data.values() if isinstance(value, str)]
    images = [value for value in texts if looks_like_image(value)] or [value for value in texts if "/" in value]
    image = data.get("image") or data.get("img") or (images[0] if images else None)
    return image if isinstance(image, str) else None


_WITHOUT_LABELS = {"textarea", "rating", "number", "datetime", "pairwise", "ranker"}


def _of_result(result: dict[str, Any]) -> list[Any]:
    """The labels of one result. Taxonomies are lists of paths; their last parts are the labels."""
    value = result.get("value") or {}
    found = [value[name] for name in value if name == "choices" or name.endswith("labels")]
    labels = [label for part in found for label in (part if isinstance(part, list) else [part])]
    return labels + [path[-1] if isinstance(path, list) else path for path in value.get("taxonomy") or ()]


def _warn_of_several(what: str, labels_of: dict[str, dict[str, None]], findings: Findings) -> None:
    findings.warning(f"{what}: {listed_with_labels(labels_of)}; remove from the export what is no label of an image")


def _via_project(path: Path, content: Any, findings: Findings) -> list[Row]:
    """Checkboxes and lists have options with an id and a text: where all ids are numbers, the texts are the labels."""
    defined = (content.get("_via_attributes") or {}).values()
    attributes = {name: found.get("options") for part in defined for name, found in part.items()}
    texts = {
        name: options
        for name, options in attributes.items()
        if isinstance(options, dict) and all(id.isdecimal() and text for id, text in options.items())
    }
    return _via(path, content["_via_img_metadata"], findings, texts)


def _via(
    path: Path, content: Any, findings: Findings, texts: Mapping[str, Mapping[str, str]] = MappingProxyType({})
) -> list[Row]:
    """The attributes of the file and of its regions; before version 2, regions were an object. The `texts` are those of
    options by attribute and id."""
    cells = []
    attributes: dict[str, dict[str, None]] = defaultdict(dict)
    for entry, item in content.items():
        regions = item["regions"].values() if isinstance(item["regions"], dict) else item["regions"]
        found = [item.get("file_attributes") or {}, *(region.get("region_attributes") or {} for region in regions)]
        labels = [{name: _with_texts(value, texts.get(name, {})) for name, value in one.items()} for one in found]
        for one in labels:
            for name, value in one.items():
                attributes[name] |= dict.fromkeys(_of_attribute(value))
        cells.append((f"entry {entry}", item["filename"], labels, None))
    rows = _rows(path, cells, findings)
    _warn_of_attributes(attributes, {label for row in rows for label in row.labels}, findings)
    return rows


def _with_texts(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {texts.get(option, option): ticked for option, ticked in value.items()}
    return texts.get(value, value) if isinstance(value, str) else value


def _warn_of_attributes(attributes: dict[str, dict[str, None]], labels: set[str], findings: Findings) -> None:
    """Tell which attributes were read: of several, one called name or label, or those with a text or checkboxes."""
    held = {name: found for name, found in attributes.items() if found and name not in VIA_DEFAULTS}
    read = {name: found for name, found in held.items() if found.keys() & labels}
    if len(read) > 1:
        _warn_of_several(f"the labels of {len(read)} attributes were joined", read, findings)
    if unread := {name: found for name, found in held.items() if name not in read}:
        findings.warning(f"attributes that were not read, beside {', '.join(read)}: {listed_with_labels(unread)}")


def _of_attribute(value: Any) -> list[str]:
    """The labels that an attribute may hold: a text, or those of its checkboxes that are ticked."""
    if isinstance(value, dict):
        return [name for name, ticked in value.items() if flag(ticked)]
    return [value] if isinstance(value, str) and value.strip() and flag(value) is None else []


def _fiftyone_labels(path: Path, content: Any, findings: Findings) -> list[Row]:
    """FiftyOneImageClassification and -Detection: labels by image, as names or as indices of `classes`."""
    classes = content["classes"] or []

    def name(label: Any, image: str) -> Any:
        if isinstance(label, dict):
            return name(label.get("label"), image)
        if isinstance(label, list):
            return [name(item, image) for item in label]
        if isinstance(label, int) and not isinstance(label, bool):
            if not 0 <= label < len(classes):
                raise DataError(f"{path}, {image}: label {label} is none of the {len(classes)} classes")
            return classes[label]
        return label

    cells = [(image, image, [name(label, image)], None) for image, label in content["labels"].items()]
    return _rows(path, cells, findings)


def _fiftyone_samples(path: Path, content: Any, findings: Findings) -> list[Row]:
    """FiftyOneDataset's samples.json: the labels of every sample in the field of the ground truth."""
    samples = content["samples"]
    chosen = _ground_truth(path, samples, findings)
    cells = []
    for number, sample in enumerate(samples, start=1):
        where, image = f"sample {number}", sample.get("filepath")
        if not isinstance(image, str):
            raise DataError(f"{path}, {where} has no filepath")
        field = sample.get(chosen) or {}
        labels = field.get(_FIELDS[field["_cls"]] or "label") if _is_label_field(field) else None
        splits = splits_in(sample.get("tags") or ())
        cells.append((where, image, labels, splits.pop() if len(splits) == 1 else None))
    return _rows(path, cells, findings)


# Of FiftyOne's fields with labels, where the list of them is; None for a field that is one label.
_FIELDS: dict[str, str | None] = dict.fromkeys(("Classification", "Detection", "Polyline", "Keypoint"))
_FIELDS |= {name: name.lower() for name in ("Classifications", "Detections", "Polylines", "Keypoints")}


def _is_label_field(field: Any) -> bool:
    return isinstance(field, dict) and str(field.get("_cls", "")) in _FIELDS


def _ground_truth(path: Path, samples: list[Any], findings: Findings) -> str | None:
    """The field that is called so, or the only one with labels: others may be predictions, or about the weather."""
    fields = list(dict.fromkeys(name for item in samples for name, field in item.items() if _is_label_field(field)))
    if len(fields) < 2:
        if fields and key(fields[0]).startswith("pred"):
            findings.warning(
                f"the only labels of {path.name} are in the field {fields[0]}; check that people gave them"
            )
        return fields[0] if fields else None
    truth = [name for name in fields if key(name) in ("groundtruth", "gt")]
    if len(truth) != 1:
        raise DataError(
            f"{path}: the labels can be in the fields {', '.join(fields[:6])}; export the data set with one of "
            "them, or call the one that is meant ground_truth"
        )
    others = [name for name in fields if name not in truth]
    findings.warning(f"the field {truth[0]} of {path.name} was read, but not {', '.join(others)}")
    return truth[0]


def _datumaro(path: Path, content: Any, findings: Findings) -> list[Row]:
    """https://open-edge-platform.github.io/datumaro: annotations have the index of a label, but for captions."""
    entries = content["categories"].get("label", {}).get("labels") or []
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
    rows = []
    for number, item in enumerate(content["items"], start=1):
        where = f"item {item.get('id', number)}"
        media = item.get("image") or item.get("media") or {}
        image = media.get("path") or str(item.get("id") or "")
        _check_name(path, f"item {number}", image)
        found = [a["label_id"] for a in item.get("annotations") or () if a.get("label_id") is not None]
        if wrong := [index for index in found if not (isinstance(index, int) and 0 <= index < len(names))]:
            raise DataError(f"{path}, {where}: label_id {wrong[0]} is none of the {len(names)} labels")
        labels = dict.fromkeys(str(names[index]) for index in found)
        rows.append(Row(where, image, tuple(labels), item.get("subset") or None))
    return rows


def cvat_rows(path: Path, findings: Findings) -> list[Row]:
    """ "CVAT for images 1.1": tags and shapes of every image."""
    root = parse(path, findings)
    if root.tag == "annotation":
        raise DataError(f"{path} is the annotation of one image, of PASCAL VOC; give the folder that holds all of them")
    rows = [
        Row(
            f"image {image.get('name')}", image.get("name", ""), tuple(_cvat_labels(image)), image.get("subset") or None
        )
        for image in root.iter("image")
    ]
    if attributes := sorted({item.get("name", "") for item in root.iterfind("image/*/attribute")}):
        findings.warning(f"attributes of {path.name} were not read, only the labels of tags and shapes", attributes)
    if not rows:
        raise DataError(f'{path} names no image; export the task as "CVAT for images" or as COCO')
    return rows


def _cvat_labels(image: ElementTree.Element) -> Iterator[str]:
    for shape in image:
        if label := shape.get("label"):
            yield label
