"""The load test of servers, on a server that answers at once."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cnnrnn.bench import serving
from cnnrnn.bench.serving import Load, form, load

IMAGE = b"\xff\xd8" + bytes(2000)


class Handler(BaseHTTPRequestHandler):
    """Knows one image, answers with 503 to one in ten."""

    protocol_version = "HTTP/1.1"
    answers = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Handler.answers += 1
        status = 422 if body != form(IMAGE) else 503 if Handler.answers % 10 == 0 else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_answers_are_timed_and_failures_counted_without_those_of_the_bad_clients(port: int) -> None:
    found = load(port, [form(IMAGE)], clients=3, seconds=1.5)
    assert 1.5 <= found.seconds < 10
    total = len(found.latencies) + found.failed
    assert total > 30
    assert 0.05 < found.failed / total < 0.15  # the bad clients' answers, and half images, are none of them
    assert 0 < found.percentile(50) <= found.percentile(95) <= max(found.latencies)
    assert found.seconds_per_image == pytest.approx(found.seconds / len(found.latencies))


def test_a_line_compares_both_servers_and_no_request_may_fail() -> None:
    fast, slow = Load(10.0, [0.1] * 100), Load(10.0, [0.2] * 50, failed=3)
    line = serving._line("x", fast, slow, lambda load: load.seconds_per_image)
    assert (line["seconds"], line["reference_seconds"], line["ratio"], line["met"]) == (0.1, 0.2, 2.0, True)
    assert "10.0 images/s, p50/p95/p99 0.10/0.10/0.10 s, 0 failed" in line["remark"]
    assert "3 failed" in line["remark"]
    assert not serving._line("x", slow, fast, lambda load: load.percentile(95))["met"]
    fast.failed = 1
    assert not serving._line("x", fast, slow, lambda load: load.percentile(95))["met"]


def test_a_server_that_does_not_start_is_an_error(tmp_path) -> None:
    from cnnrnn.utils.errors import UserError

    with pytest.raises(UserError, match="did not start"), serving.running(("-c", "raise SystemExit(1)"), tmp_path):
        pass


SERVER = """
import http.server, subprocess, sys
child = "import sys, time; file = open(sys.argv[1] + '/alive', 'w'); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child, sys.argv[1]])
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Health).serve_forever()
"""


def test_a_servers_workers_end_with_it(tmp_path: Path) -> None:
    """A pipe that a worker holds open ends when it does."""
    os.mkfifo(tmp_path / "alive")
    with serving.running(("-c", SERVER, "{checkpoint}", "{port}"), tmp_path):
        pipe = (tmp_path / "alive").open()
        assert select.select([pipe], [], [], 0)[0] == []
    assert select.select([pipe], [], [], 30)[0] == [pipe]
    assert pipe.read() == ""
    pipe.close()
