"""What a notebook starts with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnrnn.checkpoint import embedded_checkpoints
from cnnrnn.inference.predictor import Predictor


def load(checkpoint: str | Path | None = None, **settings: Any) -> Predictor:
    """A Predictor for a checkpoint: a folder, a zip of one, the name of an embedded one, or None for the default.

    A file or folder in the working directory comes before an embedded checkpoint of the same name. `settings` are
    fields of `InferenceConfig`, such as beam=16 or device="cpu". Raises CheckpointError for a checkpoint that can't be
    used, and UserError as `Predictor`.
    """
    return Predictor(checkpoint, **settings)


def list_checkpoints() -> list[str]:
    """Names of the embedded checkpoints, the default first; `load` and every --checkpoint take them."""
    return embedded_checkpoints()
