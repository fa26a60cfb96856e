"""The only owner of the dashboard's caches: models, encoded images, traces, maps and evaluations.

Every result is keyed by the hashes of the weights and of the image's bytes and by the settings, never by the
arrays themselves, of which streamlit would hash only a sample. All caches are bounded.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st
import torch
from PIL import Image, ImageOps

from cnnrnn.attribution.explain import Explanation, explain, label_maps, location_contributions
from cnnrnn.attribution.explain import prefix_contribution as compute_prefix_contribution
from cnnrnn.attribution.methods import DEFAULT_METHOD, PIXEL_METHODS
from cnnrnn.attribution.overlay import COLORMAPS, OPACITY, overlay
from cnnrnn.attribution.targets import TARGETS, against
from cnnrnn.checkpoint import CONFIG, Checkpoint, Results, file_hash, read_config, read_results
from cnnrnn.checkpoint import checkpoint_folder as folder_of_run
from cnnrnn.data import Sample, Split, load_split
from cnnrnn.data.images import MAX_SIDE, SUFFIXES, ImageError, open_image
from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.trace import Trace
from cnnrnn.evaluation.evaluate import Evaluation, read_records
from cnnrnn.evaluation.paired import Difference, Paired
from cnnrnn.evaluation.paired import differences as compute_differences
from cnnrnn.evaluation.recorded import predictions_file, read_predictions
from cnnrnn.inference.predictor import decode_batch, decode_image, encode_image
from cnnrnn.label_space.projection import Projection
from cnnrnn.label_space.projection import compute as compute_projection
from cnnrnn.label_space.projection import read as read_projection
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.training.runs import MAX_RUNS, RunProgress, find_runs, read_progress
from cnnrnn.utils.files import escape_surrogates
from cnnrnn.utils.resources import DEFAULT_CHECKPOINT
from views import strip

HERE = Path(__file__).resolve().parent
CHECKPOINTS = HERE.parent / "checkpoints"
SAMPLES = HERE / "samples"
_OF_RUNS = "runs/"  # begins the names of the runs' checkpoints; a folder's name has no slash
THUMBNAIL = 224  # pixels; twice the width at which a sample is offered
_MOST_FILES = 1_000_000  # that are looked through for the images of a recorded evaluation


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


@dataclass(frozen=True)
class InputImage:
    """An image that was opened, with the hash of the bytes it came from."""

    name: str
    pixels: Image.Image
    digest: str
    truth: tuple[str, ...] | None = None  # its labels, where they are known
    origin: str | None = None  # where a link finds it: data set / split / number


# How streamlit hashes these arguments of a cached function. Arguments that are left to their default are not hashed.
_HASH_FUNCS: dict[str | type[Any], Callable[[Any], Any]] = {
    Checkpoint: lambda checkpoint: f"{checkpoint.weights_hash} {checkpoint.model.config}",  # the config: temperature
    InputImage: lambda image: image.digest,
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


def runs_root() -> Path:
    """The folder of training runs that are listed: the variable CNNRNN_RUNS, or `runs` where the server was started."""
    return Path(os.environ.get("CNNRNN_RUNS") or "runs").resolve()


def runs() -> dict[str, RunProgress]:
    """The runs under `runs_root` by name, the newest first."""
    root = runs_root()
    return {name: _run(str(root / name), written) for name, written in find_runs(root)}


@st.cache_data(max_entries=2 * MAX_RUNS, show_spinner=False)
def _run(folder: str, written: float) -> RunProgress:
    """The time is part of the key, so that a run's files are read again only when one of them has changed."""
    return read_progress(Path(folder), written)


@dataclass(frozen=True)
class SamplePhotograph:
    """A photograph to begin with."""

    photograph: Sample
    credit: str  # its license and source


@st.cache_resource(max_entries=1, show_spinner=False)
def sample_split() -> Split:
    """All photographs of the samples' table, with their labels."""
    return replace(load_split("table", SAMPLES / "labels.csv", "test"), name="the sample photographs")


