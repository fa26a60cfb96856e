"""The server's limits and error reports, with a small page that needs no model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser_server import ROOT, new_page, serve, settle
from playwright.sync_api import Browser, expect

PAGE = """
import streamlit as st
import server

if st.runtime.exists():
    files = st.file_uploader("Files", accept_multiple_files=True)
    st.write(f"{len(files)} files arrived")
    if st.button("Break"):
        raise ValueError("a secret of the server's")
else:
    app = st.App(__file__, middleware=server.MIDDLEWARE, on_script_error=server.report_unexpected_error)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "page.py"
    path.write_text(PAGE)
    return path


def test_an_unexpected_error_is_logged_under_the_reference_on_the_page(browser: Browser, script: Path) -> None:
    with serve(script, PYTHONPATH=str(ROOT / "dashboard")) as server:
        page = new_page(browser)
        page.goto(server.address)
        page.get_by_role("button", name="Break").click()
        alert = page.get_by_text("An unexpected error occurred")
        expect(alert).to_be_visible()
        settle(page)
        reference = re.search(r"reference (\w{8})", alert.inner_text())
        assert reference is not None
        body = page.locator("body").inner_text()
        assert "secret" not in body
        assert "Traceback" not in body
        assert f"reference {reference[1]}\nTraceback" in server.log()
        assert "ValueError: a secret of the server's" in server.log()
        page.close()


def test_the_uploads_of_a_session_are_limited(browser: Browser, script: Path) -> None:
    with serve(script, PYTHONPATH=str(ROOT / "dashboard")) as server:
        first, second = new_page(browser), new_page(browser)
        for page in (first, second):
            page.goto(server.address)
        files = [{"name": f"{n}.txt", "mimeType": "text/plain", "buffer": b"text"} for n in range(65)]
        first.locator("input[type=file]").set_input_files(files)
        expect(first.get_by_text("60 files arrived")).to_be_visible()
        settle(first)
        expect(first.get_by_text("60 files arrived")).to_be_visible()
        second.locator("input[type=file]").set_input_files(files[:3])  # the limit is per session
        expect(second.get_by_text("3 files arrived")).to_be_visible()
        for page in (first, second):
            page.close()
