"""Images of a list of files as batches of tensors, decoded beside the network in worker processes, or in threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cnnrnn.data.images import ImageError, open_image

_FEW = 64  # images for which starting worker processes costs more than it saves

_MOST, _MOST_GPU = 4, 16  # worker processes: a processor has the network to run, too; a GPU waits for images

_AHEAD = 2  # batches that threads read while the network has one

CPU = torch.device("cpu")
Item = tuple[int, Tensor | None, str]  # an image's index, itself (3, size, size), why it can't be read
Batch = tuple[list[int], Tensor, dict[int, str]]  # indices read, (batch, 3, size, size), errors by index
Place = TypeVar("Place")  # of an image: a path, a URI


class Images(Dataset[Item], Generic[Place]):
    """An image is opened when it is asked for; one that can't be read comes with the reason.

    `open_image` takes one of `paths` and the longest side in pixels, and raises ImageError. With a `seed`, what the
    transform draws for an image follows from it and the image's index.
    """

    def __init__(
        self,
        paths: Sequence[Place],
        transform: Callable[[Image.Image], Tensor],
        max_side: int,
        open_image: Callable[[Place, int], Image.Image],
        seed: int | None = None,
    ) -> None:
        self.paths, self.transform, self.max_side, self.seed = paths, transform, max_side, seed
        self.open_image = open_image

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Item:
        try:
            image = self.open_image(self.paths[index], self.max_side)
        except ImageError as error:
            return index, None, str(error)
        if self.seed is None:
            return index, self.transform(image), ""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed + index)
            return index, self.transform(image), ""


def _collate(items: Sequence[Item]) -> Batch:
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
    device: torch.device = CPU,
) -> Iterator[Batch]:
    """Batches in the given order (default: as listed). Images are read at up to twice `image_size`. For a GPU they
    lie in pinned memory, from which `to_device` takes them without waiting.

    Of every batch only a share is read, by default all; it may be empty. With a `seed`, what the transform draws
    for an image follows from it and the image's index, whichever process draws it.
    """
    order = range(len(paths)) if order is None else order
    gpu = device.type == "cuda"
    workers = 0 if len(paths) <= _FEW else min(_MOST_GPU if gpu else _MOST, os.cpu_count() or 1)
    shares: list[Sequence[int]] = [
        order[start : start + batch_size][share] for start in range(0, len(order), batch_size)
    ]
    return iter(
        DataLoader(
            Images(paths, transform, 2 * image_size, open_image, seed),
            batch_sampler=shares,  # type: ignore[arg-type]  # torch wants lists; ranges are smaller
            collate_fn=_collate,
            num_workers=workers,
            pin_memory=gpu,
        )
    )


def to_device(device: torch.device, images: Tensor) -> Tensor:
    """From pinned memory a batch travels while the GPU and this program do something else."""
    return images.to(device, non_blocking=images.is_pinned())


def batches_by_threads(
    places: Sequence[Place],
    open_image: Callable[[Place, int], Image.Image],
    transform: Callable[[Image.Image], Tensor],
    image_size: int,
    batch_size: int,
    threads: int,
) -> Iterator[Batch]:
    """As `batches`, for a process that can't have processes of its own; at most `threads` images are open at once."""
    images = Images(places, transform, 2 * image_size, open_image)
    waiting: deque[list[Future[Item]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(places), batch_size):
            some = range(first, min(first + batch_size, len(places)))
            waiting.append([pool.submit(images.__getitem__, index) for index in some])
            if len(waiting) > _AHEAD:
                yield _collate([future.result() for future in waiting.popleft()])
        while waiting:
            yield _collate([future.result() for future in waiting.popleft()])
