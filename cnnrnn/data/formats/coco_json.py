"""COCO's JSON, of whatever tool wrote it: Roboflow, CVAT, FiftyOne, one's own script."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.split_column import is_split_column
from cnnrnn.data.formats.splits import split_in_name, split_name
from cnnrnn.data.paths import name_below
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import Boxes, DataError


def is_coco(content: Any) -> bool:
    """Whether a document is COCO's, even one without annotations, which is told when it is read. Captions have no
    categories."""
    return isinstance(content, dict) and isinstance(content.get("images"), list) and "categories" in content


def unwrap(path: Path, content: Any, findings: Findings) -> Any:
    """The document of a list that holds only one, as some exporters write it."""
    if isinstance(content, list) and len(content) == 1 and is_coco(content[0]):
        findings.warning(f"{path.name} is a list that holds one COCO document; that was read")
        return content[0]
    return content


def read(documents: Sequence[tuple[Path, Any]], folder: Path, findings: Findings) -> Reading:
    """All documents of a data set: (file, content). With several, the split of each is in its file's name or folder.

    Raises DataError for a document that lacks a part, and for categories that training wouldn't know.
    """
    documents = _annotated(documents, findings)
    parts = [_Document(path, content, _split(path, folder, len(documents)), findings) for path, content in documents]
    if len(parts) > 1 and (unclear := [part.path.name for part in parts if not part.split]):
        raise DataError(
            f"{folder} has several COCO files, and the names of {', '.join(unclear)} tell no split; give one of the "
            "files, or put train, val or test into their names"
        )
    if len(parts) > 1:
        for part in parts:
            part.place_images(folder)
    rows = [row for part in parts for row in part.rows()]
    first = next((part for part in parts if part.split == "train"), parts[0])
    for part in parts:
        if unknown := [name for name in part.used if name not in first.labels]:
            raise DataError(
                f"{part.path} has the categories {', '.join(unknown[:5])}, which {first.path.name} lacks; both files "
                "must be exported with the same categories"
            )
    boxes = cache(lambda: {name: found for part in parts for name, found in part.boxes().items()})
    places = [place for part in parts for place in _image_folders(part.path, part.split)]
    return Reading(
        "COCO JSON" if len(parts) == 1 else f"COCO JSON, {len(parts)} files",
        rows,
        folder,
        findings,
        image_folders=tuple(dict.fromkeys(place for place in places if place.is_dir())),
        labels=tuple(dict.fromkeys(first.labels)),
        groups=first.groups,
        boxes=lambda name: boxes()[name],
    )


def _annotated(documents: Sequence[tuple[Path, Any]], findings: Findings) -> Sequence[tuple[Path, Any]]:
    """The documents without those of test images, which list no annotations, unless there is nothing else."""
    annotated = [(path, content) for path, content in documents if "annotations" in content]
    for path, content in documents if annotated else ():
        if "annotations" not in content:
            findings.warning(f"{path.name} has no annotations; its {len(content['images'])} images were left out")
    return annotated or documents


def _split(path: Path, folder: Path, files: int) -> str | None:
    """The split that the name of a file tells, or that of a folder between it and the data set's."""
    inside = path.relative_to(folder).parts if path.is_relative_to(folder) else (path.name,)
    if files == 1 and len(inside) == 1:
        return split_in_name(path.stem)
    return next((split for part in reversed(inside) if (split := split_in_name(Path(part).stem))), None)


def _image_folders(path: Path, split: str | None) -> list[Path]:
    """Where exporters put the images of a file, the likeliest first."""
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    ending = path.stem.removeprefix("instances_").removeprefix("person_keypoints_")
    names = (ending, f"images/{ending}", split or "", f"images/{split}", "images", "data", "")
    return [root / name for name in names]


def _own_folders(path: Path, split: str | None) -> list[Path]:
    """Where the images of a file of one split are, and no other split's; empty if they share a folder."""
    own = [place for place in _image_folders(path, split)[:4] if place.is_dir()]
    return own or ([path.parent, path.parent / "images"] if split_in_name(path.parent.name) else [])


