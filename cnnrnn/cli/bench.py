"""The command `cnnrnn bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cnnrnn.cli.options import (
    EMBEDDED,
    DeviceOption,
    EmbeddedCheckpointOption,
    EngineOption,
    JsonOption,
    PrecisionOption,
)
from cnnrnn.cli.output import STDOUT, Unwritten, user_errors, write_output
from cnnrnn.utils.device import resolve_device
from cnnrnn.utils.errors import UserError, did_you_mean
from cnnrnn.utils.files import markdown_table
from cnnrnn.utils.progress import notes
from cnnrnn.utils.streams import write_stdout


def bench(
    checkpoint: EmbeddedCheckpointOption = EMBEDDED,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of photographs for folder, training, serve and ray, which are left out without."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Of these images.")] = 1000,
    only: Annotated[
        str,
        typer.Option(
            help="Parts, with commas between them: search, growth, vocabulary, checkpoint, folder, memory, cached, "
            "training, start, serve, ray."
        ),
    ] = "all",
    engine: EngineOption = None,
    precision: PrecisionOption = "float32",
    device: DeviceOption = None,
    json_file: JsonOption = None,
) -> None:
    """Measure the speed on this machine, each line beside a reference timed in turn in the same run."""
    with user_errors():
        from cnnrnn.bench import PARTS, run
        from cnnrnn.checkpoint import Checkpoint
        from cnnrnn.inference.predictor import find_images

        parts = PARTS if only == "all" else [part.strip() for part in only.split(",")]
        if unknown := set(parts) - set(PARTS):
            meant = did_you_mean(min(unknown), PARTS)
            raise UserError(f"no part '{min(unknown)}'; {meant}choose from {', '.join(PARTS)}")
        paths = find_images([images])[0][:count] if images is not None else []
        lines = []
        for line in run(parts, Checkpoint.load(checkpoint, resolve_device(device)), paths, engine, precision):
            lines.append(line)
            notes.print(
                f"{line['what']} | {line['reference']}: {line['ratio']:.2f} ({line['goal']}) {line['remark']}",
                soft_wrap=True,
                markup=False,
            )
        unwritten = Unwritten()
        with unwritten.collected():
            write_output(json_file, lines)
        if json_file != STDOUT:
            columns = ["what", "seconds", "reference", "seconds", "ratio", "lowest … highest", "goal", ""]
            rows = [
                [
                    line["what"],
                    f"{line['seconds']:.3g}",
                    line["reference"],
                    f"{line['reference_seconds']:.3g}",
                    f"{line['ratio']:.2f}",
                    f"{line['spread'][0]:.2f} … {line['spread'][1]:.2f}",
                    f"{line['goal']}{'' if line['met'] else ', not met'}",
                    line["remark"],
                ]
                for line in lines
            ]
            write_stdout(markdown_table(columns, rows))
        unwritten.report()
