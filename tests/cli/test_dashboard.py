"""`cnnrnn dashboard` as a person runs it: it starts streamlit, and both end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from helpers import is_healthy


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command in a process group of its own, and the port on which its server answers that it is healthy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cnnrnn", "dashboard", "--port", str(port), "--host", "127.0.0.1", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while not is_healthy(f"http://127.0.0.1:{port}"):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, port
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.parametrize("send", [os.killpg, os.kill])  # Ctrl-C in a terminal is for the group, `kill` for the process
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_the_server_is_healthy_and_ends_with_the_command(
    number: signal.Signals, code: int, send: Callable[[int, int], None]
) -> None:
    with started() as (process, port):
        send(process.pid, number)
        output = process.communicate(timeout=60)[0]  # to the end of the file, which the server holds open, too
        assert process.returncode == code, output
        assert "Traceback" not in output
        assert not is_healthy(f"http://127.0.0.1:{port}")


def test_streamlits_own_options_and_exit_code_are_passed_on() -> None:
    with started("--", "--server.baseUrlPath=") as (process, _):
        assert process.poll() is None
    refused = subprocess.run(
        [sys.executable, "-m", "cnnrnn", "dashboard", "--", "--no.such.option=1"], capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "--no.such.option" in refused.stderr
