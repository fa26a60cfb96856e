"""`cnnrnn serve` under load, beside LitServe around the same predictor: images a second, and how long a client waits.

So many clients, each of which sends its next image when the last one was answered; and two more that a server meets in
the world: a slow one, whose image hardly arrives, and a broken one, which hangs up in the middle or sends what is no
image. What these two get is not counted.
"""

from __future__ import annotations

import http.client
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cnnrnn.bench.timing import BenchLine, bench_line
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.utils.errors import UserError

CLIENTS = (1, 4, 16, 64)
SECONDS = 20.0  # that a server is under load, for each number of clients
_START_SECONDS = 120.0
_BOUNDARY = "cnnrnn-bench"
_OURS = ("-m", "cnnrnn.cli.main", "serve", "--checkpoint", "{checkpoint}", "--port", "{port}")
_THEIRS = ("-m", "cnnrnn.bench.litserve_server", "{checkpoint}", "{port}")


@dataclass
class Load:
    """What the clients measured."""

    seconds: float = 0.0  # until the last answer
    latencies: list[float] = field(default_factory=list)  # of each answer, in seconds
    failed: int = 0

    @property
    def seconds_per_image(self) -> float:
        return self.seconds / max(1, len(self.latencies))

    def percentile(self, q: float) -> float:
        return float(np.percentile(self.latencies, q)) if self.latencies else float("inf")


def lines(checkpoint: Checkpoint, images: Sequence[Path]) -> Iterator[BenchLine]:
    """For each number of clients the time per image, and the 95th percentile of the time to an answer."""
    with TemporaryDirectory() as folder:
        checkpoint.save(Path(folder), {}, card="")
        bodies = [form(path.read_bytes()) for path in images]
        for clients in CLIENTS:  # one right after the other: the speed of a shared machine changes
            mine, reference = (_measured(command, Path(folder), bodies, clients) for command in (_OURS, _THEIRS))
            yield _line(f"serve, {clients} clients: an image", mine, reference, lambda load: load.seconds_per_image)
            yield _line(f"serve, {clients} clients: p95", mine, reference, lambda load: load.percentile(95))


def _measured(command: Sequence[str], checkpoint: Path, bodies: Sequence[bytes], clients: int) -> Load:
    """The only server at that time: LitServe takes a tenth of a core where nobody asks it anything."""
    with running(command, checkpoint) as port:
        if not load(port, bodies, min(clients, 4), seconds=3).latencies:  # warms up
            raise UserError(f"the server {command[1]} labels no image")
        return load(port, bodies, clients, SECONDS)


def load(port: int, bodies: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Load a server, with a slow and a broken client beside those that are counted."""
    measured, lock, number = Load(), threading.Lock(), itertools.count()
    started, over = time.perf_counter(), threading.Event()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.perf_counter() < started + seconds:
            begun, answered = time.perf_counter(), False
            try:
                answered = _post(connection, bodies[next(number) % len(bodies)]) == 200
            except (OSError, http.client.HTTPException):
                connection.close()  # the next request opens it again
            with lock:
                if answered:
                    measured.latencies.append(time.perf_counter() - begun)
                else:
                    measured.failed += 1

    counted = [threading.Thread(target=client) for _ in range(clients)]
    others = [threading.Thread(target=bad, args=(port, bodies[0], over)) for bad in (_slow, _broken)]
    for thread in (*others, *counted):
        thread.start()
    for thread in counted:
        thread.join()
    measured.seconds = time.perf_counter() - started
    over.set()
    for thread in others:
        thread.join()
    return measured


def form(image: bytes) -> bytes:
    """A request's body with one file."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="image.jpg"\r\n\r\n'
    return head.encode() + image + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _post(connection: http.client.HTTPConnection, body: bytes) -> int:
    connection.request("POST", "/predict", body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"})
    response = connection.getresponse()
    response.read()
    return response.status


def _slow(port: int, body: bytes, over: threading.Event) -> None:
    """A byte twice a second."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_head(len(body)))
        for byte in body:
            connection.sendall(bytes([byte]))
            if over.wait(0.5):
                return


def _broken(port: int, body: bytes, over: threading.Event) -> None:
    """Twice a second half an image, and then something else, to the end."""
    while not over.wait(0.5):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(_head(len(body)) + body[: len(body) // 2])
        with suppress(OSError, http.client.HTTPException):
            _post(http.client.HTTPConnection("127.0.0.1", port, timeout=60), form(b"no image"))


def _head(length: int) -> bytes:
    return (
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
    ).encode()


@contextmanager
def running(command: Sequence[str], checkpoint: Path) -> Iterator[int]:
    """A server in a process of its own; the port. Raises UserError if it doesn't start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [part.format(checkpoint=checkpoint, port=port) for part in command]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_until_healthy(process, port, command[1])
        yield port
    finally:
        with suppress(ProcessLookupError):  # LitServe's workers outlive it, and would disturb what is timed next
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    deadline = time.perf_counter() + _START_SECONDS
    while time.perf_counter() < deadline and process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.2)
    raise UserError(f"the server {name} did not start")


def _line(what: str, ours: Load, theirs: Load, of: Callable[[Load], float]) -> BenchLine:
    reference, remark = "LitServe, the same predictor and batches", f"{_facts(ours)}; LitServe {_facts(theirs)}"
    line = bench_line(what, reference, of(ours), of(theirs), at_least=1, remark=remark)
    return {**line, "met": line["met"] and not ours.failed}


def _facts(load: Load) -> str:
    waits = "/".join(f"{load.percentile(q):.2f}" for q in (50, 95, 99))
    return f"{len(load.latencies) / load.seconds:.1f} images/s, p50/p95/p99 {waits} s, {load.failed} failed"
