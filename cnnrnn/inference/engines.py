"""The backbone by another engine than torch's eager mode, for prediction: the same feature map, faster.

OpenVINO and ONNX Runtime are for processors, torch.compile is for GPUs.

A checkpoint is translated once, compared with torch, and kept under its hash in the user's cache folder: not beside
its weights, since a checkpoint may come from a stranger, of whom nothing but safetensors and JSON is read.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.models.backbone import Backbone
from cnnrnn.utils.cache import cache_folder, temporary_folder
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import replacing
from cnnrnn.utils.progress import notes

Forward = Callable[[Tensor], Tensor]  # preprocessed images (batch, 3, size, size) -> feature map
# The network, its translation's file, an example if it is to be made, threads -> the translation's forward pass.
Start = Callable[[Backbone, Path, Tensor | None, int | None], Forward]

_MIN_SIMILARITY = 0.999  # cosine between the engine's feature map and torch's, at which a translation is believed


def _openvino(backbone: Backbone, file: Path, example: Tensor | None, threads: int | None) -> Forward:
    import openvino

    if example is not None:
        model = _FeatureMap(backbone).eval()
        translated = openvino.convert_model(model, example_input=example, input=[-1, *example.shape[1:]])
        openvino.save_model(translated, file, compress_to_fp16=False)
    return run_openvino(file, backbone.precision, threads)


def run_openvino(file: Path, precision: torch.dtype, threads: int | None) -> Forward:
    """The forward pass of a model in OpenVINO's format; of a quantized one, `precision` is that of the rest."""
    # Latency: one image after the other on all cores, whose layers stay in the cache; see backbones.
    # Precision as it is wanted: left alone, it takes bfloat16 where there is any.
    hint = "bf16" if precision == torch.bfloat16 else "f32"
    hints: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    if threads is not None:
        hints["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino_core().compile_model(file, "CPU", hints)

    def forward(images: Tensor) -> Tensor:
        return torch.cat([torch.from_numpy(compiled(one.numpy())[0].copy()) for one in images.split(1)])

    return forward


@cache
def openvino_core() -> Any:
    """One for all models: its methods are thread-safe, and processes with several of them are known to crash."""
    import openvino

    return openvino.Core()


def _onnxruntime(backbone: Backbone, file: Path, example: Tensor | None, threads: int | None) -> Forward:
    import onnxruntime

    if example is not None:
        axes = {"images": {0: "batch"}, "feature_map": {0: "batch"}}
        torch.onnx.export(
            _FeatureMap(backbone).eval(),
            (example,),
            file,
            input_names=["images"],
            output_names=["feature_map"],
            dynamic_axes=axes,
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0  # 0: as many as there are cores
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def forward(images: Tensor) -> Tensor:
        return torch.cat([torch.from_numpy(session.run(None, {"images": one.numpy()})[0]) for one in images.split(1)])

    return forward


# name: what has to be installed, the translated file's suffix, how it is made and run
TRANSLATED_ENGINES: dict[str, tuple[tuple[str, ...], str, Start]] = {
    "openvino": (("openvino",), ".xml", _openvino),
    "onnxruntime": (("onnxruntime", "onnx"), ".onnx", _onnxruntime),
}
ENGINES = ("torch", "compile", *TRANSLATED_ENGINES)


def available() -> list[str]:
    """The engines that are installed, the fastest first; torch always is. "compile" has to be asked for: it takes a
    minute each time."""
    found = [
        name for name, (packages, _, _) in TRANSLATED_ENGINES.items() if all(map(importlib.util.find_spec, packages))
    ]
    return [*found, "torch"]


def fastest(backbone: Backbone) -> str:
    """The default engine: torch on a GPU, else the fastest that is installed and has the precision."""
    if backbone.device.type != "cpu":
        return "torch"
    return next(name for name in available() if name != "onnxruntime" or backbone.precision == torch.float32)


class _FeatureMap(nn.Module):
    """A network up to its last feature map, as one module for a tracer."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        return self.backbone.channels_first(self.backbone.net.forward_features(images))


def load(checkpoint: Checkpoint, name: str | None = None, threads: int | None = None) -> Forward:
    """The backbone's forward pass by an engine; None takes the fastest there is, torch on a GPU.

    `threads` are for where this process has not all cores; torch has a setting of its own for that.

    Raises UserError if the engine is unknown, not installed, or doesn't do what torch does.
    """
    backbone = checkpoint.model.backbone
    name = name or fastest(backbone)
    if name == "compile":
        backbone.compile_layers()
        size = backbone.config.image_size
        with torch.no_grad():
            backbone(torch.zeros(2, 3, size, size, device=backbone.device))  # now, not when somebody waits for it
    if name in ("torch", "compile"):
        return backbone
    if name not in TRANSLATED_ENGINES:
        raise UserError(f"no engine '{name}'; choose one of {', '.join(ENGINES)}")
    if name not in available():
        raise UserError(f"{name} is not installed; run `pip install 'cnnrnn[fast]'`, or take --engine torch")
    if backbone.device.type != "cpu":
        raise UserError(f"{name} runs on the processor; take --device cpu, or --engine torch")
    if name == "onnxruntime" and backbone.precision != torch.float32:
        raise UserError("onnxruntime computes in float32 on processors; take --engine openvino for bfloat16")
    return TRANSLATED_ENGINES[name][2](backbone, translated(checkpoint, name, threads), None, threads)


def translated(checkpoint: Checkpoint, name: str, threads: int | None = None) -> Path:
    """The translation's file for an engine that is installed; it is made where there is none."""
    backbone, (_, suffix, start) = checkpoint.model.backbone, TRANSLATED_ENGINES[name]
    file = kept_file(checkpoint, name, name, suffix)
    if not file.exists():
        try:
            translate(backbone.at(), file, start, threads)
        except UserError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            notes.print(f"{error}; it is in a temporary folder now", markup=False, highlight=False, soft_wrap=True)
            file = temporary_folder() / file.parent.name / file.name
            translate(backbone.at(), file, start, threads)
    return file


def kept_file(checkpoint: Checkpoint, name: str, engine: str, suffix: str) -> Path:
    """Where the user's cache has a version of the backbone, made by this release of an engine, or will have it."""
    release = importlib.metadata.version(TRANSLATED_ENGINES[engine][0][0])
    size = checkpoint.model.backbone.config.image_size
    return cache_folder("engines") / f"{checkpoint.weights_hash[:32]}-{size}px-{name}-{release}" / f"backbone{suffix}"


def translate(backbone: Backbone, file: Path, start: Start, threads: int | None) -> None:
    """Translate, compare with torch in full precision, and save the translation if it agrees."""
    size = backbone.config.image_size
    example = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with replacing(file.parent) as new:
        new.mkdir()
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracers warn about future changes
            logging.disable(logging.WARNING)  # OpenVINO's telemetry warns where it can't write into the home
            try:
                forward = start(backbone, new / file.name, example, threads)
            finally:
                logging.disable(logging.NOTSET)
            expected, actual = backbone(example), forward(example)
        similarity = float(nn.functional.cosine_similarity(expected.flatten(), actual.flatten(), dim=0))
        if not similarity >= _MIN_SIMILARITY:
            raise UserError(f"the translated model differs from torch's (cosine {similarity:.4f}); take --engine torch")
