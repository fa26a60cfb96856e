"""The server around the pages: its start, limits on uploads, the reporting of unexpected errors, and freed memory."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

MAX_SESSION_FILES = 60  # uploaded at a time; the size of one file is limited in .streamlit/config.toml
MAX_SESSION_BYTES = 200_000_000
MAX_TOTAL_BYTES = 1_000_000_000  # of all sessions

TRIM_DELAY = 2  # seconds without another session ending before memory is returned

_SECONDS_TO_DRAW = 2.0  # a page, for a browser on a slow computer

page_sent = threading.Event()  # to any browser, since the server's start

log = logging.getLogger("cnnrnn.dashboard")


def warm_up() -> None:
    """Import the libraries, read the default model and decode the first sample, while the browser still loads the page.

    A session that comes earlier waits for what isn't ready, by the locks of Python's imports and of streamlit's caches.
    What can wait until the first page has been drawn does.
    """
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)  # no session
    try:
        with _without_collections():
            controls = importlib.import_module("controls")  # first, and whole: sessions import it as well
            image_files, state = importlib.import_module("image_files"), importlib.import_module("state")
        checkpoint = state.load_checkpoint(state.checkpoint_names()[0])
        image = image_files.open_sample(next(iter(image_files.samples())))
        state.predict(checkpoint, image, controls.BEAM)
        page_sent.wait()
        time.sleep(_SECONDS_TO_DRAW)
        with _without_collections():
            importlib.import_module("captum.attr")  # only some methods of maps need it
        state.translate(checkpoint)
    except Exception as error:  # the page says it, to whoever opens it
        log.debug("not warmed up", exc_info=error)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Imports without collections of garbage, and later collections without what was imported.

    Streamlit collects after each run of a page, before the browser has the last of it. For the objects of all libraries
    that takes 0.3 s, and none of them is garbage.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class BoundedUploads:
    """Refuses an upload when the session has reached its limits, or all sessions together have reached theirs.

    Streamlit limits only the size of a file, and keeps a session's files as long as its page is open.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.arriving: Counter[str] = Counter()  # uploads in progress by session: a browser sends many at once

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
    """The session of an upload request, None for other requests: PUT …/_stcore/upload_file/SESSION/FILE."""
    if scope["type"] != "http" or scope["method"] != "PUT":
        return None
    _, found, rest = scope["path"].partition("/_stcore/upload_file/")
    return rest.partition("/")[0] if found else None


def _full(session: str, arriving: int) -> bool:
    """Whether one more file would exceed a limit, given a session's files and its uploads in progress."""
    manager = st.runtime.get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    sizes = {
        owner: [len(file.data) for file in list(files.values())] for owner, files in list(manager.file_storage.items())
    }
    own = sizes.get(session, [])
    return (
        len(own) + arriving >= MAX_SESSION_FILES
        or sum(own) >= MAX_SESSION_BYTES
        or sum(map(sum, sizes.values())) >= MAX_TOTAL_BYTES
    )


def report_unexpected_error(error: Exception) -> bool:
    """Log an unexpected error with its traceback, and show the reference under which the log has it."""
    reference = secrets.token_hex(4)
    log.error("reference %s", reference, exc_info=error)
    st.error(
        f"An unexpected error occurred. The server's log describes it under reference **{reference}**. "
        "Reload the page to continue.",
        icon=":material/error:",
    )
    return True  # streamlit itself shows and logs nothing then


class MemoryTrimmer:
    """Returns freed memory to the operating system after sessions have ended.

    The C library keeps freed memory in one heap per thread: after forty sessions a fifth of the server's memory
    was unused.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            if scope["type"] == "websocket":  # a page was closed
                if self.timer is not None:
                    self.timer.cancel()
                loop = asyncio.get_running_loop()
                self.timer = loop.call_later(TRIM_DELAY, loop.run_in_executor, None, return_memory)


def return_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it, and only glibc needs it
    if trim is not None:
        trim(0)


MIDDLEWARE = [Middleware(BoundedUploads), Middleware(MemoryTrimmer)]
