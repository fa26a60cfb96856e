"""A trained model as a folder: model.safetensors + config.json + README.md (model card) + metrics.json.

Only safetensors and JSON are read, so a folder from an untrusted source can't run code. A folder is written under a
temporary name and then renamed, and its config has the hash of the weights, so an incomplete folder is rejected.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

import safetensors
import safetensors.torch
import torch
from torch import nn

from cnnrnn.models.backbone import Backbone, BackboneConfig, BackboneError
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig
from cnnrnn.models.deferred import DeferredBackbone
from cnnrnn.models.sigmoid import SigmoidClassifier, SigmoidConfig
from cnnrnn.models.vocabulary import Vocabulary
from cnnrnn.utils.errors import UserError, did_you_mean, summarize_error
from cnnrnn.utils.files import is_macos_metadata, json_text, replacing
from cnnrnn.utils.resources import DEFAULT_CHECKPOINT, checkpoints_folder
from cnnrnn.utils.style import first_few, on_one_line

FORMAT = "cnnrnn-checkpoint"
VERSION = 2
# Names in version 1 -> names in this version.
_RENAMED_SETTINGS = {"places": "spatial"}
_RENAMED_TENSORS = {"over_places.": "spatial_pool.", "auxiliary_over_places.": "auxiliary_pool."}
WEIGHTS, CONFIG, CARD, METRICS = "model.safetensors", "config.json", "README.md", "metrics.json"
BEST = "best"  # the checkpoint to use, in the folder of a training run
CONFIGS: dict[str, type[ModelConfig] | type[SigmoidConfig]] = {  # by head
    "cnn-rnn": ModelConfig,
    "sigmoid": SigmoidConfig,
}
_IMAGE_WEIGHTS = {"cnn-rnn": "U_I.weight", "sigmoid": "classifier.weight"}  # (…, feature) by head
_BACKBONE = "backbone."  # begins the names of its tensors
_MAX_CONFIG_BYTES = 50_000_000  # the size depends on the number of labels
_MAX_UNPACKED_BYTES = 4_000_000_000
_PICKLE_SUFFIXES = {".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"}


class CheckpointError(UserError):
    """A checkpoint that can't be used; the message names the folder and says what is wrong with it."""


