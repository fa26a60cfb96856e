"""The page Runs while a run is trained, in a real browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from browser_server import new_page, serve, settle
from playwright.sync_api import Browser, expect


@pytest.mark.parametrize("width", [1440, 390])
def test_a_finished_epoch_appears_by_itself_and_best_opens_in_decode(
    browser: Browser, trained: tuple[Path, list[dict]], tmp_path: Path, width: int
) -> None:
    run, history = tmp_path / "mine", trained[1]
    shutil.copytree(trained[0], run)
    metrics = run / "last" / "metrics.json"
    metrics.write_text(json.dumps({"history": history[:3]}))
    with serve("dashboard/app.py", CNNRNN_RUNS=str(tmp_path)) as server:
        page = new_page(browser, viewport={"width": width, "height": 1800})
        page.goto(f"{server.address}/runs")
        curve, kept = (page.locator(".js-plotly-plot .scatterlayer .trace").nth(number) for number in (0, 1))
        points = curve.locator(".point")
        expect(points).to_have_count(3)
        expect(kept.locator(".point")).to_have_count(1)  # the star
        metrics.write_text(json.dumps({"history": history[:4]}))
        expect(points).to_have_count(4)
        settle(page)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        page.get_by_role("button", name="mine", exact=True).click()
        expect(page.get_by_text("Why these labels?")).to_be_visible()
        expect(page.get_by_text("Predicted labels")).to_be_visible()
        assert "checkpoint=runs%2Fmine" in page.url
        page.close()
        assert "Traceback" not in server.log()


def test_on_a_phone_the_toolbar_of_the_table_does_not_cover_the_question(
    browser: Browser, trained: tuple[Path, list[dict]], tmp_path: Path
) -> None:
    shutil.copytree(trained[0], tmp_path / "mine")
    with serve("dashboard/app.py", CNNRNN_RUNS=str(tmp_path)) as server:
        page = new_page(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        page.goto(f"{server.address}/runs")
        toolbar = page.get_by_test_id("stElementToolbar").first
        expect(toolbar).to_be_visible()
        settle(page)
        above, below = page.get_by_text("How is the training going?").bounding_box(), toolbar.bounding_box()
        assert above is not None
        assert below is not None
        assert above["y"] + above["height"] <= below["y"]
        page.close()
