"""The checkpoints, and what a model makes of an image: its features, trace and maps, in bounded caches.

Every result is keyed by the hashes of the weights and of the image's bytes and by the settings, never by the
arrays themselves, of which streamlit would hash only a sample. All caches are bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
import torch
from PIL import Image

from cnnrnn.attribution.explain import Explanation, explain, label_maps, location_contributions
from cnnrnn.attribution.explain import prefix_contribution as compute_prefix_contribution
from cnnrnn.attribution.methods import DEFAULT_METHOD, PIXEL_METHODS
from cnnrnn.attribution.overlay import COLORMAPS, OPACITY, overlay
from cnnrnn.attribution.targets import TARGETS, against
from cnnrnn.checkpoint import CONFIG, Checkpoint, CheckpointError, Results, file_hash, read_config, read_results
from cnnrnn.checkpoint import checkpoint_folder as folder_of_run
from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference import engines
from cnnrnn.inference.predictor import decode_batch, decode_image, encode, encode_image
from cnnrnn.label_space.projection import Projection
from cnnrnn.label_space.projection import compute as compute_projection
from cnnrnn.label_space.projection import read as read_projection
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.training.runs import MAX_RUNS, RunProgress, find_runs, read_progress, runs_root
from cnnrnn.utils.resources import DEFAULT_CHECKPOINT
from image_files import HASH_FUNCS, InputImage, jpeg
from views import strip

HERE = Path(__file__).resolve().parent
CHECKPOINTS = HERE.parent / "checkpoints"
_SMALLEST = 280  # pixels of the longer side of an image with a map
_OF_RUNS = "runs/"  # begins the names of the runs' checkpoints; a folder's name has no slash


@dataclass(frozen=True)
class MapSettings:
    """How maps are computed and drawn."""

    method: str = DEFAULT_METHOD  # a key of METHODS
    target: str | int = "log-odds"  # a key of TARGETS or, for a contrast, the rival label
    opacity: float = OPACITY
    floor: float = 0.0  # fraction of the scale below which evidence is left out
    common_scale: bool = False  # of all steps; otherwise each map fills its own
    colormap: str = COLORMAPS[0]
    contour: bool = True


# Arguments that are left to their default are not hashed.
_HASH_FUNCS: dict[str | type[Any], Callable[[Any], Any]] = {
    **HASH_FUNCS,
    Checkpoint: lambda checkpoint: (  # the config: temperature; the labels may have been renamed
        checkpoint.weights_hash,
        str(checkpoint.model.config),
        checkpoint.vocabulary.labels,
    ),
}


def checkpoint_names() -> list[str]:
    """The folders of `checkpoints/`, also those of whole runs, the embedded default first, then the best ones of the
    runs elsewhere, the newest first."""
    names = sorted(path.name for path in CHECKPOINTS.glob("*") if (folder_of_run(path) / CONFIG).is_file())
    runs = [run_checkpoint(run) for run, _ in find_runs(runs_root())]
    return [
        *sorted(names, key=lambda name: name != DEFAULT_CHECKPOINT),
        *(name for name in runs if (checkpoint_folder(name) / CONFIG).is_file()),
    ]


def run_checkpoint(run: str) -> str:
    """The name among the checkpoints of a run's best one."""
    return f"{_OF_RUNS}{run}"


def checkpoint_folder(name: str) -> Path:
    """The folder of a checkpoint, for a name of `checkpoint_names`."""
    if name.startswith(_OF_RUNS):
        return runs_root() / name.removeprefix(_OF_RUNS) / "best"
    return folder_of_run(CHECKPOINTS / name)


def config(name: str) -> dict[str, Any]:
    """A checkpoint's config, without its weights. Raises CheckpointError."""
    return read_config(checkpoint_folder(name))


def is_sequence_model(name: str) -> bool:
    """Whether a checkpoint is a CNN-RNN, by its config; one that can't be read is none."""
    try:
        return bool(config(name)["head"] == "cnn-rnn")
    except CheckpointError:
        return False


def runs() -> dict[str, RunProgress]:
    """The runs under `runs_root` by name, the newest first."""
    root = runs_root()
    return {name: _run(str(root / name), written) for name, written in find_runs(root)}


@st.cache_data(max_entries=2 * MAX_RUNS, show_spinner=False)
def _run(folder: str, written: float) -> RunProgress:
    """The time is part of the key, so that a run's files are read again only when one of them has changed."""
    return read_progress(Path(folder), written)


def load_checkpoint(name: str) -> Checkpoint:
    """Raises CheckpointError; the config's hash is the key, so a folder trained anew is read anew."""
    folder = checkpoint_folder(name)
    config = folder / CONFIG
    return _load_checkpoint(str(folder), file_hash(config) if config.is_file() else "")


