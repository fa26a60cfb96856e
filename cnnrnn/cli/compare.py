"""The command `cnnrnn compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cnnrnn.cli.output import user_errors
from cnnrnn.utils.files import markdown_table


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", show_default=False, help="Folders of trainings.")],
) -> None:
    """Trainings side by side, as a Markdown table; seeds of one configuration as mean ± standard deviation."""
    with user_errors():
        from cnnrnn.evaluation.comparison import compare as run_comparison

        shared, rows = run_comparison(runs)
        columns = list(dict.fromkeys(column for row in rows for column in row))
        sys.stdout.write("Shared: " + ", ".join(f"{key} {value}" for key, value in shared.items()) + "\n\n")
        sys.stdout.write(markdown_table(columns, ([row.get(column, "") for column in columns] for row in rows)))
