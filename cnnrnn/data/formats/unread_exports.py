"""Exports of annotation tools that hold labels, but are not read, and what to do instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from cnnrnn.data.reading import Record

_LABELBOX = "Labelbox; export it as COCO, or write a CSV with image and labels"
# What they are, by keys that they have.
_NOT_READ: dict[str, set[str]] = {
    "a project of the VGG Image Annotator 3; export it as COCO": {"project", "attribute", "file", "metadata"},
    "a file with images and annotations as COCO has, but without categories; give an export with categories, or write "
    "a CSV with image and labels": {"images", "annotations"},
    f"of {_LABELBOX}": {"data_row", "projects"},
    f"an old export of {_LABELBOX}": {"Labeled Data", "Label"},
    "the annotation of one image, of LabelMe; give the folder that holds all of them": {"shapes", "imagePath"},
    "the annotation of one image, of Supervisely; give the folder of the project": {"objects", "tags", "size"},
    "the classes of a project of Supervisely; give the folder of the project": {"classes", "tags", "projectType"},
    "the annotation of one image, of SuperAnnotate; give the folder that holds all of them": {"instances", "metadata"},
    "a list of predictions in COCO's form; give the annotations": {"image_id", "category_id", "score"},
    "a manifest of SageMaker; write a CSV with image and labels": {"source-ref"},
    "a project of VoTT; export it as CSV": {"assets", "tags"},
    "the annotation of one image, of VoTT; export the project as CSV": {"asset", "regions"},
    "of Azure Custom Vision; write a CSV with image and labels": {"tags", "resizedImageUri"},
    "the annotation of one image, of V7 Darwin; export it as COCO": {"item", "annotations", "version"},
    "the annotation of one image, of V7 Darwin 1; export it as COCO": {"dataset", "image", "annotations"},
    "of Hugging Face's server; save the data set with images and metadata.jsonl": {"features", "rows"},
}


def find_unread(content: Any) -> str | None:
    """What an export of another tool is, and what to do instead."""
    first = content[0] if isinstance(content, list) and content else content
    keys = first.keys() if isinstance(first, dict) else set()
    return next((what for what, needed in _NOT_READ.items() if needed <= keys), None)


def find_unread_table(records: Sequence[Record]) -> str | None:
    """The same, of a table: in old ones of Labelbox each cell holds all questions and answers."""
    first = records[0].values if records else {}
    nested = re.search('"(classifications|featureId|schemaId)"', str(first.get("Label")))
    return f"an old export of {_LABELBOX}" if nested and "Labeled Data" in first else None
