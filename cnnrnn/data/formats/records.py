"""The rows of a table, of whatever kind of file, and what its columns hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cnnrnn.data.reading import Findings, Record
from cnnrnn.data.split import DataError

MOSTLY = 0.9  # share of a column's values by which its kind is told, so that the others are named as errors


@dataclass(frozen=True)
class Table:
    """The rows of a file; `findings` collects what a person should know about it."""

    path: Path
    records: Sequence[Record]
    findings: Findings

    @cached_property
    def columns(self) -> list[str]:
        """All names, in the order in which they first stand: the objects of a list may have different keys."""
        return list(dict.fromkeys(name for record in self.records for name in record.values))

    def values(self, column: str) -> list[Any]:
        """The value of every row; None where it lacks the column."""
        return [record.values.get(column) for record in self.records]

    def written(self, column: str) -> list[str]:
        """The text of every row without blanks around it; empty where there is none."""
        return ["" if value is None else str(value).strip() for value in self.values(column)]

    def texts(self, column: str) -> frozenset[str]:
        """The different values. Of millions of cells, few differ."""
        if column not in self._texts:  # several questions are asked about each column
            self._texts[column] = frozenset(str(record.values.get(column)) for record in self.records)
        return self._texts[column]

    @cached_property
    def _texts(self) -> dict[str, frozenset[str]]:
        return {}

    def share(self, column: str, test: Callable[[Any], object]) -> float:
        """The share of the rows whose value passes a test."""
        return sum(bool(test(value)) for value in self.values(column)) / max(1, len(self.records))

    def filled(self, column: str) -> float:
        """The share of the rows that have a value."""
        return sum(map(bool, self.written(column))) / max(1, len(self.records))

    def error(self, message: str) -> DataError:
        return DataError(f"{self.path}: {message}")