@st.cache_resource(max_entries=1, show_spinner=False)
def samples() -> dict[str, SamplePhotograph]:
    """The samples that are offered, by titles that say what is seen; the table's other rows are only evaluated on."""
    by_name = {photograph.image.name: photograph for photograph in sample_split().samples}
    with (SAMPLES / "labels.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["title"]: SamplePhotograph(by_name[row["image"]], f"{row['licence']}, {row['credit']}")
            for row in csv.DictReader(file)
            if row["title"]
        }


def load_checkpoint(name: str) -> Checkpoint:
    """Raises CheckpointError; the config's hash is the key, so a folder trained anew is read anew."""
    folder = checkpoint_folder(name)
    config = folder / CONFIG
    return _load_checkpoint(str(folder), file_hash(config) if config.is_file() else "")


@st.cache_resource(max_entries=3, show_spinner="Loading the model …")
def _load_checkpoint(folder: str, config_hash: str) -> Checkpoint:
    return Checkpoint.load(Path(folder), "cuda" if torch.cuda.is_available() else "cpu")


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


def open_sample(title: str) -> InputImage:
    """One of `samples`, with its labels."""
    return replace(open_data_image(samples()[title].photograph), name=title)


@st.cache_data(max_entries=64, show_spinner=False)
def sample_thumbnail(title: str) -> bytes:
    """A square from the middle of a sample, as a JPEG."""
    image = open_image(samples()[title].photograph.image, 2 * THUMBNAIL)
    return _jpeg(ImageOps.fit(image, (THUMBNAIL, THUMBNAIL)), 85)


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs=_HASH_FUNCS)
def thumbnail(image: InputImage) -> bytes:
    """A small copy of the whole image, as a JPEG."""
    small = image.pixels.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return _jpeg(small, 85)


def read_image(name: str, data: bytes, truth: tuple[str, ...] | None = None) -> InputImage:
    """Raises ImageError for bytes that are no image."""
    digest = hashlib.sha256(data).hexdigest()
    return InputImage(name, _open(digest, data), digest, truth)


def derived_image(image: InputImage, how: str, pixels: Image.Image) -> InputImage:
    """An image made from another one; `how` distinguishes it from others made from the same image."""
    return InputImage(image.name, pixels, hashlib.sha256(f"{image.digest} {how}".encode()).hexdigest())


def data_root() -> Path | None:
    """What whoever started the dashboard lets it read: the variable CNNRNN_DATA, a folder of data sets or a table."""
    named = os.environ.get("CNNRNN_DATA")
    return Path(named).resolve() if named else None


def data_folder() -> Path | None:
    """The folder below which images may be shown."""
    root = data_root()
    return root.parent if root is not None and root.is_file() else root


@st.cache_resource(max_entries=8, show_spinner="Reading the data set …")
def split(dataset: str, name: str) -> Split:
    """A split under `data_root`. Raises DataError."""
    root = data_root()
    assert root is not None
    return load_split(dataset, root, name)


def open_data_image(sample: Sample) -> InputImage:
    """A data set's image with its ground truth. Raises ImageError and OSError."""
    return read_image(escape_surrogates(sample.image.name), sample.image.read_bytes(), tuple(sorted(sample.labels)))


def evaluated_image(evaluation: Evaluation, row: int) -> InputImage | None:
    """The image of an evaluation, if it may be shown: an uploaded file can name any path. A recorded evaluation names
    its images without their folder; they are found by their content among the samples and under `data_root`."""
    sample = evaluation.split.samples[row]
    if evaluation.digests is None:
        return _shown(sample)
    roots = [SAMPLES, *([] if (root := data_folder()) is None else [root])]
    for path in (path for folder in roots for path in _images_by_name(folder).get(sample.image.name, [])):
        image = _shown(replace(sample, image=path))
        if image is not None and image.digest.startswith(evaluation.digests[row]):
            return image
    return None


