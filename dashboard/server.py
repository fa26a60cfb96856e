"""The server around the pages: how many uploads it holds, and what becomes of an error nobody expected."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import secrets
from collections import Counter

import streamlit as st
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

FILES_A_SESSION = 60  # that one person may have uploaded at a time; the size of one is in .streamlit/config.toml
BYTES_A_SESSION = 200_000_000
BYTES_IN_ALL = 1_000_000_000  # of everybody together

CALM = 2  # seconds after somebody has left in which nobody else does

log = logging.getLogger("cnnrnn.dashboard")


class BoundedUploads:
    """Refuses a file of a session that has as many as it may, and everybody's when the memory for them is full.

    Streamlit bounds a file's size alone, and keeps a session's files as long as its page is open.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.arriving: Counter[str] = Counter()  # files on their way, by session: a browser sends many at once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = _uploading_session(scope)
        if session is None:
            await self.app(scope, receive, send)
            return
        if _full(session, self.arriving[session]):
            await PlainTextResponse("too many uploads", status_code=413)(scope, receive, send)
            return
        self.arriving[session] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.arriving[session] -= 1
            self.arriving += Counter()  # drops sessions at zero


def _uploading_session(scope: Scope) -> str | None:
    """The session that a request uploads a file to, if it does: PUT …/_stcore/upload_file/SESSION/FILE."""
    if scope["type"] != "http" or scope["method"] != "PUT":
        return None
    _, found, rest = scope["path"].partition("/_stcore/upload_file/")
    return rest.partition("/")[0] if found else None


def _full(session: str, arriving: int) -> bool:
    """Whether one more file would be too much, beside those that a session has and those on their way to it."""
    manager = st.runtime.get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    sizes = {
        owner: [len(file.data) for file in list(files.values())] for owner, files in list(manager.file_storage.items())
    }
    own = sizes.get(session, [])
    return (
        len(own) + arriving >= FILES_A_SESSION
        or sum(own) >= BYTES_A_SESSION
        or sum(map(sum, sizes.values())) >= BYTES_IN_ALL
    )


def report_unexpected_error(error: Exception) -> bool:
    """An error that no page expected: the log has it whole, the person a number to find it by."""
    reference = secrets.token_hex(4)
    log.error("reference %s", reference, exc_info=error)
    st.error(
        f"Something went wrong that should not have. The server's log says what, under reference **{reference}**. "
        "Reload the page to go on.",
        icon=":material/error:",
    )
    return True  # streamlit shows and logs nothing itself


class ReturnedMemory:
    """When people have left, what they took goes back to the machine.

    The C library keeps what is freed, in a heap for each of many threads: after forty sessions a fifth of the
    server's memory was nobody's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.due: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            if scope["type"] == "websocket":  # a page was closed
                if self.due is not None:
                    self.due.cancel()
                loop = asyncio.get_running_loop()
                self.due = loop.call_later(CALM, loop.run_in_executor, None, return_memory)


def return_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; others give back by themselves
    if trim is not None:
        trim(0)


MIDDLEWARE = [Middleware(BoundedUploads), Middleware(ReturnedMemory)]
