"""The command `cnnrnn project`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cnnrnn.cli.options import (
    EMBEDDED,
    EmbeddedCheckpointOption,
)
from cnnrnn.cli.output import console, user_errors


def project(
    checkpoint: EmbeddedCheckpointOption = EMBEDDED,
    seed: Annotated[int, typer.Option(help="Of UMAP.")] = 0,
) -> None:
    """Compute the maps of the label space that the dashboard draws, and put them into the checkpoint's folder."""
    with user_errors():
        console.print(f"The maps are in {escape(str(write_projection(checkpoint, seed)))}", soft_wrap=True)


def write_projection(folder: Path, seed: int) -> Path:
    """Put the maps of the label space into a checkpoint's folder."""
    from cnnrnn.checkpoint import Checkpoint, recordable_folder
    from cnnrnn.label_space import projection

    folder = recordable_folder(folder)
    loaded = Checkpoint.load(folder)
    projection.record(folder, loaded.rnn.label_vectors(), loaded.weights_hash, seed)
    return folder / projection.PROJECTION
