"""Images of a list of files as batches of tensors, decoded in worker processes or threads while the network runs."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cnnrnn.data.images import MAX_SIDE, ImageError, open_image

_MIN_IMAGES_FOR_WORKERS = 64  # for so few images, starting worker processes costs more than it saves

# Worker processes: on a CPU the network needs cores, too; a GPU would wait for images.
_MAX_WORKERS, _MAX_WORKERS_GPU = 4, 16

_PREFETCHED_BATCHES = 2  # batches that threads read while the network has one

SHARED_MEMORY = "/dev/shm"
CPU = torch.device("cpu")
Item = tuple[int, Tensor | None, str]  # index of the image, pixels (3, size, size), error
Batch = tuple[list[int], Tensor, dict[int, str]]  # indices read, (batch, 3, size, size), errors by index
Source = TypeVar("Source")  # where an image is stored: a path or a URI


class Images(Dataset[Item], Generic[Source]):
    """Opens an image when it is indexed; an image that can't be read comes with its error message.

    `open_image` takes one of `paths` and the longest side in pixels, and raises ImageError. With a `seed`, what the
    transform draws for an image follows from it and the image's index.
    """

    def __init__(
        self,
        paths: Sequence[Source],
        transform: Callable[[Image.Image], Tensor],
        open_image: Callable[[Source, int], Image.Image],
        seed: int | None = None,
    ) -> None:
        self.paths, self.transform, self.seed = paths, transform, seed
        self.open_image = open_image

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Item:
        try:
            image = self.open_image(self.paths[index], MAX_SIDE)
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
        {index: reason for index, tensor, reason in items if tensor is None},
    )


def _collate_for_pipe(items: Sequence[Item]) -> tuple[list[int], np.ndarray, dict[int, str]]:
    """Arrays are sent through a pipe, while tensors lie in shared memory."""
    indices, images, errors = _collate(items)
    return indices, images.numpy(), errors


def _from_pipe(batch: tuple[list[int], np.ndarray, dict[int, str]]) -> Batch:
    indices, images, errors = batch
    return indices, torch.from_numpy(images), errors


def _fit_in_shared_memory(batches: int, images: int, transform: Callable[[Image.Image], Tensor]) -> bool:
    """Whether so many batches fit into /dev/shm, of which Docker gives 64 MB: where it is full, workers hang for ever.

    Only Linux has it.
    """
    try:
        space = os.statvfs(SHARED_MEMORY)
    except OSError:
        return sys.platform != "linux"
    with torch.random.fork_rng(devices=[]):
        example = transform(Image.new("RGB", (8, 8)))
    return space.f_bavail * space.f_frsize > batches * images * example.nbytes


def batches(
    paths: Sequence[Path],
    transform: Callable[[Image.Image], Tensor],
    batch_size: int,
    order: Sequence[int] | None = None,
    shard: slice = slice(None),
    seed: int | None = None,
    device: torch.device = CPU,
) -> Iterator[Batch]:
    """Batches in the given order (default: as listed). Images are read at up to `MAX_SIDE`. For a GPU they
    lie in pinned memory, from which `to_device` takes them without waiting.

    `shard` selects which images of every batch are read, by default all; a shard may be empty. With a `seed`, the
    random numbers of the transform follow from it and the image's index, in whichever process it runs.
    """
    order = range(len(paths)) if order is None else order
    gpu = device.type == "cuda"
    max_workers = min(_MAX_WORKERS_GPU if gpu else _MAX_WORKERS, os.cpu_count() or 1)
    workers = 0 if len(paths) <= _MIN_IMAGES_FOR_WORKERS else max_workers
    shards: list[Sequence[int]] = [
        order[start : start + batch_size][shard] for start in range(0, len(order), batch_size)
    ]
    # Each worker prepares two batches ahead, and two more are in use.
    fit = not workers or _fit_in_shared_memory(2 * workers + 2, min(batch_size, len(paths)), transform)
    loader = DataLoader(
        Images(paths, transform, open_image, seed),
        batch_sampler=shards,  # type: ignore[arg-type]  # torch wants lists; ranges are smaller
        collate_fn=_collate if fit else _collate_for_pipe,
        num_workers=workers,
        pin_memory=gpu,
    )
    return iter(loader) if fit else map(_from_pipe, iter(loader))


def to_device(device: torch.device, tensor: Tensor) -> Tensor:
    """Copy to the device, of which a GPU is not waited for: what it was given before goes on."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def batches_by_threads(
    sources: Sequence[Source],
    open_image: Callable[[Source, int], Image.Image],
    transform: Callable[[Image.Image], Tensor],
    batch_size: int,
    threads: int,
) -> Iterator[Batch]:
    """Like `batches`, for a process that can't start worker processes; at most `threads` images are open at once."""
    images = Images(sources, transform, open_image)
    pending: deque[list[Future[Item]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(sources), batch_size):
            chunk = range(first, min(first + batch_size, len(sources)))
            pending.append([pool.submit(images.__getitem__, index) for index in chunk])
            if len(pending) > _PREFETCHED_BATCHES:
                yield _collate([future.result() for future in pending.popleft()])
        while pending:
            yield _collate([future.result() for future in pending.popleft()])