@dataclass
class Checkpoint:
    model: CNNRNN | SigmoidClassifier
    vocabulary: Vocabulary
    training: dict[str, Any]  # data set, split, command, versions, seed of the training
    weights_hash: str  # SHA-256 of model.safetensors

    def __repr__(self) -> str:
        return f"<Checkpoint of {self.in_short()}>"

    def in_short(self) -> str:
        """Such as "CNN-RNN with 80 labels (person, chair, car, …) on tf_efficientnet_lite2, 448 px"."""
        head = "CNN-RNN" if isinstance(self.model, CNNRNN) else "sigmoid baseline"
        labels, backbone = self.vocabulary.labels, self.model.backbone.config
        network = f"{on_one_line(backbone.name)}, {backbone.image_size} px"
        return f"{head} with {len(labels)} labels ({first_few(labels)}) on {network}"

    @property
    def rnn(self) -> CNNRNN:
        """The model, if it is a CNN-RNN. Raises CheckpointError for the sigmoid baseline."""
        if not isinstance(self.model, CNNRNN):
            raise CheckpointError(
                "this checkpoint is the sigmoid baseline, which has no label sequences and no label space; "
                "use a CNN-RNN"
            )
        return self.model

    @classmethod
    def load(
        cls,
        folder: Path | str,
        device: torch.device | str = "cpu",
        defer: Callable[[str, BackboneConfig], bool] = lambda weights_hash, backbone: False,
    ) -> Checkpoint:
        """Load the model in eval mode from a folder, a run's folder (its best/), a zip of a folder, or an embedded one
        by its name. Never opens a pickle. Raises CheckpointError.

        `defer` is asked with the hash of the weights whether the network of a spatial model may be built later: if it
        was built of the same weights before, and nothing but its translation will be needed, on the CPU.
        """
        folder = checkpoint_folder(Path(folder))
        if folder.is_file():
            with tempfile.TemporaryDirectory() as temporary:
                return cls.load(_unpack(folder, Path(temporary)), device, defer)
        config = read_config(folder)
        weights_path = folder / WEIGHTS
        weights_hash = file_hash(weights_path)
        if weights_hash != config["weights_sha256"]:
            raise CheckpointError(
                f"{folder} is incomplete or was changed: {WEIGHTS} doesn't match the hash in {CONFIG}. "
                "Copy the whole folder again."
            )
        try:
            vocabulary = _vocabulary(config["vocabulary"])
            backbone = BackboneConfig.from_dict(config["backbone"])
            deferred = bool(dict(config["model"]).get("spatial")) and defer(weights_hash, backbone)
            model = _load_model(config, backbone, weights_path, len(vocabulary), deferred)
        except (
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
            OverflowError,
            BackboneError,
            safetensors.SafetensorError,
        ) as error:
            raise CheckpointError(f"{folder} doesn't fit this program: {summarize_error(error)}") from error
        model.eval()
        return cls(model if deferred else model.to(device), vocabulary, config["training"], weights_hash)

    def save(self, folder: Path, results: Mapping[str, Any], card: str) -> None:
        """Write the folder under a temporary name, then replace the old one. Raises UserError if that fails.

        `results` becomes metrics.json, and `card`, Markdown, README.md. Matrices are stored as float16, vectors
        (biases, batch statistics) as float32.
        """
        tensors = {
            name: (tensor.half() if tensor.ndim >= 2 else tensor).contiguous().cpu()
            for name, tensor in self.model.state_dict().items()
            if tensor.is_floating_point()  # leaves out batch norm's step counters
        }
        weights = safetensors.torch.save(tensors)
        self.weights_hash = hashlib.sha256(weights).hexdigest()
        config = {
            "format": FORMAT,
            "version": VERSION,
            "weights_sha256": self.weights_hash,
            "head": "cnn-rnn" if isinstance(self.model, CNNRNN) else "sigmoid",
            "model": self.model.config.to_dict(),
            "backbone": self.model.backbone.config.to_dict(),
            "vocabulary": asdict(self.vocabulary),
            "training": self.training,
        }
        texts = {CONFIG: json_text(config), METRICS: json_text(results), CARD: card}
        with replacing(folder) as new:
            new.mkdir()
            (new / WEIGHTS).write_bytes(weights)
            for name, text in texts.items():
                (new / name).write_text(text, encoding="utf-8", errors="backslashreplace")  # as `write_text`


def embedded_checkpoints() -> list[str]:
    """Names of the checkpoints that come with the package, the default first."""
    names = sorted(path.parent.name for path in checkpoints_folder().glob(f"*/{CONFIG}"))
    return sorted(names, key=lambda name: name != DEFAULT_CHECKPOINT)


def checkpoint_folder(path: Path) -> Path:
    """The checkpoint itself: of the folder of a training run, its best/; of an embedded one's name, where there is no
    such file or folder, the package's."""
    if _is_name(path) and not path.exists():
        return checkpoints_folder() / path
    return path / BEST if (path / BEST / CONFIG).is_file() and not (path / CONFIG).is_file() else path


def shown_name(path: Path) -> str:
    """How people know a checkpoint: "coco (embedded)", or its path."""
    folder = checkpoint_folder(path)
    return f"{folder.name} (embedded)" if folder.parent == checkpoints_folder() else str(folder)


def _is_name(path: Path) -> bool:
    return len(path.parts) == 1 and path.name in embedded_checkpoints()


def recordable_folder(path: Path) -> Path:
    """The folder of a checkpoint that something is added to. Raises UserError for a zip, before anything is written."""
    if path.is_file():
        raise UserError(f"nothing is recorded in {path}, a zip: unpack it, and give --checkpoint the folder")
    return checkpoint_folder(path)


class Results(TypedDict):
    """metrics.json; `evaluation.reports` has the types of the reports."""

    val: dict[str, Any]  # the EvaluationReport of the validation split
    history: list[dict[str, Any]]  # one record per epoch
    cooccurrence: dict[str, Any]  # `evaluation.cooccurrence`; empty for the sigmoid baseline
    label_rates: dict[str, Any]  # `evaluation.cooccurrence`; empty where they were not recorded
    label_space: dict[str, Any]  # `label_space.groups.GroupReport`; empty without groups
    evaluations: dict[str, dict[str, Any]]  # split -> EvaluationReport
    maps: dict[str, dict[str, Any]]  # split -> MapsReport


