"""The command `cnnrnn neighbors`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from cnnrnn.cli.options import (
    EMBEDDED,
    EmbeddedCheckpointOption,
    JsonOption,
)
from cnnrnn.cli.output import STDOUT, Unwritten, console, user_errors, write_output


def neighbors(
    checkpoint: EmbeddedCheckpointOption = EMBEDDED,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbors of each label.")] = 3,
    measure: Annotated[Literal["cosine", "inner"], typer.Option(help="Cosine or inner product.")] = "cosine",
    json_file: JsonOption = None,
) -> None:
    """List each label's nearest labels in the label space, as in the paper's table of nearest neighbors."""
    with user_errors():
        from cnnrnn.checkpoint import Checkpoint
        from cnnrnn.label_space.neighbors import nearest

        loaded = Checkpoint.load(checkpoint)
        found = nearest(loaded.rnn.label_vectors(), loaded.vocabulary.labels, k, measure)
        unwritten = Unwritten()
        with unwritten.collected():
            write_output(json_file, {label: dict(near) for label, near in found.items()})
        if json_file != STDOUT:
            table = Table("label", f"nearest by {measure}")
            for label, near in found.items():
                table.add_row(escape(label), escape(", ".join(f"{name} {value:.2f}" for name, value in near)))
            console.print(table)
        unwritten.report()
