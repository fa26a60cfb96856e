"""The backbone by another engine than torch's eager mode, for prediction: the same feature map, faster.

OpenVINO and ONNX Runtime are for processors, torch.compile is for GPUs.

A checkpoint is translated once, compared with torch, and kept under its hash in the user's cache folder: not beside
its weights, since a checkpoint may come from a stranger, of whom nothing but safetensors and JSON is read.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch
from torch import Tensor, nn

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.utils.cache import cache_folder, temporary_folder
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import replacing
from cnnrnn.utils.progress import notes

Forward = Callable[[Tensor], Tensor]  # uint8 pixels (batch, 3, size, size) -> feature map
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
    # Precision as it is wanted: left alone, it takes bfloat16 where there is any.
    hints: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "bf16" if precision == torch.bfloat16 else "f32"}
    if threads is not None:  # one of several processes, which would all bind their threads to the first cores
        hints |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    return _OpenVINO(file, hints)


class _OpenVINO:
    """A model in OpenVINO's format, for any number of threads.

    An image that is alone is computed on all cores. Of several, in a batch or in other threads, each has a core of its
    own: in int8 that takes a fifth less time, and no image waits for cores that are busy with something else.
    """

    def __init__(self, file: Path, hints: dict[str, str | int]) -> None:
        self.file, self.hints = file, hints
        self.model = self._compiled("LATENCY")
        self.request = self.model.create_infer_request()
        self.images = 0  # that are being computed
        self.lock = threading.Lock()

    def _compiled(self, hint: str) -> Any:
        return openvino_core().compile_model(self.file, "CPU", {**self.hints, "PERFORMANCE_HINT": hint})

    @cached_property
    def requests(self) -> SimpleQueue[Any]:
        """Requests that are idle, of a second model; they keep their memory. There are two for each core: while Python
        takes the result of one, the next is computed already."""
        one_core = self.hints.get("INFERENCE_NUM_THREADS") == 1
        model = self.model if one_core else self._compiled("THROUGHPUT")
        requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(1 if one_core else 2 * model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")):
            requests.put(model.create_infer_request())
        return requests

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.requests.qsize())

    def __call__(self, images: Tensor) -> Tensor:
        """Pixels (batch, 3, size, size) -> feature map (batch, channel, height, width)."""
        _check_pixels(images)
        with self.lock:
            self.images += len(images)
            alone = self.images == 1
            compute = self.threads.map if not alone else map  # made by the first thread that needs it
        one = self._alone if alone else self._beside_others
        try:
            return torch.cat(list(compute(one, images.split(1))))
        finally:
            with self.lock:
                self.images -= len(images)

    def _alone(self, image: Tensor) -> Tensor:
        self.request.infer([image.numpy()])
        return _output(self.request)

    def _beside_others(self, image: Tensor) -> Tensor:
        request = self.requests.get()
        try:
            request.start_async([image.numpy()])  # `infer` would compute in this thread, which has no core of its own
            request.wait()
            return _output(request)
        finally:
            self.requests.put(request)


def _output(request: Any) -> Tensor:
    return torch.from_numpy(request.get_output_tensor().data.copy())


_FIRST_USE = threading.Lock()


def openvino_core() -> Any:
    """One for all models: its methods are thread-safe, and processes with several of them are known to crash."""
    with _FIRST_USE:
        return _core()


@cache
def _core() -> Any:
    import openvino

    # The first tensor that is read makes a table of numpy's types inside OpenVINO. Two threads that do so at a time can
    # wait for each other forever: one has the table's lock and wants Python's, the other the reverse.
    _ = openvino.Tensor(openvino.Type.u8, openvino.Shape([1])).data
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
        _check_pixels(images)
        return torch.cat([torch.from_numpy(session.run(None, {"images": one.numpy()})[0]) for one in images.split(1)])

    return forward


def _check_pixels(images: Tensor) -> None:
    """Engines cast other types without a word."""
    if images.dtype != torch.uint8:
        raise ValueError(f"a translated backbone takes uint8 pixels, as `Backbone.pixels` gives, not {images.dtype}")


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


def fastest_kept(checkpoint: Checkpoint) -> str:
    """As `fastest`, but torch if the checkpoint's translation is still to be made, which takes seconds."""
    backbone, name = checkpoint.model.backbone, fastest(checkpoint.model.backbone)
    kept = name == "torch" or _translation(checkpoint.weights_hash, backbone.config, name).exists()
    return name if kept else "torch"


class _FeatureMap(nn.Module):
    """From pixels to the last feature map, as one module for a tracer."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        return self.backbone.channels_first(self.backbone.net.forward_features(self.backbone.normalized(images)))


def load_checkpoint(folder: Path | str, device: torch.device | str = "cpu", name: str | None = None) -> Checkpoint:
    """A checkpoint for the engine `name`, None for the fastest there is, with a DeferredBackbone if its translation is
    kept: it is there in a fraction of the time. Raises CheckpointError."""
    name = name or available()[0]

    def is_translated(weights_hash: str, backbone: BackboneConfig) -> bool:
        possible = name in TRANSLATED_ENGINES and name in available() and torch.device(device).type == "cpu"
        return possible and _translation(weights_hash, backbone, name).exists()

    return Checkpoint.load(folder, device, is_translated)


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
    backbone, start = checkpoint.model.backbone, TRANSLATED_ENGINES[name][2]
    file = _translation(checkpoint.weights_hash, backbone.config, name)
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


def _translation(weights_hash: str, backbone: BackboneConfig, name: str) -> Path:
    return kept_file(weights_hash, backbone, name, name, TRANSLATED_ENGINES[name][1])


def kept_file(weights_hash: str, backbone: BackboneConfig, name: str, engine: str, suffix: str) -> Path:
    """Where the user's cache has a version of the backbone, made by this release of an engine, or will have it."""
    release = importlib.metadata.version(TRANSLATED_ENGINES[engine][0][0])
    settings = hashlib.sha256(json.dumps(backbone.computation()).encode()).hexdigest()
    folder = f"{weights_hash[:32]}-{settings[:8]}-{backbone.image_size}px-{name}-{release}"
    return cache_folder("engines") / folder / f"backbone{suffix}"


def translate(backbone: Backbone, file: Path, start: Start, threads: int | None) -> None:
    """Translate, compare with torch in full precision, and save the translation if it agrees."""
    size = backbone.config.image_size
    rng = torch.Generator().manual_seed(0)
    example = torch.randint(256, (2, 3, size, size), dtype=torch.uint8, generator=rng)
    with replacing(file.parent) as new:
        new.mkdir()
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracers warn about future changes
            with without_log():  # OpenVINO's telemetry warns where it can't write into the home
                forward = start(backbone, new / file.name, example, threads)
            expected, actual = backbone(example), forward(example)
        similarity = float(nn.functional.cosine_similarity(expected.flatten(), actual.flatten(), dim=0))
        if not similarity >= _MIN_SIMILARITY:
            raise UserError(f"the translated model differs from torch's (cosine {similarity:.4f}); take --engine torch")


@contextmanager
def without_log() -> Iterator[None]:
    """Without warnings of libraries about what doesn't matter here."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
