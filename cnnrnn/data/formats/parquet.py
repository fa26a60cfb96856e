"""Parquet files as records, such as pandas and Hugging Face write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnrnn.data.formats.text import unreadable
from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

SUFFIXES = (".parquet", ".pq")
BEGINS = b"PAR1"


def read_records(path: Path, findings: Findings, image_column: str | None) -> tuple[str, list[Record]]:
    """The kind of file, for people, and its rows. Raises DataError for what is no parquet file, and for images that
    are inside of it."""
    import pyarrow
    import pyarrow.parquet
    import pyarrow.types

    try:
        file = pyarrow.parquet.ParquetFile(path)
        for column in file.schema_arrow:
            inner = [column, *(column.type if pyarrow.types.is_struct(column.type) else ())]
            if any(pyarrow.types.is_binary(part.type) or pyarrow.types.is_large_binary(part.type) for part in inner):
                raise DataError(
                    f"{path}: the column {column.name!r} holds bytes. Write images into files, such as with Hugging "
                    "Face's row['image'].save(name), and their names into the table; write labels as texts"
                )
        rows: list[dict[str, Any]] = file.read().to_pylist()
    except DataError:
        raise
    except OSError as error:
        raise unreadable(path, error) from None
    except Exception as error:  # pyarrow's own kinds are many
        raise DataError(f"{path} is no parquet file that can be read ({error}); save the table as CSV") from None
    return "parquet", [
        Record(f"row {number}", {name: _whole(value) for name, value in values.items()})
        for number, values in enumerate(rows, start=1)
    ]


def _whole(value: Any) -> Any:
    """Whole numbers, which pandas keeps as 7.0 where some are missing."""
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
