"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def aside(path: Path) -> Path:
    """A hidden name beside `path` to write to before the rename."""
    return path.with_name(f".{path.name}.new-{platform.node()}-{os.getpid()}")  # machines may share the disk


def write_text(path: Path, text: str) -> None:
    """Written aside, then renamed."""
    new = aside(path)
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, *rows)]
    lines.insert(1, "|---" * len(columns) + "|")
    return "\n".join(lines) + "\n"


def json_text(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
