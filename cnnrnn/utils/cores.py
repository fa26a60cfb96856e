"""Cores that are shared with other programs."""

from __future__ import annotations

import os

_SPINS = "10000"  # half a millisecond: as fast as the default where no other program runs, which fewer are not


def share_cores() -> None:
    """Let torch's threads wait for each other only briefly before they sleep; to be called before torch is imported.

    By default OpenMP's threads spin for long. Where another program uses a core, each layer of a network then waits
    until the thread that has lost its core gets it back: a forward pass takes 30 times as long (docs/speed.md).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
