"""axe-core finds nothing that is more than minor on any page, in both themes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_server import Server, idle, new_page, serve
from playwright.sync_api import Browser, expect

PAGES = ("", "images", "what_if", "label_space", "compare", "evaluate", "runs", "model")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_matters(browser: Browser, server: Server, scheme: str) -> None:
    assert found(browser, server, PAGES, scheme) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nor_where_runs_and_labels_are_chosen(
    browser: Browser, trained: tuple[Path, list[dict]], tmp_path: Path, scheme: str
) -> None:
    for name in ("first", "second"):
        shutil.copytree(trained[0], tmp_path / name)
    with serve("dashboard/app.py", CNNRNN_RUNS=str(tmp_path)) as server:
        pages = ("runs", "what_if?excluded=person")
        assert found(browser, server, pages, scheme) == []


def found(browser: Browser, server: Server, paths: Iterable[str], scheme: str) -> list[str]:
    """What axe-core calls moderate, serious or critical: page, rule and element of each."""
    page = new_page(browser, viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    lines = []
    for path in paths:
        page.goto(f"{server.address}/{path}")
        expect(page.get_by_text("Starting: loading")).to_be_hidden()
        idle(page)  # what is drawn anew is pale for a moment
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] != "minor":
                lines += [f"{path}: {violation['id']}: {node['html']}" for node in violation["nodes"]]
    page.close()
    return lines
