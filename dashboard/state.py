"""The only owner of the dashboard's caches: models, encoded images, traces and maps.

Every answer is keyed by hashes of the weights and of the image's bytes and by the settings, never by the
arrays themselves, of which streamlit would look at a sample only. Caches are bounded.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
import torch
from PIL import Image

from cnnrnn.attribution.explain import Explanation, explain
from cnnrnn.attribution.explain import prefix_contribution as compute_prefix_contribution
from cnnrnn.attribution.methods import DEFAULT_METHOD, PIXEL_METHODS
from cnnrnn.attribution.overlay import overlay
from cnnrnn.attribution.targets import TARGETS, against
from cnnrnn.checkpoint import CONFIG, Checkpoint, Results, file_hash, read_results
from cnnrnn.data import Sample, Split, load_split
from cnnrnn.data.images import open_image
from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.predictor import decode_batch, decode_image, encode_image
from cnnrnn.label_space.projection import Projection
from cnnrnn.label_space.projection import compute as compute_projection
from cnnrnn.label_space.projection import read as read_projection
from cnnrnn.models.sigmoid import SigmoidClassifier

HERE = Path(__file__).resolve().parent
CHECKPOINTS = HERE.parent / "checkpoints"
SAMPLES = HERE / "samples"
MAX_SIDE = 1024  # pixels; larger uploads are shown, and explained, at this size


@dataclass(frozen=True)
class Maps:
    """What the maps show and how they are drawn."""

    method: str = DEFAULT_METHOD  # a key of METHODS
    target: str | int = "log-odds"  # a key of TARGETS or, for a contrast, the rival label
    opacity: float = 0.65
    floor: float = 0.0  # share of the scale below which evidence is left out


@dataclass(frozen=True)
class InputImage:
    """An image that was opened, with the hash of the bytes it came from."""

    name: str
    pixels: Image.Image
    digest: str
    truth: tuple[str, ...] | None = None  # its labels, where they are known


def checkpoint_names() -> list[str]:
    """The folders of `checkpoints/`, the embedded default first."""
    names = sorted(path.parent.name for path in CHECKPOINTS.glob(f"*/{CONFIG}"))
    return sorted(names, key=lambda name: name != "voc")


def sample_names() -> list[str]:
    return sorted(path.stem for path in SAMPLES.glob("*.jpg"))


def load_checkpoint(name: str) -> Checkpoint:
    """Raises CheckpointError; the config's hash is the key, so a folder trained anew is read anew."""
    folder = CHECKPOINTS / name
    config = folder / CONFIG
    return _load_checkpoint(str(folder), file_hash(config) if config.is_file() else "")


@st.cache_resource(max_entries=3, show_spinner="Loading the model …")
def _load_checkpoint(folder: str, config_hash: str) -> Checkpoint:
    return Checkpoint.load(Path(folder), "cuda" if torch.cuda.is_available() else "cpu")


def results(name: str) -> Results:
    """What was measured of a checkpoint."""
    return read_results(CHECKPOINTS / name)


def projection(name: str, checkpoint: Checkpoint) -> Projection:
    """The maps of the label space: those in the checkpoint's folder, or PCA alone, which needs no time."""
    labels = len(checkpoint.vocabulary)
    found = read_projection(CHECKPOINTS / name, checkpoint.weights_hash, labels)
    return found or _pca(checkpoint.weights_hash, checkpoint)


@st.cache_data(max_entries=8, show_spinner=False)
def _pca(weights_hash: str, _checkpoint: Checkpoint) -> Projection:
    return compute_projection(_checkpoint.rnn.label_vectors(), methods=("PCA",))


def files(name: str) -> list[dict[str, Any]]:
    """What a checkpoint's folder holds."""
    paths = [path for path in sorted((CHECKPOINTS / name).iterdir()) if path.is_file()]
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
    """A large file is read again only when it has changed."""
    return file_hash(Path(path))


def open_sample(name: str) -> InputImage:
    """One of `sample_names`."""
    return read_image(name, (SAMPLES / f"{name}.jpg").read_bytes())


def read_image(name: str, data: bytes, truth: tuple[str, ...] | None = None) -> InputImage:
    """Raises ImageError for bytes that are no image."""
    digest = hashlib.sha256(data).hexdigest()
    return InputImage(name, _open(digest, data), digest, truth)


def altered(image: InputImage, how: str, pixels: Image.Image) -> InputImage:
    """An image made from another one; `how` tells it from others made from it."""
    return InputImage(image.name, pixels, hashlib.sha256(f"{image.digest} {how}".encode()).hexdigest())


def data_root() -> Path | None:
    """The folder of data sets that whoever started the dashboard lets it read: the variable CNNRNN_DATA."""
    named = os.environ.get("CNNRNN_DATA")
    return Path(named).resolve() if named else None


