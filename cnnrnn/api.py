"""What a notebook starts with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnrnn.checkpoint import CONFIG
from cnnrnn.inference.predictor import Predictor
from cnnrnn.utils.resources import checkpoints_folder, embedded_checkpoint


def load(checkpoint: str | Path | None = None, **settings: Any) -> Predictor:
    """A Predictor for a checkpoint: a folder, a zip of one, the name of an embedded one, or None for the default.

    `settings` are fields of `InferenceConfig`, such as beam=16 or device="cpu". Raises CheckpointError for a
    checkpoint that can't be used, and UserError as `Predictor`.
    """
    if isinstance(checkpoint, str) and checkpoint in list_checkpoints() and not Path(checkpoint).exists():
        checkpoint = checkpoints_folder() / checkpoint
    return Predictor(checkpoint, **settings)


def list_checkpoints() -> list[str]:
    """Names of the embedded checkpoints, the default first; `load` takes them."""
    names = sorted(path.parent.name for path in checkpoints_folder().glob(f"*/{CONFIG}"))
    return sorted(names, key=lambda name: name != embedded_checkpoint().name)
