"""Stand-ins and measures that several tests use."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

COMMAND = [sys.executable, "-m", "cnnrnn"]
TINY_BACKBONE = ["--backbone", "test_byobnet", "--no-pretrained", "--image-size", "64"]
TINY = [*TINY_BACKBONE, "--embedding", "8", "--hidden", "8"]  # of `cnnrnn train`


def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`cnnrnn ARGUMENTS` in a process of its own, which must not end in a traceback."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert "Traceback" not in done.stderr
    return done


def is_healthy(address: str) -> bool:
    """Whether a dashboard answers at `address`, such as http://localhost:8501, that it is ready."""
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=30) as health:
            return health.status == 200 and health.read() == b"ok"
    except OSError:
        return False


class ExtraMemory:
    """A block's most memory on top of what the process had, `megabytes`, by Linux's own account.

    Not getrusage's: that is the most there ever was, and a child inherits its parent's.
    """

    def __enter__(self) -> ExtraMemory:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is forgotten
        self.before = self._peak()
        return self

    def __exit__(self, *error: object) -> None:
        self.megabytes = self._peak() - self.before

    def _peak(self) -> float:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1000


class Quiet:
    """A `cnnrnn.training.loop.TrainingWatcher` that only remembers."""

    def __init__(self) -> None:
        self.records: list[dict] = []

    def start(self, what: str, images: int) -> None: ...

    def advance(self, images: int, loss: float | None = None) -> None: ...

    def epoch_done(self, record: dict) -> None:
        self.records.append(record)