@st.cache_resource(max_entries=3, show_spinner="Loading the model …")
def _load_checkpoint(folder: str, config_hash: str) -> Checkpoint:
    return engines.load_checkpoint(Path(folder), "cuda" if torch.cuda.is_available() else "cpu")


@st.cache_resource(max_entries=3, show_spinner=False, hash_funcs=_HASH_FUNCS)
def _forward(checkpoint: Checkpoint) -> engines.Forward:
    """The backbone's forward pass: by the fastest engine if its translation is kept, otherwise by torch."""
    return engines.load(checkpoint, engines.fastest_kept(checkpoint))


def translate(checkpoint: Checkpoint) -> None:
    """For the next start of the server, which then needs neither timm nor torchvision until an image is decoded."""
    if (engine := engines.fastest(checkpoint.model.backbone)) in engines.TRANSLATED_ENGINES:
        engines.translated(checkpoint, engine)


def results(name: str) -> Results:
    """The recorded metrics of a checkpoint."""
    return read_results(checkpoint_folder(name))


def projection(name: str, checkpoint: Checkpoint) -> Projection:
    """The projections of the label space: those in the checkpoint's folder, or PCA alone, which is instant."""
    labels = len(checkpoint.vocabulary)
    return read_projection(checkpoint_folder(name), checkpoint.weights_hash, labels) or _pca(checkpoint)


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=_HASH_FUNCS)
def _pca(checkpoint: Checkpoint) -> Projection:
    return compute_projection(checkpoint.rnn.label_vectors(), methods=("PCA",))


def files(name: str) -> list[dict[str, Any]]:
    """The files in a checkpoint's folder, with their sizes and hashes."""
    paths = [path for path in sorted(checkpoint_folder(name).iterdir()) if path.is_file()]
    return [
        {
            "file": path.name,
            "kB": round(path.stat().st_size / 1000, 1),
            "SHA-256": _hash(str(path), path.stat().st_size, path.stat().st_mtime_ns),
        }
        for path in paths
    ]


@st.cache_data(max_entries=64, show_spinner=False)
def _hash(path: str, size: int, modified: int) -> str:
    """Size and time of change are part of the key, so that a large file is read again only when it has changed."""
    return file_hash(Path(path))


