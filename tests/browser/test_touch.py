"""A finger that scrolls over a chart scrolls the page, and a tap still chooses a point."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import numpy as np
import pytest
from browser_server import Server, idle, new_page
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

SCROLLED = "document.querySelector('[data-testid=stMain]').scrollTop"


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    page = new_page(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield page
    page.close()


def swipe_up(page: Page, chart: Locator) -> None:
    """A finger moves 200 pixels up from the middle of a chart, and the page must follow it."""
    chart.wait_for()
    chart.evaluate("chart => chart.scrollIntoView({block: 'center'})")
    idle(page)
    box = chart.bounding_box()
    assert box is not None
    y = min(box["y"] + box["height"] / 2, 600)
    before = page.evaluate(SCROLLED)
    finger = page.context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": 195, "y": y}]})
    for moved in range(20, 220, 20):
        points = [{"x": 195, "y": y - moved}]
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function(f"{SCROLLED} > {before} + 100", timeout=5000)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        pytest.param("?sample=cat+and+parakeet", "tree", id="tree"),
        pytest.param("label_space", "space", id="map"),
        pytest.param("label_space", "similarity", id="matrix"),
        pytest.param("model", "ap", id="chart"),
    ],
)
def test_a_finger_on_a_chart_scrolls_the_page(phone: Page, server: Server, address: str, key: str) -> None:
    phone.goto(f"{server.address}/{address}")
    swipe_up(phone, phone.locator(f".st-key-{key} .js-plotly-plot"))


def test_a_chart_fades_where_more_of_it_lies_behind_the_edge(phone: Page, server: Server) -> None:
    """The line of the chosen path goes on to the right of the screen."""
    phone.goto(f"{server.address}/?sample=cat+and+parakeet")
    box = phone.locator(".st-key-tree_box")
    box.scroll_into_view_if_needed()
    idle(phone)

    def line() -> np.ndarray:
        """How far each pixel of the picture's most colorful row is from grey."""
        pixels = np.asarray(Image.open(io.BytesIO(box.screenshot())).convert("RGB")).astype(int)
        colors = pixels.max(axis=2) - pixels.min(axis=2)  # (row, column)
        return colors[colors.sum(axis=1).argmax()]

    there = line()
    assert there[-3:].max() < 0.3 * np.median(there)
    assert there[len(there) // 2] > 100
    box.evaluate("box => { box.scrollLeft = 60; }")  # on which the path still reaches the edge
    idle(phone)
    further = line()
    assert further[-3:].max() > there[-3:].max()


def test_a_tap_on_the_tree_chooses_a_path(phone: Page, server: Server) -> None:
    phone.goto(f"{server.address}/?sample=cat+and+parakeet")
    chart = phone.locator(".st-key-tree .js-plotly-plot")
    chart.wait_for()
    chart.evaluate("chart => chart.scrollIntoView({block: 'center'})")
    idle(phone)
    assert "path=" not in phone.url
    # The first leaf of another path, where plotly has drawn it.
    x, y = chart.evaluate("""chart => {
      for (const trace of chart.data) for (const [index, path] of (trace.customdata || []).entries()) if (path > 0) {
        const {xaxis, yaxis} = chart._fullLayout, box = chart.getBoundingClientRect();
        const at = [box.left + xaxis._offset + xaxis.d2p(trace.x[index]),
                    box.top + yaxis._offset + yaxis.d2p(trace.y[index])];
        if (at[0] < 380) return at;
      }
    }""")
    phone.touchscreen.tap(x, y)
    expect(phone).to_have_url(re.compile("path="))
