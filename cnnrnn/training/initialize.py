"""An untrained checkpoint for a training split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from cnnrnn.checkpoint import Checkpoint, build_model
from cnnrnn.data import Split
from cnnrnn.models.backbone import Backbone, BackboneConfig, BackboneError
from cnnrnn.models.pretrained import load_pretrained
from cnnrnn.models.vocabulary import Vocabulary


def new_checkpoint(
    split: Split,
    backbone: str,
    image_size: int | None,
    pretrained: bool,
    seed: int,
    device: torch.device,
    head: str = "cnn-rnn",
    order: str = "frequent",
    weights: Path | None = None,
    **model_settings: Any,
) -> Checkpoint:
    """An untrained model for a training split's labels; `order` is that of `Vocabulary`, `model_settings` are
    the fields of ModelConfig or, for head "sigmoid", SigmoidConfig. `weights` is a safetensors file of the pretrained
    backbone, or a checkpoint whose backbone is taken. Raises BackboneError where the backbone or its weights can't be
    had, CheckpointError for a checkpoint that can't be used.
    """
    torch.manual_seed(seed)
    label_sets = (sample.labels for sample in split.samples)
    vocabulary = Vocabulary.from_label_sets(split.labels, label_sets, order, seed, split.groups)
    if weights is not None and is_trained(weights):
        network, ready = _trained_backbone(weights, backbone, image_size), True
    else:
        network, ready = Backbone(BackboneConfig.of(backbone, image_size)), not pretrained
    network.check()
    network.measure_center_offset()
    if not ready:
        load_pretrained(network, weights)
        network.fold_batch_norm()  # its statistics stay ImageNet's: batches here are too small for better
    torch.manual_seed(seed)  # the head's weights don't depend on how the backbone was made
    model = build_model(head, {"num_labels": len(vocabulary), **model_settings}, network)
    start = None if weights is None else "/".join(weights.absolute().parts[-2:])  # of a path, what others may see
    training = {"pretrained": pretrained, "weights": start, "order": order}
    return Checkpoint(model.to(device), vocabulary, training=training, weights_hash="")


def is_trained(weights: Path) -> bool:
    """Whether weights are those of a trained model, and not a file of tensors."""
    return weights.is_dir() or weights.suffix == ".zip"


def _trained_backbone(checkpoint: Path, name: str, image_size: int | None) -> Backbone:
    """The backbone of a trained model, for images of another size unless that is None."""
    trained = Checkpoint.load(checkpoint).model.backbone
    check_network(checkpoint, trained.config.name, name)
    return trained.at(image_size)


def check_network(checkpoint: Path, network: str, wanted: str) -> None:
    """Raises BackboneError if the backbone `network` of a trained model is another one than is wanted."""
    if network != wanted:
        raise BackboneError(f"the backbone of {checkpoint} is {network}: take --backbone {network}")
