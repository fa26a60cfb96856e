"""The command `cnnrnn serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnrnn.cli.options import (
    EMBEDDED,
    BatchSizeOption,
    BeamOption,
    DeviceOption,
    EmbeddedCheckpointOption,
    EngineOption,
    PredictionPrecisionOption,
)
from cnnrnn.cli.output import user_errors
from cnnrnn.utils.ports import bind
from cnnrnn.utils.progress import notes


def serve(
    checkpoint: EmbeddedCheckpointOption = EMBEDDED,
    beam: BeamOption = 8,
    batch_size: BatchSizeOption = 16,
    host: Annotated[
        str, typer.Option(help="There are no passwords: what isn't localhost needs a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    engine: EngineOption = None,
    precision: PredictionPrecisionOption = "float32",
    device: DeviceOption = None,
) -> None:
    """Label images over HTTP: `curl -F image=@photo.jpg localhost:8000/predict`; also /health and /metrics."""
    with user_errors():
        sockets = bind(host, port)  # before the model is read: a port may be in use
        from cnnrnn.inference.predictor import Predictor
        from cnnrnn.inference.server import serve as run_server

        predictor = Predictor(
            checkpoint, beam=beam, batch_size=batch_size, engine=engine, precision=precision, device=device
        )
        notes.print(f"http://{host}:{port}/predict takes images; Ctrl-C ends it", highlight=False)
        run_server(predictor, sockets)
