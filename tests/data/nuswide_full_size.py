"""How long it takes to open NUS-WIDE at its full size, on a rendering of its files: a measurement, not a test.

    python tests/data/nuswide_full_size.py EMPTY_FOLDER

writes 269,648 entries in the official layout (600 MB, empty image files) and opens both splits of both label sets, each
in a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SIZES = {"Train": 161_789, "Test": 107_859}
CONCEPTS, TAGS = 81, 1000


def render(root: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("ConceptsList", "ImageList", "Groundtruth/TrainTestLabels", "NUS_WID_Tags"):
        (root / folder).mkdir(parents=True)
    (root / "ConceptsList" / "Concepts81.txt").write_text("".join(f"concept{i}\n" for i in range(CONCEPTS)))
    (root / "NUS_WID_Tags" / "TagList1k.txt").write_text("".join(f"tag{i}\n" for i in range(TAGS)))
    for part, images in SIZES.items():
        names = [f"class{i % 704}\\{i:06d}_{part}.jpg" for i in range(images)]
        (root / "ImageList" / f"{part}Imagelist.txt").write_text("".join(f"{name}\r\n" for name in names))
        for i in range(CONCEPTS):
            path = root / "Groundtruth" / "TrainTestLabels" / f"Labels_concept{i}_{part}.txt"
            path.write_bytes(rows(rng.random((images, 1)) < 0.02))
        with (root / "NUS_WID_Tags" / f"{part}_Tags1k.dat").open("wb") as file:
            for start in range(0, images, 4096):
                file.write(rows(rng.random((min(4096, images - start), TAGS)) < 0.006))
        for name in names:
            path = root / "Flickr" / name.replace("\\", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def rows(truth: np.ndarray) -> bytes:
    """Zeros and ones (image, label) as text: tabs between, a line for each image."""
    text = np.full((*truth.shape, 2), ord("\t"), dtype=np.uint8)
    text[:, :, 0] = ord("0") + truth
    text[:, -1, 1] = ord("\n")
    return text.tobytes()


def measure(dataset: str, root: Path) -> None:
    started = time.perf_counter()
    from cnnrnn.data import load_split

    splits = [load_split(dataset, root, name) for name in ("train", "test")]
    seconds, kilobytes = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{dataset}: {sum(len(s.samples) for s in splits)} samples, {seconds:.1f} s, {kilobytes / 1024:.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[2], Path(sys.argv[1]))
    else:
        render(Path(sys.argv[1]))
        for dataset in ("nuswide81", "nuswide1000"):
            subprocess.run([sys.executable, __file__, sys.argv[1], dataset], check=True)
