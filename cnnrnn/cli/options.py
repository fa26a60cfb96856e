"""Options that several commands share, and the panels in which --help shows options."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Literal

import typer

from cnnrnn.utils.progress import notes
from cnnrnn.utils.resources import DEFAULT_CHECKPOINT, checkpoints_folder, embedded_checkpoint

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


def _tell_of_shadowed(value: Path | None) -> Path | None:
    """Say that a file or folder is taken where an embedded checkpoint has its name: a data set's may be "coco"."""
    if value is not None and len(value.parts) == 1 and value.exists():
        embedded = checkpoints_folder() / value
        if embedded.is_dir() and not value.samefile(embedded):
            words = f"--checkpoint {value}: what is called so here is taken, not the embedded checkpoint of that name"
            notes.print(words, markup=False, highlight=False, soft_wrap=True)
    return value


_Checkpoint = functools.partial(
    typer.Option,
    "--checkpoint",
    callback=_tell_of_shadowed,
    help="Folder or zip of a trained model, or an embedded one's name: coco, coco-sigmoid, voc. A folder here comes "
    "before a name.",
)
CheckpointOption = Annotated[Path, _Checkpoint()]
EmbeddedCheckpointOption = Annotated[Path, _Checkpoint(show_default=DEFAULT_CHECKPOINT)]
# None where none is named: nothing is recorded in the embedded one by mistake.
RecordedCheckpointOption = Annotated[Path | None, _Checkpoint(show_default=DEFAULT_CHECKPOINT)]
BatchSizeOption = Annotated[
    int, typer.Option("--batch-size", min=1, help="Images per pass of the backbone.", rich_help_panel=HARDWARE)
]
BeamOption = Annotated[int, typer.Option("--beam", min=1, max=256, help="Paths kept at every step.")]


def _in_a_folder_that_is_there(value: Path | None) -> Path | None:
    """A folder that is missing is more often a mistake than meant; the commands' folders (--out) are made."""
    if value is not None and not value.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {value.parent}; make it first, or correct its name")
    return value


# A file to write. What can't be one is refused before anything is computed.
OutputFile = functools.partial(
    typer.Option, dir_okay=False, callback=_in_a_folder_that_is_there, rich_help_panel=OUTPUT
)
JsonOption = Annotated[
    Path | None, OutputFile("--json", help="Write JSON to this file; - for standard output.", allow_dash=True)
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="cpu, cuda, mps …", show_default="a GPU if there is one", rich_help_panel=HARDWARE),
]
Engine = Literal["torch", "compile", "openvino", "onnxruntime"]
ENGINE_HELP = "The backbone's engine. compile (torch.compile) takes long to start and is meant for a GPU."
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
