"""Where the image features of an epoch come from: computed once as far as the backbone is frozen, or anew each time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from cnnrnn.data import Split
from cnnrnn.data.loader import batches, to_device
from cnnrnn.models.backbone import Backbone, Layers, compiled
from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.training.augmentation import Augmentation
from cnnrnn.training.config import TrainConfig
from cnnrnn.training.distributed import ALONE, ProcessGroup
from cnnrnn.utils.cache import FOLDER, remove_least_recent
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import replacing

# Indices of a batch's images and, of this process's shard of them, the inputs (shard, …).
Inputs = Iterator[tuple[list[int], Tensor]]
Features = Iterator[tuple[list[int], Tensor]]  # indices of images, their I (batch, location, feature)
Transform = Callable[[Image.Image], Tensor]


class Watcher(Protocol):
    """Reports progress to the user."""

    def start(self, what: str, images: int) -> None: ...
    def advance(self, images: int, loss: float | None = None) -> None: ...


class FeatureSource(Protocol):
    """One pass over a split: the inputs, shuffled and augmented, for training, and I, in order, for validation.

    I is (batch, location, feature). Of several processes, each gets its shard of every batch.
    """

    def training(self) -> Inputs: ...
    def feature(self, inputs: Tensor) -> Tensor: ...  # through the layers that are trained -> I
    def validation(self) -> Features: ...


@dataclass
class EndToEnd:
    """Images are augmented and run through the backbone in every epoch, and gradients reach all of it."""

    model: CNNRNN | SigmoidClassifier
    splits: tuple[Split, Split]  # for training and for validation
    config: TrainConfig
    watcher: Watcher
    processes: ProcessGroup = ALONE

    def __post_init__(self) -> None:
        if self.config.compile_layers:
            self.model.backbone.compile_layers()

    def training(self) -> Inputs:
        split, batch_size = self.splits[0], self.config.batch_size
        order, seed = torch.randperm(len(split.samples)), int(torch.randint(2**62, ()))
        backbone, shard = self.model.backbone, self.processes.shard
        augmentation = Augmentation(backbone.config.image_size)
        images = _images(split, backbone, augmentation, batch_size, order.tolist(), shard, seed)
        for chosen, (_, inputs) in zip(order.split(batch_size), images, strict=True):
            yield chosen.tolist(), inputs

    def feature(self, inputs: Tensor) -> Tensor:
        return self.model.image_feature(self.model.backbone(inputs))

    @torch.no_grad()
    def validation(self) -> Features:
        split, backbone, shard = self.splits[1], self.model.backbone, self.processes.shard
        self.watcher.start("validating", len(range(len(split.samples))[shard]))
        for indices, images in _images(split, backbone, backbone.pixels, self.config.batch_size, shard=shard):
            if indices:
                yield indices, self.feature(images)
            self.watcher.advance(len(indices))


class Cached:
    """The backbone's frozen layers see every view of an image once; what follows them is trained on their output.

    Views are the image, its mirror image, then random crops. Outputs are stored in `folder`, a file per split
    and view, and are reused by every later run with the same images and frozen layers. What no run used for longest
    is deleted from it.
    """

    def __init__(
        self,
        model: CNNRNN | SigmoidClassifier,
        splits: tuple[Split, Split],  # for training and for validation
        config: TrainConfig,
        folder: Path,
        watcher: Watcher,
        processes: ProcessGroup = ALONE,
    ) -> None:
        self.processes = processes
        backbone, views = model.backbone, config.views
        # Without a learning rate the whole backbone is frozen, whatever number of layers is named.
        trained_layers = (config.trained_layers or 0) if config.backbone_lr else 0
        layers = list(backbone.layers().values())
        cut = _cut(layers, trained_layers)
        backbone.eval().requires_grad_(False)
        self.model, self.batch_size, self.folder, self.watcher = model, config.batch_size, folder, watcher
        self.frozen = nn.Sequential(*layers[:cut])
        trained = nn.Sequential(*layers[cut:]).requires_grad_(True)
        if keeps_depthwise(backbone, config):
            for layer in _depthwise(trained):
                layer.requires_grad_(False)
        self.trained: Layers = compiled(trained) if config.compile_layers else trained
        # With nothing left to train, and no spatial model, the pooled vector is stored instead of the feature map.
        self.pooled = not trained_layers and not model.config.spatial
        mirrored = v2.Compose([v2.RandomHorizontalFlip(1.0), backbone.pixels])
        augmentation = Augmentation(backbone.config.image_size)
        transforms = [backbone.pixels, mirrored, *[augmentation] * (views - 2)]
        train_split, val_split = splits
        wanted = [
            *((train_split, view, transforms[view]) for view in range(views)),
            (val_split, 0, backbone.pixels),
        ]
        files = [folder / f"{self._cache_key(split, view)}.npy" for split, view, _ in wanted]
        # Each file by one process, as if it were alone; on every machine, as they may have no disk in common.
        for path, (split, view, transform) in list(zip(files, wanted, strict=True))[processes.local_shard]:
            if path.exists():
                with suppress(OSError):  # of another user
                    os.utime(path)  # used now
            else:
                try:
                    self._encode(path, split, view, transform)
                except UserError as error:
                    if isinstance(error.__cause__, OSError):
                        raise UserError(f"{error}; set {FOLDER} to a folder with more room") from error
                    raise
        processes.barrier()
        if processes.local_rank == 0:
            remove_least_recent(folder, keep=files)
        *self.train_views, self.val_view = [np.load(path, mmap_mode="r", allow_pickle=False) for path in files]

    def training(self) -> Inputs:
        shard = self.processes.shard
        for chosen in torch.randperm(len(self.train_views[0])).split(self.batch_size):
            views = torch.randint(len(self.train_views), chosen.shape)
            picked = [
                self.train_views[view][index]
                for view, index in zip(views[shard].tolist(), chosen[shard].tolist(), strict=True)
            ]
            yield chosen.tolist(), self._read(np.stack(picked) if picked else self.train_views[0][:0])

    @torch.no_grad()
    def validation(self) -> Features:
        indices, shard = range(len(self.val_view)), self.processes.shard
        for start in range(0, len(self.val_view), 256):
            values = self.val_view[start : start + 256][shard]
            if len(values):
                yield list(indices[start : start + 256][shard]), self.feature(self._read(values))

    def feature(self, inputs: Tensor) -> Tensor:
        if self.pooled:
            return inputs
        backbone = self.model.backbone
        return self.model.image_feature(backbone.channels_first(backbone.compute(self.trained, inputs)))

    def _read(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(values)).to(self.model.device, torch.float32)

    @torch.no_grad()
    def _encode(self, path: Path, split: Split, view: int, transform: Transform) -> None:
        """Write one view of every image (image, …): I itself, or the frozen layers' maps in half precision."""
        self.watcher.start(f"features of {split.name}, view {view + 1}", len(split.samples))
        with replacing(path) as new, new.open("wb") as file, torch.random.fork_rng(devices=[]):
            torch.manual_seed(view)  # a view is the same in every run
            for indices, images in _images(split, self.model.backbone, transform, self.batch_size):
                x = self.model.backbone.compute(self.frozen, images)
                x = self.model.image_feature(self.model.backbone.channels_first(x)) if self.pooled else x.half()
                values = x.cpu().numpy()
                if indices[0] == 0:
                    _write_header(file, values.dtype, (len(split.samples), *values.shape[1:]))
                file.write(values.tobytes())  # in order; a map of a file on a full disk would end the process
                self.watcher.advance(len(indices))
            if path.stem != self._cache_key(split, view):
                raise UserError(f"images of {split.name} changed while they were read; start again")

    def _cache_key(self, split: Split, view: int) -> str:
        """Changes with the frozen layers, what follows them, the preprocessing and the files, their sizes and times."""
        backbone = self.model.backbone
        pooling = (
            "pooled, one place" if self.pooled else True
        )  # pooled vectors have a location axis now; maps are unchanged
        settings = [backbone.config.computation(), pooling, view]
        if backbone.precision != torch.float32:
            settings.append(str(backbone.precision))
        digest = hashlib.sha256(json.dumps(settings).encode())
        for tensor in self.frozen.state_dict().values():
            digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
        for sample in split.samples:
            stat = sample.image.stat()
            digest.update(os.fsencode(f"{sample.image.resolve()}:{stat.st_size}:{stat.st_mtime_ns}\n"))
        return digest.hexdigest()[:32]


