"""`cnnrnn dashboard` as a person runs it: it starts streamlit, and both end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import is_healthy
from typer.testing import CliRunner

from cnnrnn.cli import dashboard
from cnnrnn.cli.main import app
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.ports import bind, close


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
    """As they are written for streamlit, with or without the dashes before them."""
    with started("--theme.base", "dark", "--server.baseUrlPath=") as (process, _):
        assert process.poll() is None
    for separator in ([], ["--"]):
        refused = subprocess.run(
            [sys.executable, "-m", "cnnrnn", "dashboard", "--server.port", "8900", *separator, "--no.such.option=1"],
            capture_output=True,
            text=True,
        )
        assert refused.returncode == 2
        assert "--no.such.option" in refused.stderr


def test_the_address_is_set_as_for_streamlit(monkeypatch: pytest.MonkeyPatch) -> None:
    """README names --server.address for both commands; what comes last counts."""
    commands: list[list[str]] = []
    monkeypatch.setattr(dashboard, "_run_until_it_ends", lambda command, _: commands.append(command) or 0)
    for arguments in (
        ["--server.address", "0.0.0.0"],
        ["--server.address=0.0.0.0"],
        ["--", "--server.address=0.0.0.0"],
    ):
        done = CliRunner().invoke(app, ["dashboard", *arguments])
        assert done.exit_code == 0, done.output
        assert commands[-1][-1].endswith("0.0.0.0")
        assert any(option.startswith("--server.address=localhost") for option in commands[-1][:-1])


def test_the_folders_of_data_and_runs_are_given_to_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Mapping[str, str]] = []
    monkeypatch.setattr(dashboard, "_run_until_it_ends", lambda _, environment: found.append(environment) or 0)
    monkeypatch.setenv("CNNRNN_RUNS", "those of the variable")
    monkeypatch.delenv("CNNRNN_DATA", raising=False)
    (tmp_path / "labels.csv").touch()
    monkeypatch.chdir(tmp_path)
    for options in (["--data", "labels.csv"], ["--runs", "."], []):
        assert CliRunner().invoke(app, ["dashboard", "--server.address=localhost", *options]).exit_code == 0
    assert [variables.get("CNNRNN_DATA") for variables in found] == [str(tmp_path / "labels.csv"), None, None]
    assert [variables["CNNRNN_RUNS"] for variables in found] == [
        "those of the variable", str(tmp_path), "those of the variable",
    ]  # fmt: skip
    refused = CliRunner().invoke(app, ["dashboard", "--data", "nothing"])
    assert refused.exit_code == 2
    assert "'nothing' does not exist" in " ".join(refused.output.split())


def test_a_port_in_use_is_one_line_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in ("dashboard", "serve"):
            done = CliRunner().invoke(app, [command, "--host", "127.0.0.1", "--port", str(port)])
            assert done.exit_code == 2
            assert done.stdout == ""
            assert " ".join(done.stderr.split()) == (
                f"cnnrnn: port {port} is in use: end the program that listens there, or choose another one, such as "
                f"--port {port + 1}"
            )


def test_a_host_that_is_another_machine_is_refused() -> None:
    with pytest.raises(UserError, match=r"--host 192\.0\.2\.1 is no address of this machine"):
        bind("192.0.2.1", 8000)  # an address for documentation


def test_a_host_with_two_addresses_gets_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that can't be had, as that of IPv6 where there is none, is left out."""
    kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    found = [(*kind, ("127.0.0.1", 0)), (*kind, ("127.0.0.2", 0)), (*kind, ("192.0.2.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: found)
    sockets = bind("somewhere", 0)
    assert [one.getsockname()[0] for one in sockets] == ["127.0.0.1", "127.0.0.2"]
    close(sockets)
