"""JSON and JSONL files as records, or as the document of an annotation tool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.column_names import is_image_column, is_label_column, looks_like_image
from cnnrnn.data.formats.pandas_json import of_pandas
from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.formats.text import are_objects, parse_json, read_text
from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

LINES = (".jsonl", ".ndjson", ".jsonlines", ".manifest")  # the last one of SageMaker, whose objects are told


class Lines(list[Any]):
    """The objects of a file that has one a line."""


def read_document(path: Path, findings: Findings) -> Any:
    """The content of a JSON file; of several objects, one a line, `Lines`. What a file holds counts, not its name: a
    list is saved as .jsonl, too. Raises DataError, with the line."""
    text = read_text(path, findings)
    if not text.strip():
        raise DataError(f"{path} is empty; export or save it again")
    lines = [line for line in text.splitlines() if line.strip()]
    named_lines = path.suffix.lower() in LINES
    if (len(lines) > 1 or named_lines) and _is_object(path, lines[0]):
        return _read_lines(path, text)
    try:
        if isinstance(content := parse_json(path, text), str):
            raise DataError(f"{path} holds one text; if that is JSON itself, it was encoded twice: write it once")
        return content
    except DataError:
        raise
    except RecursionError:
        raise DataError(f"{path} is nested too deeply") from None
    except ValueError as error:
        if named_lines and not re.search(r"^\s*([\[{]\s*$|\[.*,\s*$)", lines[0]):  # a document goes on in the next line
            return _read_lines(path, text)
        raise DataError(f"{path} is no JSON ({error}); correct it there, or export it again") from None


def _is_object(path: Path, line: str) -> bool:
    try:
        return isinstance(parse_json(path, line), dict)
    except DataError:  # a key that stands twice
        return True
    except (ValueError, RecursionError):
        return False


def _read_lines(path: Path, text: str) -> Lines:
    rows = Lines()
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(parse_json(path, line))
            except DataError as error:
                raise DataError(str(error).replace(str(path), f"{path}, line {number}", 1)) from None
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}, line {number}: expected an object with image and labels ({error})") from None
    return rows


def as_records(path: Path, content: Any) -> list[Record] | None:
    """The records of a list of objects, of lists by split, or of an object {image: labels}; None for other content.

    Raises DataError, with the place, where a list holds something that is no object.
    """
    place = "line" if isinstance(content, Lines) else "entry"
    if isinstance(content, list):
        for number, item in enumerate(content, start=1):
            if not isinstance(item, dict):
                raise DataError(
                    f"{path}, {place} {number}: expected an object with image and labels, found {item!r:.40}"
                )
        return [Record(f"{place} {number}", item) for number, item in enumerate(content, start=1)]
    if not isinstance(content, dict) or not content:
        return None
    if all(split_name(key) and isinstance(value, (list, dict)) for key, value in content.items()):
        return _of_splits(path, content)
    if records := of_pandas(path, content):
        return records
    if records := of_labels(content):
        return records
    lists = [value for value in content.values() if value and are_objects(value)]
    if len(lists) > 1:  # a list of classes has names, too
        lists = [items for items in lists if _names_image_and_labels(items[0])]
    if len(lists) == 1 and (len(content) == 1 or any(map(is_image_column, lists[0][0]))):
        return as_records(path, lists[0])
    if all(map(looks_like_image, content)) and not all(isinstance(value, (int, float)) for value in content.values()):
        return [Record(f"entry {key}", {"image": key, **_labels(value)}) for key, value in content.items()]
    return None


def of_labels(content: dict[str, Any]) -> list[Record]:
    """The records of an object that lists the images of each label; none for another."""
    labels: dict[str, list[str]] = {}
    for label, images in content.items():
        if looks_like_image(label) or not isinstance(images, list) or not all(map(looks_like_image, images)):
            return []
        for image in images:
            labels.setdefault(image, []).append(label)
    return [Record(f"entry {image}", {"image": image, "labels": own}) for image, own in labels.items()]


def _of_splits(path: Path, content: dict[str, Any]) -> list[Record] | None:
    """The records of an object that has a list or object for each split."""
    found = {key: as_records(path, value) if value else [] for key, value in content.items()}
    records = []
    for key, part in found.items():
        if part is None:
            return None
        records += [Record(f"{key} {record.where}", {"split": key, **record.values}) for record in part]
    return records


def _names_image_and_labels(item: dict[str, Any]) -> bool:
    image = any(is_image_column(name) and looks_like_image(value) for name, value in item.items())
    return image and any(map(is_label_column, item))


def _labels(value: Any) -> dict[str, Any]:
    """What an image's entry holds: its labels, or an object with a column of labels."""
    return value if isinstance(value, dict) and any(map(is_label_column, value)) else {"labels": value}