def keeps_depthwise(backbone: Backbone, config: TrainConfig) -> bool:
    """Whether depthwise convolutions stay as they are while the last layers of a pretrained network are trained.

    They hold 5 % of an EfficientNet-Lite's weights, and the gradient of these takes longer on a processor than all else
    in bfloat16, and a fifth of a step in float32 (RUNS.md, beside the metrics with and without).
    """
    pretrained = backbone.config.folded  # one that is not has statistics to learn
    return pretrained and bool(config.backbone_lr and config.trained_layers and _depthwise(backbone))


def _depthwise(layers: nn.Module) -> list[nn.Conv2d]:
    """Convolutions with filters of one channel. A bias counts as part: torch computes both gradients, or none."""
    convolutions = (layer for layer in layers.modules() if isinstance(layer, nn.Conv2d))
    return [layer for layer in convolutions if layer.groups == layer.in_channels > 1]


def _write_header(file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})


def _cut(layers: list[nn.Module], trained: int) -> int:
    """Index of the first layer to train, if the last `trained` ones with weights are."""
    weighted = [index for index, layer in enumerate(layers) if any(True for _ in layer.parameters())]
    if trained >= len(weighted):
        raise UserError(f"the backbone has {len(weighted)} layers; train fewer than that, or all without a number")
    return weighted[-trained] if trained else len(layers)


def _images(
    split: Split,
    backbone: Backbone,
    transform: Transform,
    batch_size: int,
    order: list[int] | None = None,
    shard: slice = slice(None),
    seed: int | None = None,
) -> Iterator[tuple[list[int], Tensor]]:
    """Indices and preprocessed images (shard, 3, size, size); `transform` gives uint8 pixels, a fourth of the bytes to
    move. Raises UserError for an image that can't be read."""
    paths, size = [sample.image for sample in split.samples], backbone.config.image_size
    for indices, images, failed in batches(paths, transform, batch_size, order, shard, seed, backbone.device):
        for index, reason in failed.items():
            raise UserError(f"{paths[index]}: {reason}; mend it and go on with --resume, or remove it and start again")
        yield indices, backbone.normalized(to_device(backbone.device, images.view(-1, 3, size, size)))