_CORES = torch.get_num_threads()
_encoding = threading.Lock()  # one image at a time uses all cores, and its memory is allocated once


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch uses so many threads for what this thread computes.

    A run of a page is a new thread, which starts threads of its own to compute with, and the browser wants the cores as
    well: for the small tensors of a decoder, one thread is faster. Torch's number is also the default of new threads,
    so what needs all cores says so.
    """
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(_CORES)


@st.cache_resource(max_entries=64, show_spinner="Encoding the image …", hash_funcs=_HASH_FUNCS)
def _encode(checkpoint: Checkpoint, image: InputImage) -> tuple[torch.Tensor, ...]:
    """The feature map (channel, height, width) and the feature I (channel,)."""
    with _encoding, _threads(_CORES):
        return encode_image(checkpoint, image.pixels, _forward(checkpoint))


def feature(checkpoint: Checkpoint, image: InputImage) -> torch.Tensor:
    """I of the image, as a batch of one."""
    return _encode(checkpoint, image)[1].unsqueeze(0)


@st.cache_resource(max_entries=256, show_spinner="Decoding …", hash_funcs=_HASH_FUNCS)
def trace(checkpoint: Checkpoint, image: InputImage, beam: int, constraints: Constraints = NO_CONSTRAINTS) -> Trace:
    """The beam search of a sequence model under the given constraints."""
    encoded = _encode(checkpoint, image)[1]
    with _threads(1):
        return decode_image(checkpoint, encoded, beam, constraints)


@st.cache_resource(max_entries=64, show_spinner="Decoding …", hash_funcs=_HASH_FUNCS)
def traces(checkpoint: Checkpoint, images: tuple[InputImage, ...], beam: int) -> list[Trace]:
    """As `trace`, of several images that one pass of the backbone encodes."""
    with _encoding, _threads(_CORES):
        pixels = torch.stack([checkpoint.model.backbone.pixels(image.pixels) for image in images])
        encoded = encode(checkpoint.model, pixels, _forward(checkpoint))[1]
    with _threads(1):
        return decode_batch(checkpoint.model, encoded, checkpoint.vocabulary.labels, beam)


def predict(checkpoint: Checkpoint, image: InputImage, beam: int) -> Trace:
    """As `trace`, and for the sigmoid baseline as well, whose trace has no steps."""
    baseline = isinstance(checkpoint.model, SigmoidClassifier)
    return _threshold(checkpoint, image) if baseline else trace(checkpoint, image, beam)


@st.cache_resource(max_entries=256, show_spinner=False, hash_funcs=_HASH_FUNCS)
def _threshold(checkpoint: Checkpoint, image: InputImage) -> Trace:
    """The labels of the sigmoid baseline."""
    return decode_batch(checkpoint.model, feature(checkpoint, image), checkpoint.vocabulary.labels)[0]


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs=_HASH_FUNCS)
def prefix_contribution(checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...]) -> list[float]:
    """For every step of a path, what the labels before it add to its log-odds, in nats."""
    encoded = feature(checkpoint, image)
    with _threads(1):
        return compute_prefix_contribution(checkpoint.rnn, encoded, tokens).tolist()


@st.cache_resource(
    max_entries=256,
    show_spinner="Explaining the steps …",
    hash_funcs={**_HASH_FUNCS, MapSettings: lambda maps: (maps.method, maps.target)},  # the rest is for drawing
)
def explanation(checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...], maps: MapSettings) -> Explanation:
    """The evidence for every step of a path and for its END."""
    feature_map = _encode(checkpoint, image)[0]
    target = against(maps.target) if isinstance(maps.target, int) else TARGETS[maps.target]
    pixels = None
    if maps.method in PIXEL_METHODS:
        pixels = checkpoint.model.backbone.preprocess(image.pixels).to(feature_map.device)
    with _threads(1 if pixels is None else _CORES):
        return explain(checkpoint.rnn, feature_map, tokens, maps.method, target, pixels)


def overlays(checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...], maps: MapSettings) -> list[bytes]:
    """The maps of `explanation` over the image, as JPEG files."""
    return [step_overlay(checkpoint, image, tokens, maps, step) for step in range(len(tokens) + 1)]


@st.cache_data(max_entries=512, show_spinner=False, hash_funcs=_HASH_FUNCS)
def step_overlay(
    checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...], maps: MapSettings, step: int
) -> bytes:
    """One of `overlays`: a page shows one in full size, and each takes as long as decoding the image."""
    explained = explanation(checkpoint, image, tokens, maps)
    return render_overlay(image, explained.smoothed[step], explained.scales(maps.common_scale)[step], maps)


@st.cache_data(max_entries=128, show_spinner=False, hash_funcs=_HASH_FUNCS)
def strip_thumbnails(
    checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...], maps: MapSettings
) -> list[bytes]:
    """The strip's small image and its small maps, which have a bar for their strength below, as JPEG files."""
    explained = explanation(checkpoint, image, tokens, maps)
    small = strip.reduced(image.pixels)
    scales, strengths = explained.scales(maps.common_scale), explained.strengths
    thumbnails = [
        strip.thumbnail(_overlay(small, values, scale, maps), strength)
        for values, scale, strength in zip(explained.smoothed, scales, strengths, strict=True)
    ]
    return [jpeg(thumbnail, 95) for thumbnail in (strip.thumbnail(small), *thumbnails)]


def render_overlay(
    image: InputImage, values: torch.Tensor, scale: float, maps: MapSettings, signed: bool = False
) -> bytes:
    """One map (height, width) over the image, as a JPEG file; a tiny image is enlarged, or the contour would be."""
    pixels = image.pixels
    if (factor := _SMALLEST / max(pixels.size)) > 1:
        pixels = pixels.resize([round(factor * side) or 1 for side in pixels.size], Image.Resampling.BICUBIC)
    return jpeg(_overlay(pixels, values, scale, maps, signed), 90)


def _overlay(
    pixels: Image.Image, values: torch.Tensor, scale: float, maps: MapSettings, signed: bool = False
) -> Image.Image:
    return overlay(pixels, values.cpu().numpy(), scale, maps.opacity, maps.floor, maps.colormap, maps.contour, signed)


@st.cache_data(max_entries=128, show_spinner=False, hash_funcs=_HASH_FUNCS)
def label_overlays(
    checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...], maps: MapSettings
) -> list[bytes]:
    """The sigmoid baseline's maps of some labels over the image, as JPEG files; none if it scores no locations."""
    assert isinstance(checkpoint.model, SigmoidClassifier)
    explained = label_maps(checkpoint.model, _encode(checkpoint, image)[0], tokens) if tokens else None
    if explained is None:
        return []
    scales = explained.scales(maps.common_scale)
    return [
        render_overlay(image, values, scale, maps) for values, scale in zip(explained.smoothed, scales, strict=True)
    ]


def location_support(checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...], step: int) -> torch.Tensor:
    """What each location adds to the logits of a step of the path, of a model with spatial scoring:
    (row, column, L+1)."""
    feature_map = _encode(checkpoint, image)[0]
    support = location_contributions(checkpoint.rnn, feature_map, tokens)[step]
    return support.unflatten(0, feature_map.shape[-2:]).cpu()
