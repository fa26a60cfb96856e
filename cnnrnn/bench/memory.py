"""Whether predicting more images takes more memory: the peak of a process of its own, for few and for many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from cnnrnn.bench.timing import BenchLine
from cnnrnn.data import Sample, Split
from cnnrnn.training.initialize import new_checkpoint

_CHILD = """
import resource, sys
from pathlib import Path
from cnnrnn.inference.predictor import Predictor
predictor, image, count = Predictor(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
assert sum(1 for _ in predictor.predict([image] * count)) == count
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def line(few: int = 1000, many: int = 20_000) -> BenchLine:
    """A line of the bench, whose seconds are megabytes. The network is small, so that most of the memory is our own."""
    with TemporaryDirectory() as folder:
        image = Path(folder) / "image.jpg"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(image)
        split = Split("none", ("cat", "dog"), (Sample(image, ("cat",)), Sample(image, ("dog",))))
        new_checkpoint(split, "test_byobnet", 64, False, 0, torch.device("cpu")).save(
            Path(folder) / "model", {}, card=""
        )
        small, large = (_peak(Path(folder) / "model", image, count) for count in (few, many))
    return {
        "what": f"peak memory of predict over {many:,} images, MB",
        "reference": f"over {few:,}",
        "seconds": large,
        "reference_seconds": small,
        "ratio": large / small,
        "ratio_is": "ours / reference",
        "spread": [large / small] * 2,
        "goal": "≤ 1.1",
        "met": large / small <= 1.1,
        "remark": "",
    }


def _peak(checkpoint: Path, image: Path, count: int) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, checkpoint, image, str(count)], check=True, capture_output=True, text=True
    )
    return int(done.stdout) / 1000
