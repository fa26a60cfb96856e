"""The command `cnnrnn explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from cnnrnn.cli.options import (
    EMBEDDED,
    OUTPUT,
    BeamOption,
    DeviceOption,
    EmbeddedCheckpointOption,
)
from cnnrnn.cli.output import Unwritten, console, user_errors
from cnnrnn.utils.errors import UserError


def explain(
    path: Annotated[Path, typer.Argument(metavar="IMAGE", show_default=False, help="An image file.")],
    out: Annotated[
        Path, typer.Option("--out", file_okay=False, help="Folder of this image, for one PNG per step and trace.json.")
    ],
    checkpoint: EmbeddedCheckpointOption = EMBEDDED,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="How the maps are made, such as grad-cam; a wrong name lists all.",
            show_default="the one that points best",
        ),
    ] = None,
    common_scale: Annotated[
        bool,
        typer.Option("--common-scale", help="Draw all maps on the scale of the strongest step, not each on its own."),
    ] = False,
    colormap: Annotated[
        str, typer.Option("--colormap", help="plasma, viridis or cividis, which color-blind people see as others do.")
    ] = "plasma",
    path_number: Annotated[int, typer.Option("--path", min=1, help="Which path: 1 is the best.")] = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another image's maps in --out.", rich_help_panel=OUTPUT)
    ] = False,
    beam: BeamOption = 8,
    device: DeviceOption = None,
) -> None:
    """Show where in an image each decoding step found its evidence: one overlay per step, and trace.json."""
    with user_errors():
        from cnnrnn.attribution.methods import DEFAULT_METHOD
        from cnnrnn.inference.predictor import Predictor

        predictor = Predictor(checkpoint, beam=beam, device=device)
        result = predictor(path)
        if path_number > len(result.paths):
            raise UserError(f"the search kept {len(result.paths)} paths; choose --path up to that or a wider --beam")
        explanation = predictor.explain(result, path_number - 1, method or DEFAULT_METHOD)
        trace, chosen = result.trace, result.trace.paths[path_number - 1]
        files, unwritten = [], Unwritten()
        with unwritten.collected():
            files = explanation.save(out, common_scale, colormap, overwrite)
        table = Table(
            "step",
            "label",
            Column("p(label | path so far)", no_wrap=True),
            Column("strongest evidence", no_wrap=True),
            Column("overlay", overflow="fold"),
        )
        for step, (name, strength) in enumerate(zip(explanation.steps, explanation.strengths, strict=True)):
            prob = trace.distribution(chosen, step)[chosen.token(step, trace.end)]
            evidence = f"{strength:.0%}" if strength > 0 else "no positive evidence"
            file = escape(str(files[step])) if files else "not written"
            table.add_row(str(step + 1), escape(name), f"{prob:.1%}", evidence, file)
        console.print(table)
        unwritten.report()
