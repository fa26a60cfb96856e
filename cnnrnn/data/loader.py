"""Pictures of a list of files as batches of tensors, decoded in worker processes beside the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cnnrnn.images import ImageError, open_image

_FEW = 64  # pictures for which starting worker processes costs more than it saves

Batch = tuple[list[int], Tensor, dict[int, str]]  # indices read, (batch, 3, size, size), errors by index


class Pictures(Dataset[tuple[int, Tensor | None, str]]):
    """A picture is opened when it is asked for; one that can't be read comes with the reason."""

    def __init__(
        self, paths: Sequence[Path], transform: Callable[[Image.Image], Tensor], max_side: int, seed: int | None
    ) -> None:
        self.paths, self.transform, self.max_side, self.seed = paths, transform, max_side, seed

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[int, Tensor | None, str]:
        try:
            picture = open_image(self.paths[index], self.max_side)
        except ImageError as error:
            return index, None, str(error)
        if self.seed is None:
            return index, self.transform(picture), ""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed + index)
            return index, self.transform(picture), ""


def _collate(items: list[tuple[int, Tensor | None, str]]) -> Batch:
    read = [(index, tensor) for index, tensor, _ in items if tensor is not None]
    images = torch.stack([tensor for _, tensor in read]) if read else torch.empty(0)
    return (
        [index for index, _ in read],
        images,
        {index: why for index, tensor, why in items if tensor is None},
    )


def batches(
    paths: Sequence[Path],
    transform: Callable[[Image.Image], Tensor],
    image_size: int,
    batch_size: int,
    order: Sequence[int] | None = None,
    share: slice = slice(None),
    seed: int | None = None,
) -> Iterator[Batch]:
    """Batches in the given order (default: as listed). Pictures are read at up to twice `image_size`.

    Of every batch only a share is read, by default all; it may be empty. With a `seed`, what the transform draws
    for a picture follows from it and the picture's index, whichever process draws it.
    """
    order = range(len(paths)) if order is None else order
    few = len(paths) <= _FEW
    shares: list[Sequence[int]] = [
        order[start : start + batch_size][share] for start in range(0, len(order), batch_size)
    ]
    return iter(
        DataLoader(
            Pictures(paths, transform, 2 * image_size, seed),
            batch_sampler=shares,  # type: ignore[arg-type]  # torch wants lists; ranges are smaller
            collate_fn=_collate,
            num_workers=0 if few else min(4, os.cpu_count() or 1),
        )
    )
