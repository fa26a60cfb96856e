"""Whether more images take more memory, or more time for each: predict in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from cnnrnn.bench.timing import BenchLine, bench_line
from cnnrnn.data import Sample, Split
from cnnrnn.training.initialize import new_checkpoint

_CHILD = """
import resource, sys, time
from pathlib import Path
from cnnrnn.inference.predictor import Predictor
predictor, image, count = Predictor(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
started = time.perf_counter()
assert sum(1 for _ in predictor.predict([image] * count)) == count
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter() - started)
"""


def lines(few: int = 1000, many: Sequence[int] = (10_000, 100_000)) -> Iterator[BenchLine]:
    """For each number of images a line about the peak, whose seconds are megabytes, and one about the time per image.

    The network is small, so that most of the memory and of the time is our own.
    """
    with TemporaryDirectory() as folder:
        image = Path(folder) / "image.jpg"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(image)
        split = Split("none", ("cat", "dog"), (Sample(image, ("cat",)), Sample(image, ("dog",))))
        checkpoint = Path(folder) / "model"
        new_checkpoint(split, "test_byobnet", 64, False, 0, torch.device("cpu")).save(checkpoint, {}, card="")
        small, fast = _predict(checkpoint, image, few)
        for count in many:
            large, slow = _predict(checkpoint, image, count)
            peak, time = f"{count:,} images: peak memory of predict, MB", f"{count:,} images: time for one"
            yield bench_line(peak, f"{few:,} images", large, small, at_most=1.1)
            yield bench_line(time, f"{few:,} images", slow / count, fast / few, at_most=1.1)


def _predict(checkpoint: Path, image: Path, count: int) -> tuple[float, float]:
    """The peak in MB and the seconds of predicting an image so many times."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, checkpoint, image, str(count)], check=True, capture_output=True, text=True
    )
    kilobytes, seconds = done.stdout.split()
    return int(kilobytes) / 1000, float(seconds)
