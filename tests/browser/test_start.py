"""How long a person waits for the first page, with and without a kept translation of the network."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from browser_server import Server, default_checkpoint, new_page, serve
from playwright.sync_api import Browser, Page

from cnnrnn.inference import engines


def seconds_to_a_decoded_sample(page: Page, server: Server) -> float:
    """From the command to the table at the end of the first page, and to the maps, which may be drawn after it."""
    page.goto(server.address)
    page.get_by_text("Table of the steps").wait_for()
    page.get_by_alt_text("Evidence for").nth(1).wait_for()
    return time.perf_counter() - server.started


def test_a_start_leaves_a_translation_for_the_next(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    checkpoint = default_checkpoint()
    if engines.fastest(checkpoint.model.backbone) != "openvino":
        pytest.skip("there is no OpenVINO, or torch runs on a GPU: nothing is translated")
    seconds = []
    for kept in (False, True):
        assert (engines.fastest_kept(checkpoint) == "openvino") == kept
        with serve("dashboard/app.py") as server:
            page = new_page(browser)
            seconds.append(seconds_to_a_decoded_sample(page, server))
            while engines.fastest_kept(checkpoint) != "openvino":
                assert time.perf_counter() - server.started < 120
                page.wait_for_timeout(100)
            page.close()
            assert "Traceback" not in server.log()
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch, timm, streamlit"], check=True)
    imports = time.perf_counter() - started
    print(f"\nstreamlit run to a decoded sample: {seconds[0]:.1f} s, then {seconds[1]:.1f} s; imports {imports:.1f} s")
