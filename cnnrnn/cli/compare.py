"""The command `cnnrnn compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cnnrnn.cli.output import user_errors
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import markdown_table
from cnnrnn.utils.progress import notes
from cnnrnn.utils.streams import write_stdout


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", show_default=False, help="Folders of trainings.")],
) -> None:
    """Trainings side by side, as a Markdown table; seeds of one configuration as mean ± standard deviation."""
    with user_errors():
        from cnnrnn.evaluation.comparison import compare as run_comparison
        from cnnrnn.evaluation.comparison import is_run

        found = [run for run in runs if is_run(run)]
        if not found:
            raise UserError(f"no run of `cnnrnn train` among {', '.join(map(str, runs))}")
        if others := [str(run) for run in runs if run not in found]:
            notes.print(f"[yellow]passed over[/], no run: {escape(', '.join(others))}", soft_wrap=True)
        shared, rows = run_comparison(found)
        columns = list(dict.fromkeys(column for row in rows for column in row))
        write_stdout("Shared: " + ", ".join(f"{key} {value}" for key, value in shared.items()) + "\n\n")
        write_stdout(markdown_table(columns, ([row.get(column, "") for column in columns] for row in rows)))