def read_results(folder: Path) -> Results:
    """The metrics.json of a checkpoint or of a run's best/.

    A key that is missing, or a file that can't be read, gives empty values.
    """
    try:
        content = json.loads((checkpoint_folder(folder) / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    if not isinstance(content, dict):
        content = {}
    return {
        "val": content.get("val") or {},
        "history": content.get("history") or [],
        "cooccurrence": content.get("cooccurrence") or content.get("together") or {},  # "together" in version 1
        "label_rates": content.get("label_rates") or {},
        "label_space": content.get("label_space") or {},
        "evaluations": content.get("evaluations") or {},
        "maps": content.get("maps") or {},
    }


def chosen_threshold(folder: Path) -> float:
    """The threshold of the marginals that was best on the validation split of the training, or 0.5."""
    try:
        return float(read_results(folder)["val"]["best_threshold"])
    except (ValueError, KeyError, TypeError):
        return 0.5


def read_config(folder: Path) -> dict[str, Any]:
    """The checked config.json of a checkpoint. Raises CheckpointError; reads no weights."""
    if not folder.is_dir():
        names = embedded_checkpoints()
        meant = did_you_mean(str(folder), names)
        raise CheckpointError(
            f"{folder} is not there; {meant}name a folder with {WEIGHTS} and {CONFIG}, a zip of one, or an embedded "
            f"checkpoint: {', '.join(names)}"
        )
    inside = [path.name for path in sorted(folder.glob("*")) if (checkpoint_folder(path) / CONFIG).is_file()]
    if inside and not (folder / CONFIG).is_file():
        raise CheckpointError(f"{folder} is a folder of checkpoints; name one of them, such as {folder / inside[0]}")
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _PICKLE_SUFFIXES)
    if pickles:
        raise CheckpointError(f"{folder} holds a pickle ({pickles[0]}), which can run code; it is not opened")
    if links := [name for name in (WEIGHTS, CONFIG, METRICS, CARD) if (folder / name).is_symlink()]:
        raise CheckpointError(f"{folder / links[0]} is a link; copy the file itself")
    missing = [name for name in (WEIGHTS, CONFIG) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} is incomplete: {' and '.join(missing)} missing; name a folder that `cnnrnn train` wrote, "
            "such as runs/mine/best"
            + (f"; the folder {folder} here comes before the embedded checkpoint" if _is_name(folder) else "")
        )
    if (size := (folder / CONFIG).stat().st_size) > _MAX_CONFIG_BYTES:
        raise CheckpointError(f"{folder / CONFIG} has {size:,} bytes; a checkpoint's has a few thousand")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / CONFIG} can't be read: {summarize_error(error)}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise CheckpointError(f"{folder / CONFIG} is not a checkpoint of cnnrnn")
    if config.get("version") not in (1, VERSION):
        raise CheckpointError(
            f"{folder} has checkpoint version {config.get('version')}, this program reads 1 and {VERSION}; "
            "update cnnrnn or train again"
        )
    config.setdefault("head", "cnn-rnn")  # the first version had no other
    keys = ("weights_sha256", "model", "backbone", "vocabulary", "training")
    if lacking := [key for key in keys if key not in config]:
        raise CheckpointError(f"{folder / CONFIG} lacks {', '.join(lacking)}")
    if config["version"] == 1 and isinstance(config["model"], dict):
        config["model"] = {_RENAMED_SETTINGS.get(key, key): value for key, value in config["model"].items()}
    return config


def _tensor_name(name: str) -> str:
    """A tensor's name in this version, for a name of this or an older version."""
    for old, new in _RENAMED_TENSORS.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _vocabulary(entry: dict[str, Any]) -> Vocabulary:
    """Checkpoints without groups have no such key."""
    return Vocabulary(tuple(entry["labels"]), tuple(entry["counts"]), tuple(map(str, entry.get("groups", ()))))


