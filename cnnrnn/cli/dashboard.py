"""The command `cnnrnn dashboard`."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from cnnrnn.utils.resources import dashboard_folder


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    address: Annotated[
        str, typer.Option(help="Interface to listen on; 0.0.0.0 for all. There are no passwords.")
    ] = "localhost",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = False,
) -> None:
    """Start the dashboard, which shows how images are decoded. Ctrl-C ends it."""
    command = [sys.executable, "-m", "streamlit", "run", str(dashboard_folder() / "app.py")]
    command += [f"--server.port={port}", f"--server.address={address}", f"--server.headless={not browser}".lower()]
    with subprocess.Popen(command) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:  # the terminal has sent it to streamlit, too, which ends by itself
            code = process.wait()
    raise typer.Exit(code)
