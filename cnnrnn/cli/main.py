"""The command `cnnrnn`: one file a command.

Heavy modules are imported by the command that uses them, so that --help is instant.
"""

from __future__ import annotations

import warnings
from typing import Annotated

import typer

from cnnrnn import __version__
from cnnrnn.cli.bench import bench
from cnnrnn.cli.breakdown import breakdown
from cnnrnn.cli.calibrate import calibrate
from cnnrnn.cli.compare import compare
from cnnrnn.cli.dashboard import dashboard
from cnnrnn.cli.data import data
from cnnrnn.cli.evaluate import evaluate
from cnnrnn.cli.evaluate_maps import evaluate_maps
from cnnrnn.cli.explain import explain
from cnnrnn.cli.neighbors import neighbors
from cnnrnn.cli.predict import predict
from cnnrnn.cli.project import project
from cnnrnn.cli.quantize import quantize
from cnnrnn.cli.serve import serve
from cnnrnn.cli.train import train
from cnnrnn.utils.cache import redirect_libraries
from cnnrnn.utils.cores import share_cores
from cnnrnn.utils.streams import accept_any_text, finish_stdout

app = typer.Typer(
    help="CNN-RNN multi-label image classification (Wang et al., CVPR 2016): train it, use it, watch it decode.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cnnrnn {__version__}")
        raise typer.Exit


@app.callback()
def _cnnrnn(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the program itself."""


USE, TRAIN, INSPECT = "Use a model", "Train and evaluate", "Look inside"
for command, panel in (
    (dashboard, USE),
    (predict, USE),
    (explain, USE),
    (serve, USE),
    (quantize, USE),
    (train, TRAIN),
    (calibrate, TRAIN),
    (evaluate, TRAIN),
    (evaluate_maps, TRAIN),
    (compare, TRAIN),
    (breakdown, TRAIN),
    (neighbors, INSPECT),
    (project, INSPECT),
    (bench, INSPECT),
):
    # What `dashboard` doesn't know is for streamlit, which refuses what it doesn't know either.
    app.command(rich_help_panel=panel, context_settings={"ignore_unknown_options": command is dashboard})(command)
app.add_typer(data, name="data", rich_help_panel=TRAIN)


def main() -> None:
    warnings.filterwarnings("ignore", module=r"PIL\.")  # Pillow's warnings about metadata are for developers
    accept_any_text()
    redirect_libraries()
    share_cores()
    try:
        app()
    finally:
        finish_stdout()


if __name__ == "__main__":
    main()
