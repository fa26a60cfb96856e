"""Many people at once: everybody sees what belongs to his own picture."""

from __future__ import annotations

import io
import re
import time

from browser_server import PATIENCE, ROOT, Server, settle
from PIL import Image
from playwright.sync_api import Browser, expect

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.images import open_image
from cnnrnn.prediction import decode_picture, encode_picture
from views.style import percent

PEOPLE = 20


def pictures() -> list[bytes]:
    """Twenty different pictures, from a cat that fades into an astronaut: the model is of twenty minds about them."""
    cat, astronaut = (
        Image.open(ROOT / "dashboard" / "samples" / f"{name}.jpg").convert("RGB").resize((360, 360))
        for name in ("cat", "astronaut")
    )
    files = []
    for number in range(PEOPLE):
        buffer = io.BytesIO()
        Image.blend(cat, astronaut, (number + 1) / (PEOPLE + 1)).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return files


def test_twenty_sessions_never_see_each_others_results(browser: Browser, server: Server) -> None:
    checkpoint = Checkpoint.load(ROOT / "checkpoints" / "voc")
    files = pictures()
    expected = []
    for data in files:
        feature = encode_picture(checkpoint, open_image(data, 1024))[1]
        trace = decode_picture(checkpoint, feature, 8)
        expected.append((trace.names(trace.paths[0].tokens), percent(trace.paths[0].prob)))
    assert len(set(map(str, expected))) > PEOPLE / 2  # mixing would be seen

    contexts = [browser.new_context(viewport={"width": 900, "height": 600}) for _ in range(PEOPLE)]
    try:
        pages = [context.new_page() for context in contexts]
        for page in pages:
            page.goto(server.address, wait_until="commit", timeout=2 * PATIENCE)
        for page in pages:
            expect(page.get_by_text("Step by step")).to_be_visible(timeout=2 * PATIENCE)
        started = time.perf_counter()
        for number, (page, data) in enumerate(zip(pages, files, strict=True)):
            file = {"name": f"person {number}.png", "mimeType": "image/png", "buffer": data}
            page.locator("input[type=file]").first.set_input_files(file)
        for number, (page, (labels, prob)) in enumerate(zip(pages, expected, strict=True)):
            expect(page.get_by_alt_text(f"The picture person {number}.png")).to_be_visible(timeout=2 * PATIENCE)
            settle(page)
            expect(page.locator(".stMarkdownBadge")).to_have_text(labels, timeout=PATIENCE)
            metric = page.locator("[data-testid=stMetric]").filter(has_text=re.compile("Probability of this path"))
            expect(metric).to_contain_text(prob, timeout=PATIENCE)
        print(f"\n{PEOPLE} people's uploads at once, all decoded: {time.perf_counter() - started:.1f} s")
    finally:
        for context in contexts:
            context.close()
