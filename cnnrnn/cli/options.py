"""Options that several commands share, and the panels in which --help shows options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cnnrnn.utils.resources import embedded_checkpoint

# The options that people need first stand in the panel without a name of its own, "Options".
DATA = "Data"
MODEL = "Model"
BACKBONE = "Backbone"
OPTIMIZATION = "Optimization"
METRICS = "Metrics"
OUTPUT = "Output"
HARDWARE = "Hardware and speed"
RAY = "Millions of images, with Ray"

EMBEDDED = embedded_checkpoint()

CheckpointOption = Annotated[Path, typer.Option("--checkpoint", help="Folder or zip of a trained model.")]
EmbeddedCheckpointOption = Annotated[
    Path, typer.Option("--checkpoint", help="Folder or zip of a trained model.", show_default="the embedded one")
]
BatchSizeOption = Annotated[
    int, typer.Option("--batch-size", min=1, help="Images per pass of the backbone.", rich_help_panel=HARDWARE)
]
BeamOption = Annotated[int, typer.Option("--beam", min=1, max=256, help="Paths kept at every step.")]
JsonOption = Annotated[
    Path | None,
    typer.Option(
        "--json",
        help="Write JSON to this file; - for standard output.",
        dir_okay=False,  # refused before anything is computed
        allow_dash=True,
        rich_help_panel=OUTPUT,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="cpu, cuda, mps …", show_default="a GPU if there is one", rich_help_panel=HARDWARE),
]
Engine = Literal["torch", "compile", "openvino", "onnxruntime"]
ENGINE_HELP = "The backbone's engine. compile (torch.compile) takes a minute to start and is meant for a GPU."
EngineOption = Annotated[
    Engine | None,
    typer.Option(
        help=ENGINE_HELP, show_default="the fastest that is installed; torch on a GPU", rich_help_panel=HARDWARE
    ),
]
ExactEngineOption = Annotated[Engine, typer.Option(help=ENGINE_HELP, rich_help_panel=HARDWARE)]  # default: torch
PRECISION_HELP = "The backbone's precision. bfloat16 is faster where the hardware has it, and less exact"
PrecisionOption = Annotated[
    Literal["float32", "bfloat16"], typer.Option(help=f"{PRECISION_HELP}.", rich_help_panel=HARDWARE)
]
PredictionPrecisionOption = Annotated[
    Literal["float32", "bfloat16", "int8"],
    typer.Option(
        help=f"{PRECISION_HELP}; int8 is the fastest on processors, once `cnnrnn quantize` was run.",
        rich_help_panel=HARDWARE,
    ),
]
