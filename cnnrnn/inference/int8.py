"""The backbone in int8, for prediction on processors: post-training quantization by NNCF, run by OpenVINO.

How far activations range is measured on some images, and what is lost on labeled ones, when a checkpoint is quantized.
The result is kept as translations are, see `engines`.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import torch

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data.loader import batches
from cnnrnn.inference import engines
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import replacing

ENGINE = "openvino"
CALIBRATION_IMAGES = 128  # of which the ranges of the activations are taken; more gained nothing
PACKAGES = ("openvino", "nncf")  # that quantize; to predict takes the first one


def load(checkpoint: Checkpoint, threads: int | None = None) -> engines.Forward:
    """The forward pass of the checkpoint's quantized backbone. Raises UserError if there is none."""
    _require(checkpoint, ENGINE)
    file = kept_file(checkpoint)
    if not file.exists():
        raise UserError(
            "this checkpoint has no int8 version here; make one with: cnnrnn quantize SOURCE --checkpoint CHECKPOINT, "
            "where SOURCE has labeled images like those to predict"
        )
    return run(file, threads)


def run(file: Path, threads: int | None = None) -> engines.Forward:
    return engines.run_openvino(file, torch.float32, threads)


def kept_file(checkpoint: Checkpoint) -> Path:
    return engines.kept_file(checkpoint.weights_hash, checkpoint.model.backbone.config, "int8", ENGINE, ".xml")


def quantize(
    checkpoint: Checkpoint,
    images: Sequence[Path],
    file: Path,
    on_images: Callable[[int], None] = lambda count: None,
) -> None:
    """Write an int8 version of the backbone; `images`, those that can be read, calibrate its activations.

    Raises UserError where a package is missing or no image can be read.
    """
    _require(checkpoint, *PACKAGES)
    inputs: list[np.ndarray] = []  # each (1, 3, size, size)
    for _, pixels, failed in batches(images, checkpoint.model.backbone.pixels, 16):
        inputs += [image[None].numpy() for image in pixels]
        on_images(len(pixels) + len(failed))
    if not inputs:
        raise UserError("none of the images can be read: there is nothing to calibrate on")
    model = engines.openvino_core().read_model(engines.translated(checkpoint, ENGINE))
    # Torch's tools for extensions warn that there is no CUDA; NNCF has bars of its own.
    with engines.without_log(), redirect_stdout(StringIO()):
        import nncf

        # The exact correction of biases takes twice as long, and loses less: docs/speed.md.
        quantized = nncf.quantize(model, nncf.Dataset(inputs), subset_size=len(inputs), fast_bias_correction=False)
    import openvino

    with replacing(file.parent) as new:
        new.mkdir()
        openvino.save_model(quantized, new / file.name, compress_to_fp16=False)


def keep(checkpoint: Checkpoint, file: Path) -> None:
    """Put a quantized backbone where `load` finds it."""
    with replacing(kept_file(checkpoint).parent) as new:
        shutil.copytree(file.parent, new)


def _require(checkpoint: Checkpoint, *packages: str) -> None:
    check_installed(*packages)
    if checkpoint.model.backbone.device.type != "cpu":
        raise UserError("int8 runs on the processor; take --device cpu")


def check_installed(*packages: str) -> None:
    """Raises UserError for packages that are missing."""
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise UserError(f"int8 needs {' and '.join(missing)}; run `pip install 'cnnrnn[int8]'`")
