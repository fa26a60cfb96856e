"""A checkpoint on images: traces of many, or one image explained. Command line and dashboard go through here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data.images import SUFFIXES
from cnnrnn.data.loader import Batch, batches, to_device
from cnnrnn.decoding.beam_search import decode
from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.threshold import threshold_labels
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.engines import Forward
from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.utils.errors import UserError


@torch.no_grad()  # not inference_mode: attribution needs to differentiate with respect to the feature map later
def encode(model: CNNRNN | SigmoidClassifier, images: Tensor, forward: Forward | None = None) -> tuple[Tensor, Tensor]:
    """The one backbone pass: preprocessed images (batch, 3, size, size) -> feature map (batch, channel, height,
    width) and I (batch, location, feature). `forward` is the backbone's by another engine."""
    feature_map = (forward or model.backbone)(to_device(model.device, images))
    return feature_map, model.image_feature(feature_map)


def decode_batch(
    model: CNNRNN | SigmoidClassifier, feature: Tensor, labels: Sequence[str], beam: int = 8, recurrence: bool = True
) -> list[Trace]:
    """I (batch, location, feature) -> one Trace per image, by beam search or, for the baseline, by its threshold."""
    if isinstance(model, SigmoidClassifier):
        return threshold_labels(model, feature, labels)
    return decode(model, feature, labels, beam, recurrence)


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Files as named; of a folder, every image in it and below, sorted. Raises UserError if there is none."""
    found: list[Path] = []
    for path in paths:
        inside = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        found += sorted(inside)
    if not found:
        raise UserError(f"no images ({', '.join(SUFFIXES)}) in {', '.join(map(str, paths))}")
    return found


def predict(
    checkpoint: Checkpoint,
    paths: Sequence[Path],
    beam: int,
    batch_size: int,
    recurrence: bool = True,
    forward: Forward | None = None,
) -> Iterator[tuple[Path, Trace | str]]:
    """Every image in order with its trace, or with the reason why it can't be read. `forward`: see `encode`."""
    backbone = checkpoint.model.backbone
    found = batches(paths, backbone.preprocess, backbone.config.image_size, batch_size, device=backbone.device)
    for index, outcome in predict_batches(checkpoint, found, beam, recurrence, forward):
        yield paths[index], outcome


def predict_batches(
    checkpoint: Checkpoint,
    found: Iterable[Batch],
    beam: int,
    recurrence: bool = True,
    forward: Forward | None = None,
) -> Iterator[tuple[int, Trace | str]]:
    """As `predict`, of batches however they were read: each image's index and outcome."""
    model, labels = checkpoint.model, checkpoint.vocabulary.labels
    for read, images, failed in found:
        outcomes: dict[int, Trace | str] = dict(failed)
        if read:
            feature = encode(model, images, forward)[1]
            outcomes |= zip(read, decode_batch(model, feature, labels, beam, recurrence), strict=True)
        yield from sorted(outcomes.items(), key=itemgetter(0))


def encode_image(checkpoint: Checkpoint, image: Image.Image) -> tuple[Tensor, Tensor]:
    """One RGB image -> its feature map (channel, height, width), kept to explain steps later, and I."""
    feature_map, feature = encode(checkpoint.model, checkpoint.model.backbone.batch([image]))
    return feature_map[0], feature[0]


def decode_image(
    checkpoint: Checkpoint, feature: Tensor, beam: int, constraints: Constraints = NO_CONSTRAINTS
) -> Trace:
    """Beam search for one image from its I."""
    return decode(checkpoint.rnn, feature.unsqueeze(0), checkpoint.vocabulary.labels, beam, constraints=constraints)[0]
