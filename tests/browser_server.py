"""What browser tests share beside fixtures."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
PATIENCE = 60_000  # milliseconds


class Server(NamedTuple):
    address: str
    started: float  # time.perf_counter() when the command was given


def settle(page: Page) -> None:
    """Streamlit shows this while a script runs."""
    expect(page.locator("[data-testid=stApp]")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=PATIENCE
    )


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
