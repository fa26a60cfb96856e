"""A checkpoint on pictures: traces of many, or one picture explained. Command line and dashboard go through here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from cnnrnn.baseline import SigmoidClassifier, threshold_labels
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data.loader import Batch, batches, onto
from cnnrnn.decoding import NOTHING, Given, Trace, decode
from cnnrnn.engines import Forward
from cnnrnn.errors import UserError
from cnnrnn.images import SUFFIXES
from cnnrnn.model import CNNRNN


@torch.no_grad()  # not inference_mode: attribution needs to differentiate with respect to the feature map later
def encode(model: CNNRNN | SigmoidClassifier, images: Tensor, forward: Forward | None = None) -> tuple[Tensor, Tensor]:
    """The one backbone pass: preprocessed images (batch, 3, size, size) -> feature map (batch, channel, height,
    width) and I (batch, place, feature). `forward` is the backbone's by another engine."""
    feature_map = (forward or model.backbone)(onto(model.device, images))
    return feature_map, model.image_feature(feature_map)


def decode_batch(
    model: CNNRNN | SigmoidClassifier, feature: Tensor, labels: Sequence[str], beam: int = 8, recurrence: bool = True
) -> list[Trace]:
    """I (batch, place, feature) -> one Trace per image, by beam search or, for the baseline, by its threshold."""
    if isinstance(model, SigmoidClassifier):
        return threshold_labels(model, feature, labels)
    return decode(model, feature, labels, beam, recurrence)


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """Files as named; of a folder, every picture in it and below, sorted. Raises UserError if there is none."""
    found: list[Path] = []
    for path in paths:
        inside = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        found += sorted(inside)
    if not found:
        raise UserError(f"no pictures ({', '.join(SUFFIXES)}) in {', '.join(map(str, paths))}")
    return found


def predict(
    checkpoint: Checkpoint,
    paths: Sequence[Path],
    beam: int,
    batch_size: int,
    recurrence: bool = True,
    forward: Forward | None = None,
) -> Iterator[tuple[Path, Trace | str]]:
    """Every picture in order with its trace, or with the reason why it can't be read. `forward`: see `encode`."""
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
    """As `predict`, of batches however they were read: each picture's index and outcome."""
    model, labels = checkpoint.model, checkpoint.vocabulary.labels
    for read, images, failed in found:
        outcomes: dict[int, Trace | str] = dict(failed)
        if read:
            feature = encode(model, images, forward)[1]
            outcomes |= zip(read, decode_batch(model, feature, labels, beam, recurrence), strict=True)
        yield from sorted(outcomes.items(), key=itemgetter(0))


def encode_picture(checkpoint: Checkpoint, picture: Image.Image) -> tuple[Tensor, Tensor]:
    """One RGB picture -> its feature map (channel, height, width), kept to explain steps later, and I."""
    feature_map, feature = encode(checkpoint.model, checkpoint.model.backbone.batch([picture]))
    return feature_map[0], feature[0]


def decode_picture(checkpoint: Checkpoint, feature: Tensor, beam: int, given: Given = NOTHING) -> Trace:
    """Beam search for one picture from its I."""
    return decode(checkpoint.rnn, feature.unsqueeze(0), checkpoint.vocabulary.labels, beam, given=given)[0]
