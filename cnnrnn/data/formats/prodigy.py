"""What people chose in Prodigy, which writes the choices of an image as accept, by the options' ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnnrnn.data.formats.records import Table

CHOSEN = "accept"


def are_choices(table: Table) -> bool:
    return any(isinstance(value, list) for value in table.values(CHOSEN))


def with_names(table: Table) -> Table:
    """Where the ids of the options are numbers, their texts are what was chosen."""
    named = [replace(record, values={**record.values, CHOSEN: _chosen(record.values)}) for record in table.records]
    return replace(table, records=named)


def _chosen(values: dict[str, Any]) -> Any:
    chosen, options = values.get(CHOSEN), values.get("options")
    if not isinstance(chosen, list) or not isinstance(options, list):
        return chosen
    texts = {option.get("id"): option.get("text") for option in options if isinstance(option, dict)}
    return [texts.get(one) or one if isinstance(one, int) else one for one in chosen]
