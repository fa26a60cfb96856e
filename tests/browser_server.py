"""What browser tests share beside fixtures."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from helpers import is_healthy
from playwright.sync_api import Browser, Locator, Page, expect

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data.images import MAX_SIDE, open_image
from cnnrnn.inference.predictor import decode_image, encode_image
from cnnrnn.utils.resources import embedded_checkpoint
from cnnrnn.utils.style import percent

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
PATIENCE = 60_000  # milliseconds
expect.set_options(timeout=PATIENCE)  # its own 5 s are too few on a busy machine
CAT = ROOT / "dashboard" / "samples" / "000000196393.jpg"  # the sample "cat and parakeet"
DOG = ROOT / "dashboard" / "samples" / "000000427034.jpg"  # the sample "dog at a laptop"


@cache
def default_checkpoint() -> Checkpoint:
    return Checkpoint.load(embedded_checkpoint())


def best_path(image: bytes) -> tuple[list[str], str]:
    """The labels of the best path that the dashboard must find, and its probability as the page displays it."""
    checkpoint = default_checkpoint()
    trace = decode_image(checkpoint, encode_image(checkpoint, open_image(image, MAX_SIDE))[1], 8)
    return trace.names(trace.paths[0].tokens), percent(trace.paths[0].prob)


class Server(NamedTuple):
    address: str
    started: float  # time.perf_counter() when the command was given
    pid: int
    output: Path

    def log(self) -> str:
        return self.output.read_text()


@contextmanager
def serve(script: str | Path, **environment: str) -> Iterator[Server]:
    """`streamlit run SCRIPT` from the repository's folder on a free port, until the block is left."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    address = f"http://localhost:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    options = ["--server.port", str(port), "--server.headless", "true"]
    with tempfile.NamedTemporaryFile("w", suffix=".log") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, *options], cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        server = Server(address, started, process.pid, Path(output.name))
        try:
            while not is_healthy(address):
                assert process.poll() is None, server.log()
                assert time.perf_counter() - started < 60, server.log()
                time.sleep(0.05)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def new_page(browser: Browser, **options: Any) -> Page:
    """As `browser.new_page` does, but as patient as all tests."""
    page = browser.new_page(**options)
    page.set_default_timeout(PATIENCE)
    return page


def settle(page: Page) -> None:
    """The script has run, and every element that it sent is in the page.

    Streamlit loads the code of each kind of element when it first needs it; until then a grey box stands in the
    element's place, for seconds after the script has run if the machine is busy, and a key that a button will listen to
    is lost.
    """
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)


def idle(page: Page) -> None:
    """As `settle`, and the browser has drawn it; only then does a person begin the next thing."""
    settle(page)
    page.evaluate("""async () => {
      const tick = () => new Promise((resume) => setTimeout(resume, 20));
      for (let calm = 0; calm < 25;) {
        const start = performance.now();
        await tick();
        calm = performance.now() - start < 40 ? calm + 1 : 0;  // late when the browser is at work
      }
    }""")


_ANSWERED_IN = """([element, condition]) => new Promise((resolve, reject) => {
  const met = new Function("return " + condition), start = performance.now();
  const observer = new MutationObserver(() => {
    if (met()) { observer.disconnect(); resolve((performance.now() - start) / 1000); }
  });
  observer.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
  setTimeout(() => reject(new Error("not met: " + condition)), 60000);
  element.click();
})"""


def answered_in(element: Locator, condition: str) -> float:
    """Seconds from a click until a JavaScript condition holds, by the page's own clock.

    Playwright's waits for the mouse and between its looks take as long as the answer itself.
    """
    return float(element.page.evaluate(_ANSWERED_IN, [element.element_handle(), condition]))