def _load_model(
    config: dict[str, Any], backbone: BackboneConfig, weights_path: Path, labels: int, deferred: bool
) -> CNNRNN | SigmoidClassifier:
    """The model with its weights, which are not read before their shapes were compared. Raises ValueError and more."""
    head, shapes = config["head"], _shapes(weights_path)

    def build(weights: dict[str, torch.Tensor]) -> CNNRNN | SigmoidClassifier:
        network = (
            DeferredBackbone(backbone, shapes[_IMAGE_WEIGHTS[head]][1], weights) if deferred else Backbone(backbone)
        )
        return build_model(head, config["model"], network)

    with torch.device("meta"):  # uses no memory, whatever sizes the config has
        skeleton = build({})
    if skeleton.config.num_labels != labels:
        raise ValueError(f"{skeleton.config.num_labels} outputs for {labels} labels")
    later = {name for name in shapes if deferred and name.startswith(_BACKBONE)}
    _check_shapes(skeleton, {name: shape for name, shape in shapes.items() if name not in later})
    tensors = {_tensor_name(name): tensor for name, tensor in safetensors.torch.load_file(weights_path).items()}
    _check_finite(tensors)
    model = build({name.removeprefix(_BACKBONE): tensors.pop(name) for name in later})
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return model


def _shapes(weights_path: Path) -> dict[str, tuple[int, ...]]:
    """Of the tensors in a file, by their names in this version."""
    with safetensors.safe_open(weights_path, "pt") as file:
        return {_tensor_name(name): tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _check_shapes(skeleton: nn.Module, found: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError for a tensor that the model does not have like that."""
    expected = {name: tuple(value.shape) for name, value in skeleton.state_dict().items() if value.is_floating_point()}
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise ValueError(f"{name} is {found.get(name)} in {WEIGHTS} and {expected.get(name)} by {CONFIG}")


def _unpack(file: Path, folder: Path) -> Path:
    """Extract the weights and the config from a zip into `folder`, and nothing else. Raises CheckpointError for an
    invalid or unsafe zip."""
    if file.name in (WEIGHTS, CONFIG, METRICS, CARD):
        raise CheckpointError(f"{file} is one file of a checkpoint; name its folder, {file.parent}")
    try:
        with zipfile.ZipFile(file) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not is_macos_metadata(m.filename)]
            if sum(member.file_size for member in members) > _MAX_UNPACKED_BYTES:
                raise CheckpointError(
                    f"{file} is larger than {_MAX_UNPACKED_BYTES:,} bytes unpacked; unpack it yourself"
                )
            for member in members:
                path = PurePosixPath(member.filename)
                if path.is_absolute() or ".." in path.parts or stat.S_ISLNK(member.external_attr >> 16):
                    raise CheckpointError(
                        f"{file} holds {member.filename!r}, which points outside of it; it is not opened"
                    )
                if path.suffix.lower() in _PICKLE_SUFFIXES:
                    raise CheckpointError(f"{file} holds a pickle ({path.name}), which can run code; it is not opened")
                if path.name in (WEIGHTS, CONFIG):
                    with archive.open(member) as packed, (folder / path.name).open("xb") as new:
                        shutil.copyfileobj(packed, new)
    except FileExistsError as error:
        raise CheckpointError(f"{file} holds more than one checkpoint; unpack it and name the folder") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise CheckpointError(f"{file} is no checkpoint's folder nor a zip of one: {summarize_error(error)}") from error
    if missing := [name for name in (WEIGHTS, CONFIG) if not (folder / name).is_file()]:
        raise CheckpointError(f"{file} is no zip of a checkpoint: {' and '.join(missing)} missing")
    return folder


def build_model(head: str, settings: dict[str, Any], backbone: Backbone) -> CNNRNN | SigmoidClassifier:
    """An untrained model; `settings` are the fields of its head's config. Raises ValueError for an unknown head."""
    if head not in CONFIGS:
        raise ValueError(f"unknown head '{head}'")
    config = CONFIGS[head](**settings)
    return CNNRNN(config, backbone) if isinstance(config, ModelConfig) else SigmoidClassifier(config, backbone)


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_finite(tensors: Mapping[str, torch.Tensor]) -> None:
    """Raises ValueError for a value that is not finite."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} has values that are not finite")
