"""What people chose in Prodigy, which writes the choices of an image as accept, by the options' ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cnnrnn.data.reading import Record

CHOSEN = "accept"


def are_choices(records: Sequence[Record]) -> bool:
    return any(isinstance(record.values.get(CHOSEN), list) for record in records)


def with_names(records: Sequence[Record]) -> list[Record]:
    """Where the ids of the options are numbers, their texts are what was chosen."""
    return [replace(record, values={**record.values, CHOSEN: _chosen(record.values)}) for record in records]


def _chosen(values: dict[str, Any]) -> Any:
    chosen, options = values.get(CHOSEN), values.get("options")
    if not isinstance(chosen, list) or not isinstance(options, list):
        return chosen
    texts = {option.get("id"): option.get("text") for option in options if isinstance(option, dict)}
    return [texts.get(one) or one if isinstance(one, int) else one for one in chosen]
