"""An untrained checkpoint for a training split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from cnnrnn.checkpoint import Checkpoint, build_model
from cnnrnn.data import Split
from cnnrnn.models.backbone import Backbone, BackboneConfig
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
    backbone. Raises BackboneError where the backbone or its weights can't be had.
    """
    torch.manual_seed(seed)
    label_sets = (sample.labels for sample in split.samples)
    vocabulary = Vocabulary.from_label_sets(split.labels, label_sets, order, seed, split.groups)
    network = Backbone(BackboneConfig.of(backbone, image_size))
    network.check()
    if pretrained:
        load_pretrained(network, weights)
        network.fold_batch_norm()  # its statistics stay ImageNet's: batches here are too small for better
    torch.manual_seed(seed)  # the head's weights don't depend on how the backbone was made
    model = build_model(head, {"num_labels": len(vocabulary), **model_settings}, network)
    return Checkpoint(
        model.to(device), vocabulary, training={"pretrained": pretrained, "order": order}, weights_hash=""
    )
