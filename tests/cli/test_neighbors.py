"""`cnnrnn neighbors`."""

from __future__ import annotations

import json

from helpers import run_command


def test_neighbors_of_the_embedded_checkpoint() -> None:
    done = run_command("neighbors", "-k", 2, "--json", "-")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert len(found) == 80
    assert all(len(near) == 2 for near in found.values())
