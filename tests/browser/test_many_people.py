"""Many sessions at once: each gets the result of its own image, and their memory is freed afterwards."""

from __future__ import annotations

import io
import os
import re
import time
from pathlib import Path

from browser_server import CAT, DOG, PATIENCE, Server, answered_in, best_path, new_page, settle
from PIL import Image
from playwright.sync_api import Browser, expect

SOAK = "CNNRNN_SOAK_WAVES" in os.environ  # new images in each wave; otherwise every wave has the same ones
PEOPLE = 20 if SOAK else 5  # drawing their pages takes most of the time
WAVES = int(os.environ.get("CNNRNN_SOAK_WAVES", "3"))
# Waves until the server's caches are full: they hold 64 encoded images for all sessions.
FULL = 4 if SOAK else 1


def images(wave: int) -> list[bytes]:
    """Different images for everybody, from a cat that fades into a dog, with different predictions."""
    cat, dog = (Image.open(path).convert("RGB").resize((360, 360)) for path in (CAT, DOG))
    files = []
    for number in range(PEOPLE):
        buffer = io.BytesIO()
        share = 0.25 + 0.5 * (number + wave / WAVES) / PEOPLE  # where the prediction changes
        Image.blend(cat, dog, share).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return files


def upload_at_once(browser: Browser, server: Server, files: list[bytes], expected: list[tuple[list[str], str]]) -> None:
    """Open a session for each file, all at the same time, and check that each has its own result."""
    contexts = [browser.new_context(viewport={"width": 900, "height": 600}) for _ in files]
    try:
        pages = [context.new_page() for context in contexts]
        for page in pages:
            page.goto(server.address, wait_until="commit", timeout=2 * PATIENCE)
        for page in pages:
            expect(page.get_by_text("Decoding steps")).to_be_visible(timeout=2 * PATIENCE)
        started = time.perf_counter()
        for number, (page, data) in enumerate(zip(pages, files, strict=True)):
            file = {"name": f"person {number}.png", "mimeType": "image/png", "buffer": data}
            page.locator("input[type=file]").first.set_input_files(file)
        for number, (page, (labels, prob)) in enumerate(zip(pages, expected, strict=True)):
            expect(page.get_by_alt_text(f"The image person {number}.png")).to_be_visible(timeout=2 * PATIENCE)
            settle(page)
            expect(page.locator(".stMarkdownBadge")).to_have_text(labels)
            expect(page.get_by_text(f"this sequence {prob}")).to_be_visible()
        print(f"\n{len(files)} people's uploads at once, all decoded: {time.perf_counter() - started:.1f} s")
    finally:
        for context in contexts:
            context.close()


def resident(server: Server) -> float:
    """Memory of the server in MB, after the delay in which it frees the memory of ended sessions."""
    least, until = float("inf"), time.perf_counter() + 10
    while time.perf_counter() < until:
        status = Path(f"/proc/{server.pid}/status").read_text()
        least = min(least, int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1000)
        time.sleep(0.2)
    return least


def test_concurrent_sessions_have_their_own_results_and_free_their_memory(browser: Browser, server: Server) -> None:
    memory = []
    for wave in range(WAVES):
        files = images(wave if SOAK else 0)
        expected = [best_path(data) for data in files]
        assert len(set(map(str, expected))) > PEOPLE / 2  # mixed results would differ
        upload_at_once(browser, server, files, expected)
        memory.append(resident(server))
        print(f"the server's memory afterwards: {memory[-1]:.0f} MB")
    assert max(memory[FULL:]) < 1.1 * max(memory[: FULL + 1])


def test_a_long_evaluation_does_not_block_other_sessions(browser: Browser, server: Server, shared_data: Path) -> None:
    busy, other = new_page(browser), new_page(browser)
    busy.goto(f"{server.address}/evaluate?checkpoint=voc")
    busy.get_by_role("button", name="Other data").click()
    busy.get_by_role("button", name="Evaluate", exact=True).click()
    stop = busy.get_by_role("button", name=re.compile("Stop"))
    expect(stop).to_be_visible()
    other.goto(f"{server.address}/?sample=cat+and+parakeet")
    expect(other.get_by_alt_text("The image cat and parakeet")).to_be_visible()
    for step in (2, 3):
        settle(other)
        on = other.get_by_role("button", name=re.compile("^Next"))
        seconds = answered_in(on, f"!!document.querySelector('img[alt$=\"evidence of step {step}\"]')")
        print(f"\nanother step while somebody evaluates: {seconds:.2f} s")
        assert seconds < 3
    expect(stop).to_be_visible()  # the evaluation still runs
    stop.click()
    expect(stop).to_be_hidden()
    for page in (busy, other):
        page.close()
