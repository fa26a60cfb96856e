"""The command `cnnrnn dashboard`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cnnrnn.cli.output import user_errors
from cnnrnn.utils.ports import bind, close
from cnnrnn.utils.resources import dashboard_folder


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    host: Annotated[
        str, typer.Option(help="Interface to listen on; 0.0.0.0 for all. There are no passwords.")
    ] = "localhost",
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="Your table or folder of images with labels, or a folder of published data sets: the pages also open "
            "its images. (default: the variable CNNRNN_DATA)",
            show_default=False,
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder of the training runs that are listed. (default: the variable CNNRNN_RUNS, or runs)",
            show_default=False,
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = False,
    streamlit_options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STREAMLIT_OPTION...]",
            show_default=False,
            help="Any options of `streamlit run`, such as --server.address 0.0.0.0 or --theme.base dark.",
        ),
    ] = None,
) -> None:
    """Start the dashboard, which shows how images are decoded. Ctrl-C ends it."""
    options = streamlit_options or []
    if not any(option.startswith(("--server.port", "--server.address")) for option in options):
        with user_errors():
            close(bind(host, port))  # streamlit says that a port is in use, but not what to do
    command = [sys.executable, "-m", "streamlit", "run", str(dashboard_folder() / "app.py")]
    command += [f"--server.port={port}", f"--server.address={host}", f"--server.headless={not browser}".lower()]
    folders = {"CNNRNN_DATA": data, "CNNRNN_RUNS": runs}
    environment = os.environ | {name: str(path.resolve()) for name, path in folders.items() if path}
    raise typer.Exit(_run_until_it_ends(command + options, environment))


def _run_until_it_ends(command: list[str], environment: Mapping[str, str]) -> int:
    """The exit code of a command, which gets the signals that would end this process; 128 + n if signal n ended it.

    The command runs in a session of its own. From a terminal it would otherwise get Ctrl-C twice, and break off.
    """
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: process.send_signal(received))
        code = process.wait()
    return code if code >= 0 else 128 - code
