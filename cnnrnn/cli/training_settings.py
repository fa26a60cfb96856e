"""The settings of `cnnrnn train`, by the names of its options: whether they are possible, and what they make."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnrnn.cli.output import command_line
from cnnrnn.training.config import TrainConfig
from cnnrnn.utils.errors import UserError

if TYPE_CHECKING:
    import torch

    from cnnrnn.checkpoint import Checkpoint
    from cnnrnn.data import Split


def refuse_impossible(candidates: list[dict[str, Any]]) -> None:
    """Raises UserError if none of the settings that may be chosen is possible."""
    for settings in candidates:
        try:
            check_settings(settings)
        except UserError as error:
            refused = error
        else:
            return
    raise refused


def check_settings(settings: dict[str, Any]) -> None:
    """Raises UserError for settings that contradict each other, or name what there is not."""
    from cnnrnn.models.backbone import check_name
    from cnnrnn.models.vocabulary import read_order
    from cnnrnn.training.initialize import check_network

    if settings["weights"] and not settings["pretrained"]:
        raise UserError("--weights are pretrained ones; leave --no-pretrained away")
    if not settings["backbone-lr"] and (settings["trained-layers"] or settings["compile"]):
        raise UserError("--trained-layers and --compile are for a backbone that is trained: give --backbone-lr")
    read_order(settings["order"])
    check_name(settings["backbone"])
    if settings["weights"] and (network := network_of(settings["weights"])):
        check_network(settings["weights"], network, settings["backbone"])


@cache
def network_of(weights: Path) -> str | None:
    """The backbone's name, if `weights` is a trained model."""
    from cnnrnn.checkpoint import Checkpoint
    from cnnrnn.training.initialize import is_trained

    return Checkpoint.load(weights).model.backbone.config.name if is_trained(weights) else None


def new_checkpoint(settings: dict[str, Any], split: Split, device: torch.device) -> Checkpoint:
    """An untrained model for the labels of the training split, which knows the command."""
    from cnnrnn.training import initialize

    model: dict[str, Any] = {"dropout": settings["dropout"], "spatial": settings["spatial"]}
    if settings["head"] == "cnn-rnn":
        model |= {"embedding_dim": settings["embedding"], "hidden_dim": settings["hidden"]}
        model |= {"activation": settings["activation"], "cell": settings["cell"]}
        model |= {"auxiliary": settings["auxiliary"] > 0}
    checkpoint = initialize.new_checkpoint(
        split, settings["backbone"], settings["image-size"], settings["pretrained"], settings["seed"], device,
        settings["head"], settings["order"], settings["weights"], **model,
    )  # fmt: skip
    checkpoint.training["command"] = command_line()
    return checkpoint


def train_config(settings: dict[str, Any]) -> TrainConfig:
    values = {key.replace("-", "_"): value for key, value in settings.items()}
    values |= {"compile_layers": values["compile"]}
    if values["head"] == "sigmoid":  # it has no such head
        values["auxiliary"] = 0.0
    return TrainConfig(**{field.name: values[field.name] for field in fields(TrainConfig) if field.name in values})
