"""What pandas' DataFrame.to_json and to_dict write, as records; the images may be a column or the index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.column_names import is_image_column, is_label_column, looks_like_image
from cnnrnn.data.formats.text import are_objects
from cnnrnn.data.reading import Record
from cnnrnn.data.split import DataError


def of_pandas(path: Path, content: dict[str, Any]) -> list[Record]:
    """The rows of {column: {row: value}}, {row: {column: value}}, {column: [values]}, {"columns": names, "index":
    rows, "data": values} or {"schema": about the columns, "data": objects}; empty for other content."""
    schema, data = content.get("schema"), content.get("data")
    if isinstance(schema, dict) and isinstance(data, list):
        return _of_schema(schema, data)
    content = _of_lists(path, _of_split(content))
    if not all(isinstance(value, dict) for value in content.values()):
        return []
    rows = list(next(iter(content.values()), {}))
    columns = {name: [column.get(row) for row in rows] for name, column in content.items()}
    if any(map(is_image_column, content)):
        return _records(rows, columns)
    if all(any(map(is_image_column, row)) for row in content.values()):
        return [Record(f"row {row}", values) for row, values in content.items()]
    same = all(column.keys() == set(rows) for column in content.values())
    return _records(rows, {"image": rows, **columns}) if same and _are_images(rows, columns) else []


def _records(rows: Sequence[Any], columns: dict[str, list[Any]]) -> list[Record]:
    return [Record(f"row {row}", {name: values[n] for name, values in columns.items()}) for n, row in enumerate(rows)]


def _are_images(index: Sequence[Any], columns: dict[str, list[Any]]) -> bool:
    """Names without a suffix are some if a column of labels stands beside others. An object of classes and their
    numbers looks much the same, and pandas' own index counts the rows."""
    if not index or not all(isinstance(row, str) and row for row in index):
        return False
    if all(map(looks_like_image, index)):
        return True
    labels = [value for name, values in columns.items() if is_label_column(name) for value in values]
    texts = all(isinstance(value, (str, list)) for value in labels)
    return len(columns) > 1 and bool(labels) and texts and not all(row.isdigit() for row in index)


def _of_schema(schema: dict[str, Any], data: list[Any]) -> list[Record]:
    """The records of orient="table", where the index is a value of every object."""
    if not data or not are_objects(data):
        return []
    columns = list(data[0])
    if any(map(is_image_column, columns)):
        return [Record(f"entry {number}", row) for number, row in enumerate(data, start=1)]
    (name,) = primary if isinstance(primary := schema.get("primaryKey"), list) and len(primary) == 1 else (None,)
    index = [row.get(name) for row in data]
    others = {column: [row.get(column) for row in data] for column in columns if column != name}
    return _records(index, {"image": index, **others}) if _are_images(index, others) else []


def _of_split(content: dict[str, Any]) -> dict[str, Any]:
    """The content of orient="split" as lists by column; other content as it is."""
    columns, index, data = content.get("columns"), content.get("index"), content.get("data")
    if not (isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data)):
        return content
    lists = {str(name): [row[n] if n < len(row) else None for row in data] for n, name in enumerate(columns)}
    if not any(map(is_image_column, lists)) and isinstance(index, list) and len(index) == len(data):
        lists = {"image": index, **lists} if _are_images(index, lists) else lists
    return lists


def _of_lists(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Lists by column, as objects by column and row; other content as it is. Raises DataError for unequal lengths."""
    lists = all(isinstance(v, list) and not any(isinstance(item, dict) for item in v) for v in content.values())
    if not lists or not any(map(is_image_column, content)):
        return content
    if len({len(values) for values in content.values()}) > 1:
        raise DataError(f"{path}: the lists of {', '.join(list(content)[:6])} are not of one length; export it again")
    return {name: dict(enumerate(values)) for name, values in content.items()}