def _id(value: Any) -> str:
    """Numbers and texts alike."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


class _Document:
    """A file. `split` is that of its images but for those that have a split of their own."""

    def __init__(self, path: Path, content: Any, split: str | None, findings: Findings) -> None:
        self.path, self.split, self.findings = path, split, findings
        for key in ("images", "categories"):
            if not isinstance(content, dict) or not isinstance(content.get(key), list) or not content[key]:
                raise DataError(
                    f"{path} is no instance annotation of COCO: it has no {key}. Export it with images, categories and "
                    "annotations"
                )
        if not isinstance(content.get("annotations"), list):
            raise DataError(
                f"{path} has no annotations: it lists images without labels, as the files of test images do"
            )
        try:
            self.images = self._by_id(_with_file_names(content["images"]), "file_name")
            self.names = self._by_id(content["categories"], "name")
            order = sorted(content["categories"], key=lambda item: (len(_id(item["id"])), _id(item["id"])))
            self.labels = list(dict.fromkeys(self.names[_id(item["id"])] for item in order))
            self.parents = {str(item.get("supercategory")) for item in content["categories"]}
            self.groups = _super_categories(content["categories"], self.names)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is no instance annotation of COCO: {error} is missing or wrong; every image needs id and "
                "file_name, every category id and name"
            ) from None
        if repeated := len(content["images"]) - len(self.images):
            findings.warning(f"{path.name}: {repeated} images are listed twice with the same id; each was taken once")
        if some := sum(bool(item.get("neg_category_ids")) for item in content["images"]):
            findings.warning(
                f"{path.name}: {some} images list the labels that were looked for and not found (neg_category_ids); "
                "all labels that nobody looked for are taken for absent, too"
            )
        self.splits = self._splits(content["images"])
        if merged := len(self.names) - len(self.labels):
            findings.warning(f"{path.name}: {merged} categories have the name of another; each name is one label")
        self.annotations = self._known(content["annotations"])
        self.used = list(dict.fromkeys(self.names[category] for _, category, _ in self.annotations))
        # Roboflow lists the parent of all categories as a category, too.
        self.labels = [label for label in self.labels if label in self.used or label not in self.parents]

    def _by_id(self, items: list[Any], key: str) -> dict[str, str]:
        """The names of images or categories. Raises DataError for one without a name, and for an id of two names."""
        names: dict[str, str] = {}
        for item in items:
            if not isinstance(item, dict):
                raise DataError(
                    f"{self.path}: {str(item)[:40]!r} is no object with id and {key}; export the file again"
                )
            name = " ".join(str(item[key]).split()) if key == "name" else str(item[key])
            if item[key] is None or not name:
                raise DataError(f"{self.path}: {key} is empty where the id is {item['id']}; write it, or export again")
            if names.setdefault(_id(item["id"]), name) != name:
                raise DataError(
                    f"{self.path}: the id {item['id']} stands for {names[_id(item['id'])]!r} and for {name!r}; give "
                    "each its own id, or export again"
                )
        return names

    def _splits(self, images: list[Any]) -> dict[str, str]:
        """The splits of images that have a key such as split. Raises DataError where only some words are splits."""
        keys = dict.fromkeys(key for item in images for key in item)
        key = next(filter(is_split_column, keys), "")
        found = {_id(item["id"]): str(item[key]) for item in images if item.get(key) not in (None, "")}
        if not any(map(split_name, found.values())):
            return {}
        if unknown := [image for image, split in found.items() if not split_name(split)]:
            raise DataError(
                f"{self.path}: {found[unknown[0]]!r} in {key!r} of image {unknown[0]} is no split; write train, val or "
                "test, or remove the key"
            )
        return found

    def _known(self, annotations: list[Any]) -> list[tuple[str, str, Any]]:
        """(image, category, annotation). Raises DataError if some lack a known category: their images lose labels."""
        known, lost, images = [], [], []
        for number, item in _single(annotations):
            place = f"annotation {item.get('id', number)}" if isinstance(item, dict) else f"annotation {number}"
            if not isinstance(item, dict) or "image_id" not in item:
                raise DataError(f"{self.path}, {place} has no image_id")
            image, category = _id(item["image_id"]), _id(item.get("category_id"))
            if image not in self.images:
                images.append(place)
            elif category not in self.names:
                lost.append(place)
            else:
                known.append((image, category, item))
                self._refuse_low_score(place, item.get("score"))
        if images:
            self.findings.warning(f"{self.path.name}: {len(images)} annotations of images that are not listed", images)
        if lost:
            raise DataError(
                f"{self.path}: {len(lost)} annotations have no category_id of those listed ({', '.join(lost[:5])}); "
                "their images would be trained without these labels. Export the file again with all categories"
            )
        return known

    def _refuse_low_score(self, place: str, score: Any) -> None:
        if isinstance(score, (int, float)) and not isinstance(score, bool) and 0 <= score < 0.5:
            raise DataError(
                f"{self.path}, {place} has the score {score}, as predictions do; keep those whose labels apply"
            )

    def place_images(self, folder: Path) -> None:
        """Name the images below `folder`, so that one of another split with the same name is not taken for them."""
        if places := _own_folders(self.path, self.split):
            self.images = {image: name_below(name, places, folder) for image, name in self.images.items()}

    def rows(self) -> list[Row]:
        labels: dict[str, dict[str, None]] = defaultdict(dict)
        for image, category, _ in self.annotations:
            labels[image][self.names[category]] = None
        return [
            Row(f"{self.path.name} image {image}", name, tuple(labels[image]), self.splits.get(image, self.split))
            for image, name in self.images.items()
        ]

    def boxes(self) -> dict[str, Boxes]:
        """The boxes of every image, by its file name. Raises DataError for an annotation without a box."""
        found: dict[str, Boxes] = {name: {} for name in self.images.values()}
        for image, category, item in self.annotations:
            try:
                left, top, width, height = (float(side) for side in item["bbox"])
            except (KeyError, TypeError, ValueError):
                raise DataError(f"{self.path} has an annotation without a bbox of four numbers; export boxes") from None
            box = (left, top, left + width, top + height)
            found[self.images[image]].setdefault(self.names[category], []).append(box)
        return found


def _with_file_names(images: list[Any]) -> list[Any]:
    """LVIS names an image by its address at COCO only."""
    return [
        {**item, "file_name": item["coco_url"]}
        if isinstance(item, dict) and "coco_url" in item and "file_name" not in item
        else item
        for item in images
    ]


def _single(annotations: list[Any]) -> Iterator[tuple[int, Any]]:
    """The annotations with their numbers; one for each of several categories, or segments of a panoptic image."""
    for number, item in enumerate(annotations, start=1):
        if isinstance(item, dict) and isinstance(segments := item.get("segments_info"), list):
            yield from ((number, {"image_id": item.get("image_id"), **segment}) for segment in segments)
        elif isinstance(item, dict) and isinstance(ids := item.get("category_ids", item.get("category_id")), list):
            yield from ((number, {**item, "category_id": category}) for category in ids)
        else:
            yield number, item


def _super_categories(categories: list[Any], names: dict[str, str]) -> dict[str, str] | None:
    """The super-category of every label; None if some lack one, or all have the same."""
    groups = {names[_id(item["id"])]: item.get("supercategory") for item in categories}
    if not all(isinstance(group, str) and group for group in groups.values()) or len(set(groups.values())) < 2:
        return None
    return groups
