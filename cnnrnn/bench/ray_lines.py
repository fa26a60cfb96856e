"""Prediction by Ray on this machine's cores, from the command to its exit, beside the command without Ray."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cnnrnn.bench.timing import Pair
from cnnrnn.checkpoint import Checkpoint

_WORKERS = 2


def lines(checkpoint: Checkpoint, images: Sequence[Path]) -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint.save(folder / "checkpoint", {}, "")
        command = [sys.executable, "-m", "cnnrnn", "predict", "--checkpoint", str(folder / "checkpoint")]
        names = list(map(str, images))

        def by_ray() -> None:
            with tempfile.TemporaryDirectory() as out:
                shard = -(-len(images) // (4 * _WORKERS))  # so that the last ones of all end at about the same time
                options = ["--engine-ray", "--workers", str(_WORKERS), "--shard-size", str(shard), "--out", out]
                _run([*command, *names, *options])

        yield Pair(
            f"predict with Ray, {_WORKERS} workers, {len(images)} images",
            "predict",
            by_ray,
            lambda: _run([*command, *names, "--json", str(folder / "results.json")]),
            at_least=0.8,
            rounds=1,
            warm=True,
        )


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