@st.cache_resource(max_entries=8, show_spinner="Reading the data set …")
def split(dataset: str, name: str) -> Split:
    """A split under `data_root`. Raises DataError."""
    root = data_root()
    assert root is not None
    return load_split(dataset, root, name)


def open_data(sample: Sample) -> InputImage:
    """A data set's image with its truth. Raises ImageError and OSError."""
    return read_image(sample.image.name, sample.image.read_bytes(), tuple(sorted(sample.labels)))


def in_data(sample: Sample) -> bool:
    """Whether the image lies under `data_root`; a file of anybody's may name any place."""
    root = data_root()
    return root is not None and sample.image.resolve().is_relative_to(root)


@st.cache_data(max_entries=32, show_spinner=False)
def _open(digest: str, _data: bytes) -> Image.Image:
    return open_image(_data, MAX_SIDE)


_encoding = threading.Lock()  # one image at a time has all cores, and the memory that it takes is taken once


@st.cache_resource(max_entries=64, show_spinner="Looking at the image …")
def _encode(weights_hash: str, digest: str, _checkpoint: Checkpoint, _image: Image.Image) -> tuple[torch.Tensor, ...]:
    with _encoding:
        return encode_image(_checkpoint, _image)


@st.cache_resource(max_entries=256, show_spinner="Decoding …")
def _trace(
    weights_hash: str, digest: str, beam: int, constraints: Constraints, _checkpoint: Checkpoint, _image: Image.Image
) -> Trace:
    return decode_image(_checkpoint, _encode(weights_hash, digest, _checkpoint, _image)[1], beam, constraints)


@st.cache_resource(max_entries=256, show_spinner="Explaining the steps …")
def _explanation(
    weights_hash: str,
    digest: str,
    tokens: tuple[int, ...],
    method: str,
    target: str | int,
    _checkpoint: Checkpoint,
    _image: Image.Image,
) -> Explanation:
    feature_map = _encode(weights_hash, digest, _checkpoint, _image)[0]
    explained = against(target) if isinstance(target, int) else TARGETS[target]
    image = _checkpoint.model.backbone.preprocess(_image).to(feature_map.device) if method in PIXEL_METHODS else None
    return explain(_checkpoint.rnn, feature_map, tokens, method, explained, image)


def trace(checkpoint: Checkpoint, image: InputImage, beam: int, constraints: Constraints = NO_CONSTRAINTS) -> Trace:
    return _trace(checkpoint.weights_hash, image.digest, beam, constraints, checkpoint, image.pixels)


def outcome(checkpoint: Checkpoint, image: InputImage, beam: int) -> Trace:
    """As `trace`, and for the baseline, too, whose trace has no steps."""
    if isinstance(checkpoint.model, SigmoidClassifier):
        return decode_batch(checkpoint.model, feature(checkpoint, image), checkpoint.vocabulary.labels)[0]
    return trace(checkpoint, image, beam)


def feature(checkpoint: Checkpoint, image: InputImage) -> torch.Tensor:
    """I of the image, as a batch of one."""
    return _encode(checkpoint.weights_hash, image.digest, checkpoint, image.pixels)[1].unsqueeze(0)


@st.cache_data(max_entries=256, show_spinner=False)
def _prefix_contribution(
    weights_hash: str, digest: str, tokens: tuple[int, ...], _checkpoint: Checkpoint, _feature: torch.Tensor
) -> list[float]:
    return compute_prefix_contribution(_checkpoint.rnn, _feature, tokens).tolist()


def prefix_contribution(checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...]) -> list[float]:
    """Of every step of a path, in nats."""
    return _prefix_contribution(checkpoint.weights_hash, image.digest, tokens, checkpoint, feature(checkpoint, image))


def explanation(checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...], maps: Maps = Maps()) -> Explanation:
    """Evidence of every step of a path and of its END."""
    return _explanation(
        checkpoint.weights_hash, image.digest, tokens, maps.method, maps.target, checkpoint, image.pixels
    )


def drawn(checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...], maps: Maps = Maps()) -> list[bytes]:
    """The maps of `explanation` over the image, as JPEG files."""
    return _drawn(checkpoint.weights_hash, image.digest, tokens, maps, checkpoint, image)


@st.cache_data(max_entries=128, show_spinner=False)
def _drawn(
    weights_hash: str,
    digest: str,
    tokens: tuple[int, ...],
    maps: Maps,
    _checkpoint: Checkpoint,
    _image: InputImage,
) -> list[bytes]:
    explained = explanation(_checkpoint, _image, tokens, maps)
    return [draw(_image, values, explained.scale, maps) for values in explained.maps]


def draw(image: InputImage, values: torch.Tensor, scale: float, maps: Maps) -> bytes:
    """One map (height, width) over the image, as a JPEG file."""
    buffer = io.BytesIO()
    overlay(image.pixels, values.cpu().numpy(), scale, maps.opacity, maps.floor).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
