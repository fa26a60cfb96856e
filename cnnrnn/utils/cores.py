"""Cores that are shared with other programs."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let torch's threads sleep while they wait for each other; to be called before torch is imported.

    OpenMP's threads spin by default. Where another program uses a core, each layer of a network then waits until the
    thread that has lost its core gets it back: a forward pass took ten times as long (docs/speed.md).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
