"""`cnnrnn`, which waits where a test wants to interfere, however slow the test's own process is.

Started as `pausing.py FIFO EVENT PATTERN COUNT ARGUMENT...`: before the COUNT-th audit event (`open`, `os.rename`)
whose path matches PATTERN it prints PAUSED and waits until the test opens FIFO.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

PAUSED = "paused by the test\n"


class PausedCommand:
    """The command line of a `cnnrnn` that pauses, and the test's side of it."""

    def __init__(self, fifo: Path, event: str, pattern: str, count: int = 1) -> None:
        os.mkfifo(fifo)
        self.fifo = fifo
        self.command = [__file__, str(fifo), event, pattern, str(count)]

    def output_until_paused(self, process: subprocess.Popen[str]) -> str:
        """What the process prints until it waits."""
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            if line == PAUSED:
                return output
            output += line
        raise AssertionError(f"it never paused: {output}")

    def go_on(self) -> None:
        self.fifo.write_text("")
        self.fifo.unlink()  # a process that `torchrun` starts again doesn't pause


def _pause_at(fifo: str, event: str, pattern: str, count: int) -> None:
    left = count

    def watch(found: str, details: tuple[object, ...]) -> None:
        nonlocal left
        if left and found == event and fnmatch(str(details[0]), pattern):
            left -= 1
            if not left and Path(fifo).exists():
                print(PAUSED, end="", flush=True)
                Path(fifo).read_text()

    sys.addaudithook(watch)


if __name__ == "__main__":
    fifo, event, pattern, count = sys.argv[1:5]
    del sys.argv[1:5]
    _pause_at(fifo, event, pattern, int(count))
    runpy.run_module("cnnrnn", run_name="__main__", alter_sys=True)
