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
from cnnrnn.utils.errors import UserError


def neighbors(
    labels: Annotated[
        list[str] | None, typer.Argument(metavar="[LABEL]...", show_default=False, help="Only of these labels.")
    ] = None,
    checkpoint: EmbeddedCheckpointOption = EMBEDDED,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbors of each label.")] = 3,
    measure: Annotated[Literal["cosine", "inner"], typer.Option(help="Cosine or inner product.")] = "cosine",
    json_file: JsonOption = None,
) -> None:
    """List each label's nearest labels in the label space, as in the paper's table of nearest neighbors."""
    with user_errors():
        from cnnrnn.inference.engines import load_checkpoint
        from cnnrnn.label_space.neighbors import nearest
        from cnnrnn.models.vocabulary import no_label

        loaded = load_checkpoint(checkpoint)  # the network, which is not needed, is then seldom built
        known = loaded.vocabulary.labels
        for label in labels or ():
            if label not in known:
                raise UserError(no_label(label, known))
        found = nearest(loaded.rnn.label_vectors(), known, k, measure)
        found = {label: found[label] for label in labels or known}
        unwritten = Unwritten()
        with unwritten.collected():
            write_output(json_file, {label: dict(near) for label, near in found.items()})
        if json_file != STDOUT:
            table = Table("label", f"nearest by {measure}")
            for label, near in found.items():
                table.add_row(escape(label), escape(", ".join(f"{name} {value:.2f}" for name, value in near)))
            console.print(table)
        unwritten.report()
