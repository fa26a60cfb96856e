"""The predictions of an evaluation in a checkpoint's folder: small, compressed, and safe to read from a stranger.

A file holds arrays (safetensors, compressed by gzip) and, as JSON in their header, the names of the labels and of the
images. It names the images by their paths inside the data set and by the beginnings of their SHA-256, so it holds no
path of the machine, and an image that is found later is known to be the same.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from cnnrnn.checkpoint import recordable_folder
from cnnrnn.data import Sample, Split
from cnnrnn.evaluation.evaluate import Evaluation, Predictions, Steps, report
from cnnrnn.utils.errors import UserError, summarize_error
from cnnrnn.utils.files import replacing

_FORMAT = "cnnrnn-predictions-1"
_PATTERN = "predictions-*.safetensors.gz"
_MAX_BYTES = 50_000_000  # compressed
_MAX_UNPACKED_BYTES = 1_000_000_000
_LEVELS = 4095  # probabilities are rounded to multiples of 1 / 4095, which leaves mAP within 0.1
_DIGEST = 8  # bytes of each image's SHA-256
_MAX_NAME = 1000  # letters


def predictions_file(folder: Path, split: str) -> Path:
    """Where the predictions for a split are in a checkpoint's folder, whether they are there or not."""
    slug = re.sub(r"[^a-z0-9]+", "-", split.lower()).strip("-")
    return folder / _PATTERN.replace("*", slug or "split")


def remove_predictions(folder: Path) -> None:
    """Of all splits."""
    for path in folder.glob(_PATTERN):
        path.unlink()


def save_predictions(folder: Path, evaluation: Evaluation, weights_hash: str) -> Path:
    """Write an evaluation's predictions beside the weights that made them, a run's into its best/. Raises UserError."""
    names = _names([sample.image for sample in evaluation.split.samples])
    header = {
        "format": _FORMAT, "split": evaluation.split.name, "weights_sha256": weights_hash,
        "labels": evaluation.labels, "images": names,
        "min_positives": evaluation.metrics["min_positives"], "threshold": evaluation.metrics["threshold"],
        "errors": {
            name: evaluation.metrics["errors"][str(sample.image)].replace(str(sample.image), name)
            for name, sample in zip(names, evaluation.split.samples, strict=True)
            if str(sample.image) in evaluation.metrics.get("errors", {})
        },
    }  # fmt: skip
    predictions = evaluation.predictions
    arrays = {
        "truth": np.packbits(evaluation.truth, axis=1),
        "ignored": np.packbits(evaluation.ignored, axis=1),
        "best_path": np.packbits(predictions.best_path, axis=1),
        # All high bytes, then all low ones: the high ones are nearly all 0.
        "probabilities": _bytes(np.round(predictions.probabilities.astype(np.float64) * _LEVELS).astype(">u2")),
        "coverage": predictions.coverage.astype(np.float16),
        "digests": np.array([_digest(sample.image) for sample in evaluation.split.samples], dtype=np.uint8),
    }
    if evaluation.steps is not None:
        steps = evaluation.steps
        arrays |= {
            "steps.image": steps.image.astype(np.int32), "steps.label": steps.label.astype(np.int32),
            "steps.prefix": steps.prefix.astype(np.float16), "steps.raised_by": steps.raised_by.astype(np.int32),
            "steps.strength": steps.strength.astype(np.float16),
        }  # fmt: skip
    if evaluation.sizes is not None:
        arrays["sizes"] = evaluation.sizes.astype(np.float16)
    content = safetensors.numpy.save(arrays, {"predictions": json.dumps(header, ensure_ascii=False)})
    path = predictions_file(recordable_folder(folder), evaluation.split.name)
    with replacing(path) as new:
        new.write_bytes(gzip.compress(content, 9, mtime=0))
    return path


def read_predictions(path: Path, labels: Sequence[str], weights_hash: str) -> Evaluation:
    """The evaluation that `save_predictions` wrote for the model with these labels and weights. Its metrics are
    computed again. Raises UserError for any other file."""
    try:
        content = _unpacked(path)
        header = _header(content)
        arrays = safetensors.numpy.load(content)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, RecursionError,
            safetensors.SafetensorError) as error:  # fmt: skip
        raise _unusable(path, summarize_error(error)) from None
    if header.get("weights_sha256") != weights_hash:
        raise UserError(
            f"{path.name} was recorded with other weights; evaluate this checkpoint again with "
            "`cnnrnn evaluate --record`"
        )
    try:
        return _evaluation(header, arrays, tuple(labels))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _unusable(path, summarize_error(error)) from None


def _unusable(path: Path, why: str) -> UserError:
    return UserError(
        f"{path.name} can't be read: {why}. Copy the checkpoint again, or evaluate it with `cnnrnn evaluate --record`"
    )


