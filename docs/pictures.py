"""Draws the README's pictures of the dashboard, docs/decode.jpg and the others, with the embedded checkpoint.

Usage: python docs/pictures.py [NAME ...]
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests"))
from browser_server import ARGUMENTS, CHROMIUM, idle, new_page, serve  # noqa: E402

WIDTH, SCALE = 1350, 0.8  # of the browser; its pictures are scaled down
SAMPLE = "sample=dog+at+a+laptop"
SAMPLES = ("000000129648", "000000126107", "000000121647", "000000116740", "000000107438", "000000099053")


def upload(page: Page) -> None:
    files = [str(DOCS.parent / "dashboard" / "samples" / f"{name}.jpg") for name in SAMPLES]
    page.locator("input[type=file]").first.set_input_files(files)
    page.get_by_text("A click on the box").wait_for()


def evaluate_samples(page: Page) -> None:
    page.get_by_role("button", name="Evaluate the sample photographs").click()
    page.get_by_text("32 images, coverage").wait_for()


# Name -> address, height of the picture, and what is done on the page first.
PICTURES = {
    "decode": (f"?{SAMPLE}&step=3", 1120, None),
    "decode_dark": (f"?{SAMPLE}&step=2", 1220, None),
    "what_if": (f"what_if?{SAMPLE}", 1556, None),
    "label_space": (f"label_space?{SAMPLE}", 1556, None),
    "compare": (f"compare?{SAMPLE}", 1556, None),
    "evaluate": ("evaluate", 1556, evaluate_samples),
    "images": ("images", 1055, upload),
}


def main() -> None:
    names = sys.argv[1:] or list(PICTURES)
    with serve("dashboard/app.py") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for name in names:
            address, height, prepare = PICTURES[name]
            theme = "dark" if name.endswith("dark") else "light"
            page = new_page(browser, viewport={"width": WIDTH, "height": height}, color_scheme=theme)
            page.goto(f"{server.address}/{address}")
            page.locator("h1").first.wait_for()
            if prepare is not None:
                prepare(page)
            idle(page)
            image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            size = round(image.width * SCALE), round(image.height * SCALE)
            image.resize(size, Image.Resampling.LANCZOS).save(DOCS / f"{name}.jpg", quality=88)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
