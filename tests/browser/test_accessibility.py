"""axe-core finds nothing serious on any page, in both themes."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_server import Server, idle, new_page
from playwright.sync_api import Browser, expect

PAGES = ("", "images", "what_if", "label_space", "compare", "evaluate", "runs", "model")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, server: Server, scheme: str) -> None:
    page = new_page(browser, viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    found = []
    for path in PAGES:
        page.goto(f"{server.address}/{path}")
        expect(page.get_by_text("Starting: loading")).to_be_hidden()
        idle(page)  # what is drawn anew is pale for a moment
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found += [f"{path}: {violation['id']}: {node['html']}" for node in violation["nodes"]]
    page.close()
    assert found == []