def _unpacked(path: Path) -> bytes:
    """Raises ValueError for a file that is no regular one or too large."""
    if path.is_symlink():
        raise ValueError("it is a link")
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES:,} bytes")
    with gzip.open(path) as file:
        content = file.read(_MAX_UNPACKED_BYTES + 1)
    if len(content) > _MAX_UNPACKED_BYTES:
        raise ValueError(f"it is larger than {_MAX_UNPACKED_BYTES:,} bytes unpacked")
    return content


def _header(content: bytes) -> dict[str, Any]:
    """The JSON in the header of a safetensors file. Raises ValueError or KeyError."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["predictions"])
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError("it is not a record of predictions")
    return header


def _evaluation(header: dict[str, Any], arrays: dict[str, np.ndarray], labels: tuple[str, ...]) -> Evaluation:
    """Checks every value. Raises KeyError, TypeError or ValueError."""
    names, split = header["images"], header["split"]
    if tuple(header["labels"]) != labels:
        raise ValueError("it has other labels than the checkpoint")
    if not isinstance(split, str) or not all(isinstance(name, str) and len(name) <= _MAX_NAME for name in names):
        raise ValueError("its names are no texts")
    shape = (len(names), len(labels))
    truth, ignored, best_path = (_bits(arrays[name], shape) for name in ("truth", "ignored", "best_path"))
    predictions = Predictions(*shape)
    predictions.best_path = best_path
    levels = _checked(arrays["probabilities"], (2, *shape), np.uint8)
    predictions.probabilities = (levels[0] * np.float32(256) + levels[1]) / np.float32(_LEVELS)
    predictions.marginals = predictions.probabilities
    predictions.coverage = _checked(arrays["coverage"], shape[:1], np.float16).astype(np.float64)
    if predictions.probabilities.max(initial=0) > 1 or not np.isfinite(predictions.coverage).all():
        raise ValueError("its probabilities are above 1")
    digests = _checked(arrays["digests"], (len(names), _DIGEST), np.uint8)
    samples = tuple(
        Sample(Path(name), tuple(labels[i] for i in np.flatnonzero(row)), tuple(labels[i] for i in np.flatnonzero(out)))
        for name, row, out in zip(names, truth, ignored, strict=True)
    )
    metrics = report(truth, ignored, predictions, labels, int(header["min_positives"]), float(header["threshold"]))
    metrics["errors"] = {str(name): str(why) for name, why in header["errors"].items()}
    sizes = None
    if "sizes" in arrays:
        sizes = _checked(arrays["sizes"], shape, np.float16).astype(np.float32)
    return Evaluation(
        Split(split, labels, samples), labels, truth, ignored, predictions, metrics, _steps(arrays, shape), sizes,
        tuple(row.tobytes().hex() for row in digests),
    )  # fmt: skip


def _steps(arrays: dict[str, np.ndarray], shape: tuple[int, int]) -> Steps | None:
    if "steps.image" not in arrays:
        return None
    count = arrays["steps.image"].shape
    image, label, raised_by = (
        _checked(arrays[f"steps.{name}"], count, np.int32).astype(np.int64) for name in ("image", "label", "raised_by")
    )
    prefix, strength = (
        _checked(arrays[f"steps.{name}"], count, np.float16).astype(np.float32) for name in ("prefix", "strength")
    )
    for values, low, high in ((image, 0, shape[0]), (label, 0, shape[1]), (raised_by, -1, shape[1])):
        if len(count) != 1 or ((values < low) | (values >= high)).any():
            raise ValueError("its steps are of no image or label")
    if not np.isfinite(prefix).all():
        raise ValueError("its evidence is not finite")
    return Steps(image, label, prefix, raised_by, strength)


def _checked(array: np.ndarray, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"an array is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}")
    return array


def _bits(packed: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """bool (image, label)"""
    _checked(packed, (shape[0], -(-shape[1] // 8)), np.uint8)
    return np.unpackbits(packed, axis=1, count=shape[1]).astype(bool)


def _bytes(values: np.ndarray) -> np.ndarray:
    """Big-endian 16-bit values (image, label) -> their high and low bytes (2, image, label)."""
    return np.ascontiguousarray(np.moveaxis(values.view(np.uint8).reshape(*values.shape, 2), 2, 0))


def _names(paths: Sequence[Path]) -> list[str]:
    """The paths below the folder that all images are in."""
    common = os.path.commonpath([path.absolute().parent for path in paths])
    return [path.absolute().relative_to(common).as_posix() for path in paths]


def _digest(path: Path) -> list[int]:
    """The beginning of the file's SHA-256; zeros for one that can't be read."""
    try:
        with path.open("rb") as file:
            return list(hashlib.file_digest(file, "sha256").digest()[:_DIGEST])
    except OSError:
        return [0] * _DIGEST