def _shown(sample: Sample) -> InputImage | None:
    try:
        return open_data_image(sample) if may_be_shown(sample) else None
    except (ImageError, OSError):
        return None


@st.cache_resource(max_entries=4, ttl=600, show_spinner="Looking for the images …")
def _images_by_name(folder: Path) -> dict[str, list[Path]]:
    """The images of a folder and of those below it, at most `_MOST_FILES`."""
    found: dict[str, list[Path]] = {}
    files = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    for path in itertools.islice(files, _MOST_FILES):
        if path.suffix.lower() in SUFFIXES:
            found.setdefault(path.name, []).append(path)
    return found


def evaluated_thumbnail(evaluation: Evaluation, row: int) -> bytes | None:
    """A small copy of `evaluated_image`."""
    digest = "" if evaluation.digests is None else evaluation.digests[row]
    return _evaluated_thumbnail(str(evaluation.split.samples[row].image), digest, str(data_root()), evaluation, row)


@st.cache_data(max_entries=1024, show_spinner=False)
def _evaluated_thumbnail(path: str, digest: str, root: str, _evaluation: Evaluation, _row: int) -> bytes | None:
    image = evaluated_image(_evaluation, _row)
    return None if image is None else thumbnail(image)


def open_split_image(dataset: str, name: str, number: int) -> InputImage:
    """An image of a split under `data_root` by its number from 1, or the last one. Raises UserError and OSError."""
    samples = split(dataset, name).samples
    number = min(number, len(samples))
    return replace(open_data_image(samples[number - 1]), origin=f"{dataset}/{name}/{number}")


def may_be_shown(sample: Sample) -> bool:
    """Whether the image lies under `data_root` or is a sample: an uploaded file can name any path."""
    path, root = sample.image.resolve(), data_folder()
    return path.is_relative_to(SAMPLES.resolve()) or (root is not None and path.is_relative_to(root))


@st.cache_data(max_entries=32, show_spinner=False)
def _open(digest: str, _data: bytes) -> Image.Image:
    return open_image(_data, MAX_SIDE)


_encoding = threading.Lock()  # one image at a time uses all cores, and its memory is allocated once


@st.cache_resource(max_entries=64, show_spinner="Encoding the image …", hash_funcs=_HASH_FUNCS)
def _encode(checkpoint: Checkpoint, image: InputImage) -> tuple[torch.Tensor, ...]:
    """The feature map (channel, height, width) and the feature I (channel,)."""
    with _encoding:
        return encode_image(checkpoint, image.pixels)


def feature(checkpoint: Checkpoint, image: InputImage) -> torch.Tensor:
    """I of the image, as a batch of one."""
    return _encode(checkpoint, image)[1].unsqueeze(0)


@st.cache_resource(max_entries=256, show_spinner="Decoding …", hash_funcs=_HASH_FUNCS)
def trace(checkpoint: Checkpoint, image: InputImage, beam: int, constraints: Constraints = NO_CONSTRAINTS) -> Trace:
    """The beam search of a sequence model under the given constraints."""
    return decode_image(checkpoint, _encode(checkpoint, image)[1], beam, constraints)


def predict(checkpoint: Checkpoint, image: InputImage, beam: int) -> Trace:
    """As `trace`, and for the sigmoid baseline as well, whose trace has no steps."""
    baseline = isinstance(checkpoint.model, SigmoidClassifier)
    return _threshold(checkpoint, image) if baseline else trace(checkpoint, image, beam)


@st.cache_resource(max_entries=256, show_spinner=False, hash_funcs=_HASH_FUNCS)
def _threshold(checkpoint: Checkpoint, image: InputImage) -> Trace:
    """The labels of the sigmoid baseline."""
    return decode_batch(checkpoint.model, feature(checkpoint, image), checkpoint.vocabulary.labels)[0]


