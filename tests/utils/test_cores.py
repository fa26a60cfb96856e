"""Threads that wait for each other only briefly, so that other programs may have the cores."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cnnrnn.utils.resources import dashboard_folder

COMMAND = """
import sys
from cnnrnn.cli.main import main
sys.argv = ["cnnrnn", "--version"]
try:
    main()
except SystemExit:
    pass
"""
DASHBOARD = f"""
import runpy, sys, threading
sys.path.insert(0, {str(dashboard_folder())!r})
threading.Thread.start = lambda thread: print("torch" in sys.modules)  # in place of warming up
runpy.run_path({str(dashboard_folder() / "app.py")!r})
"""


SHOW = "\nimport os\nprint('torch' in sys.modules, os.environ.get('GOMP_SPINCOUNT'), flush=True)\nos._exit(0)"


@pytest.mark.parametrize("code", [COMMAND, DASHBOARD], ids=["command", "dashboard"])
@pytest.mark.parametrize(
    ("own", "expected"), [({}, "10000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")]
)
def test_it_is_settled_before_torch_is_imported(code: str, own: dict[str, str], expected: str) -> None:
    names = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    environment = {name: value for name, value in os.environ.items() if name not in names} | own
    done = subprocess.run([sys.executable, "-c", code + SHOW], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1:] == [f"False {expected}"], done.stderr
