"""Evaluations that are looked at: those that a checkpoint has of itself, and files of `cnnrnn evaluate`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import streamlit as st

import image_files
import state
from cnnrnn.evaluation.evaluate import Evaluation, read_records
from cnnrnn.evaluation.paired import Difference, Paired
from cnnrnn.evaluation.paired import differences as compute_differences
from cnnrnn.evaluation.recorded import predictions_file, read_predictions
from cnnrnn.evaluation.report import worst_mistakes
from cnnrnn.utils.files import escape_surrogates

_LOOKED_FOR = 12  # images; all are there, as a rule, or none is


def recorded_splits(name: str) -> list[str]:
    """The splits of which a checkpoint has recorded predictions."""
    folder = state.checkpoint_folder(name)
    return [split for split in state.results(name)["evaluations"] if predictions_file(folder, split).is_file()]


def own_name(split: str) -> str:
    """What a recorded evaluation is called where it is chosen."""
    return f"the model's own, on {split}"


def checkpoint_labels(name: str) -> tuple[str, ...]:
    """The labels of a checkpoint, without its weights. Raises CheckpointError."""
    return tuple(state.config(name)["vocabulary"]["labels"])


def recorded_evaluation(name: str, split: str) -> Evaluation:
    """The evaluation that `cnnrnn evaluate --record` wrote into a checkpoint's folder. Raises UserError."""
    folder = state.checkpoint_folder(name)
    config, path = state.config(name), predictions_file(folder, split)
    status = path.stat()
    return _read_recorded(
        str(path), status.st_size, status.st_mtime_ns, tuple(config["vocabulary"]["labels"]), config["weights_sha256"]
    )


@st.cache_resource(max_entries=4, show_spinner="Reading the evaluation …")
def _read_recorded(path: str, size: int, modified: int, labels: tuple[str, ...], weights_hash: str) -> Evaluation:
    """Size and time of change are part of the key, so that a file that has changed is read again."""
    return read_predictions(Path(path), labels, weights_hash)


def read_evaluation(name: str, lines: list[str]) -> Evaluation:
    """The evaluation that `cnnrnn evaluate --per-image` wrote. Raises UserError."""
    return _read_evaluation(hashlib.sha256("\n".join(lines).encode()).hexdigest(), name, lines)


@st.cache_resource(max_entries=4, show_spinner="Reading the evaluation …")
def _read_evaluation(digest: str, name: str, _lines: list[str]) -> Evaluation:
    return read_records(_lines, name)


def evaluated_image(evaluation: Evaluation, row: int) -> image_files.InputImage | None:
    """The image of an evaluation, if it may be shown: an uploaded file can name any path. A recorded evaluation names
    its images without their folder; they are found by their content among the samples and under `data_root`."""
    sample = evaluation.split.samples[row]
    if evaluation.digests is None:
        return image_files.shown(sample)
    for path in image_files.named(sample.image.name):
        image = image_files.shown(replace(sample, image=path))
        if image is not None and image.digest.startswith(evaluation.digests[row]):
            return image
    return None


def has_images(evaluation: Evaluation) -> bool:
    """Whether one of the images that the page would begin with can be shown."""
    wrong = worst_mistakes(evaluation, _LOOKED_FOR)
    return not wrong or any(evaluated_thumbnail(evaluation, row) is not None for row in wrong)


def evaluated_thumbnail(evaluation: Evaluation, row: int) -> bytes | None:
    """A small copy of `evaluated_image`."""
    digest = "" if evaluation.digests is None else evaluation.digests[row]
    path = escape_surrogates(str(evaluation.split.samples[row].image))  # streamlit can't hash them
    return _evaluated_thumbnail(path, digest, str(image_files.data_root()), evaluation, row)


@st.cache_data(max_entries=1024, show_spinner=False)
def _evaluated_thumbnail(path: str, digest: str, root: str, _evaluation: Evaluation, _row: int) -> bytes | None:
    image = evaluated_image(_evaluation, _row)
    return None if image is None else image_files.thumbnail(image)


@st.cache_data(max_entries=16, show_spinner="Resampling the images …", hash_funcs={Paired: lambda pair: pair.digest()})
def differences(paired: Paired) -> dict[str, Difference]:
    """The metrics of two models on the same images, with bootstrap intervals."""
    return compute_differences(paired)
