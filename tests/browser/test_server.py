"""The server's bounds around pages that are not the dashboard's own: they need no model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser_server import PATIENCE, ROOT, serve, settle
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


def test_an_unexpected_error_has_an_id_on_the_page_and_a_traceback_in_the_log(browser: Browser, script: Path) -> None:
    with serve(script, PYTHONPATH=str(ROOT / "dashboard")) as server:
        page = browser.new_page()
        page.goto(server.address)
        page.get_by_role("button", name="Break").click()
        alert = page.get_by_text("Something went wrong that should not have")
        expect(alert).to_be_visible(timeout=PATIENCE)
        settle(page)
        reference = re.search(r"reference (\w{8})", alert.inner_text())
        assert reference is not None
        body = page.locator("body").inner_text()
        assert "secret" not in body
        assert "Traceback" not in body
        assert f"reference {reference[1]}\nTraceback" in server.log()
        assert "ValueError: a secret of the server's" in server.log()
        page.close()


def test_uploads_per_session_are_limited(browser: Browser, script: Path) -> None:
    with serve(script, PYTHONPATH=str(ROOT / "dashboard")) as server:
        first, second = browser.new_page(), browser.new_page()
        for page in (first, second):
            page.goto(server.address)
        files = [{"name": f"{n}.txt", "mimeType": "text/plain", "buffer": b"text"} for n in range(65)]
        first.locator("input[type=file]").set_input_files(files)
        expect(first.get_by_text("60 files arrived")).to_be_visible(timeout=PATIENCE)
        settle(first)
        expect(first.get_by_text("60 files arrived")).to_be_visible()
        second.locator("input[type=file]").set_input_files(files[:3])  # somebody else's are not in the way
        expect(second.get_by_text("3 files arrived")).to_be_visible(timeout=PATIENCE)
        for page in (first, second):
            page.close()
