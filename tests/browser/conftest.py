"""The dashboard, started as a user starts it, in a real browser and with the shipped checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from browser_server import ARGUMENTS, CHROMIUM, ROOT, Server, new_page, serve
from playwright.sync_api import Browser, Page, sync_playwright


@pytest.fixture(scope="session")
def server(browser: Browser) -> Iterator[Server]:
    """The app, started as the README says; the browser runs before it, as a user's does."""
    with serve("dashboard/app.py", CNNRNN_DATA=str(ROOT.parent / "shared" / "data")) as server:
        yield server
        log = server.log()
        assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("CNNRNN_BROWSER_REQUIRED"):
            raise RuntimeError(f"{CHROMIUM} is missing, and this run must not skip the browser tests")
        pytest.skip(f"there is no {CHROMIUM}; install Debian's chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = new_page(browser, viewport={"width": 1300, "height": 2600})
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(server.address)
    yield page
    page.close()
    external = [url for url in requests if not url.startswith((server.address, "data:", "blob:"))]
    assert external == []  # no network at run time