@st.cache_data(max_entries=16, show_spinner="Resampling the images …", hash_funcs={Paired: lambda pair: pair.digest()})
def differences(paired: Paired) -> dict[str, Difference]:
    """The metrics of two models on the same images, with bootstrap intervals."""
    return compute_differences(paired)


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs=_HASH_FUNCS)
def prefix_contribution(checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...]) -> list[float]:
    """For every step of a path, what the labels before it add to its log-odds, in nats."""
    return compute_prefix_contribution(checkpoint.rnn, feature(checkpoint, image), tokens).tolist()


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
    return render_overlay(image, explained.maps[step], explained.scales(maps.common_scale)[step], maps)


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
        for values, scale, strength in zip(explained.maps, scales, strengths, strict=True)
    ]
    return [_jpeg(thumbnail, 95) for thumbnail in (strip.thumbnail(small), *thumbnails)]


def render_overlay(
    image: InputImage, values: torch.Tensor, scale: float, maps: MapSettings, signed: bool = False
) -> bytes:
    """One map (height, width) over the image, as a JPEG file."""
    return _jpeg(_overlay(image.pixels, values, scale, maps, signed), 90)


def _overlay(
    pixels: Image.Image, values: torch.Tensor, scale: float, maps: MapSettings, signed: bool = False
) -> Image.Image:
    return overlay(pixels, values.cpu().numpy(), scale, maps.opacity, maps.floor, maps.colormap, maps.contour, signed)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=_HASH_FUNCS)
def full_size(image: InputImage) -> bytes:
    """The image as it is shown, as a JPEG file."""
    return _jpeg(image.pixels, 95)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    image.save(buffer := io.BytesIO(), "JPEG", quality=quality)
    return buffer.getvalue()


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
    return [render_overlay(image, values, scale, maps) for values, scale in zip(explained.maps, scales, strict=True)]


def location_support(checkpoint: Checkpoint, image: InputImage, tokens: tuple[int, ...], step: int) -> torch.Tensor:
    """What each location adds to the logits of a step of the path, of a model with spatial scoring:
    (row, column, L+1)."""
    feature_map = _encode(checkpoint, image)[0]
    support = location_contributions(checkpoint.rnn, feature_map, tokens)[step]
    return support.unflatten(0, feature_map.shape[-2:]).cpu()


def recorded_splits(name: str) -> list[str]:
    """The splits of which a checkpoint has recorded predictions."""
    return [split for split in results(name)["evaluations"] if predictions_file(CHECKPOINTS / name, split).is_file()]


def recorded_evaluation(name: str, split: str) -> Evaluation:
    """The evaluation that `cnnrnn evaluate --record` wrote into a checkpoint's folder. Raises UserError."""
    config = read_config(CHECKPOINTS / name)
    path = predictions_file(CHECKPOINTS / name, split)
    status = path.stat()
    return _read_recorded(
        str(path), status.st_size, status.st_mtime_ns, tuple(config["vocabulary"]["labels"]), config["weights_sha256"]
    )


@st.cache_resource(max_entries=4, show_spinner="Reading the evaluation …")
def _read_recorded(path: str, size: int, modified: int, labels: tuple[str, ...], weights_hash: str) -> Evaluation:
    """Size and time of change are part of the key, as in `_hash`."""
    return read_predictions(Path(path), labels, weights_hash)


def read_evaluation(name: str, lines: list[str]) -> Evaluation:
    """The evaluation that `cnnrnn evaluate --per-image` wrote. Raises UserError."""
    return _read_evaluation(hashlib.sha256("\n".join(lines).encode()).hexdigest(), name, lines)


@st.cache_resource(max_entries=4, show_spinner="Reading the evaluation …")
def _read_evaluation(digest: str, name: str, _lines: list[str]) -> Evaluation:
    return read_records(_lines, name)
