"""Speed, measured side by side: cnnrnn and a reference implementation, timed alternately in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cnnrnn.bench import memory, pairs, ray_lines, serving, training
from cnnrnn.bench.timing import BenchLine, Pair, measure
from cnnrnn.checkpoint import Checkpoint

PARTS = (
    "search",
    "growth",
    "vocabulary",
    "checkpoint",
    "folder",
    "memory",
    "cached",
    "training",
    "start",
    "serve",
    "ray",
)


def run(
    parts: Sequence[str],
    checkpoint: Checkpoint,
    images: Sequence[Path],
    engine: str | None = None,
    precision: str = "float32",
) -> Iterator[BenchLine]:
    """The lines of these parts, each when it is measured: see `timing.measure`.

    "folder", "training", "serve" and "ray" need `images`. `engine` and `precision` are those of "folder". All but
    "memory", "start", "serve" and "ray" compute on the checkpoint's device.
    """
    device = checkpoint.model.device
    measured: dict[str, Callable[[], Iterator[BenchLine]]] = {
        "memory": memory.lines,
        "serve": lambda: serving.lines(checkpoint, images) if images else iter(()),
    }
    timed: dict[str, Callable[[], Iterator[Pair]]] = {
        "search": lambda: pairs.searches(device),
        "growth": lambda: pairs.growth(device),
        "vocabulary": lambda: pairs.vocabulary(device),
        "checkpoint": lambda: pairs.checkpoint_lines(checkpoint),
        "folder": lambda: pairs.folder(checkpoint, list(images), engine, precision) if images else iter(()),
        "cached": lambda: pairs.cached_training(device),
        "training": lambda: training.lines(images, device) if images else iter(()),
        "start": pairs.start,
        "ray": lambda: ray_lines.lines(checkpoint, images) if images else iter(()),
    }
    for part in parts:
        if part in measured:
            yield from measured[part]()
        else:
            yield from map(measure, timed[part]())
