"""The server as a real process, asked by many at once."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families
from torch import Tensor

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.inference import server as serving
from cnnrnn.inference.predictor import Predictor
from cnnrnn.inference.server import MAX_BYTES


@pytest.fixture(scope="module")
def port(scenes_checkpoint: Path) -> Iterator[int]:
    """Where a server answers, until the module's tests are done; then Ctrl-C ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    options = ["--checkpoint", scenes_checkpoint, "--engine", "torch", "--port", number]
    server = subprocess.Popen(
        [sys.executable, "-m", "cnnrnn.cli.main", "serve", *map(str, options)], stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in range(1200):
            assert server.poll() is None, server.communicate()
            try:
                ask(number, "GET", "/health")
                break
            except ConnectionError:
                time.sleep(0.1)
        yield number
        server.send_signal(signal.SIGINT)
        errors = server.communicate(timeout=60)[1]
        assert "Traceback" not in errors
    finally:
        server.kill()


def ask(
    port: int, method: str, path: str, body: bytes | Iterator[bytes] = b"", kind: str | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_concurrent_requests_get_the_answer_to_their_own_image(
    port: int, scenes_root: Path, scenes_checkpoint: Path, encoded: Callable[..., bytes]
) -> None:
    """Broken images among them make no difference to the others in their batch."""
    paths = [sample.image for sample in load_split("scenes", scenes_root, "test").samples[:48]]
    bodies = [path.read_bytes() for path in paths]
    broken = encoded("JPEG")[:300]
    mixed = [body for good in bodies for body in (good, broken)]
    with ThreadPoolExecutor(16) as people:
        answers = list(people.map(lambda body: ask(port, "POST", "/predict", body), mixed))
    assert {status for status, _ in answers[1::2]} == {422}
    assert all("damaged or cut off" in answer["error"] for _, answer in answers[1::2])
    for (status, answer), (_, prediction) in zip(
        answers[::2], Predictor(scenes_checkpoint).predict(paths), strict=True
    ):
        assert status == 200
        assert not isinstance(prediction, str)
        expected = prediction.summary()
        assert answer["labels"] == expected["labels"]
        assert answer["marginals"] == pytest.approx(expected["marginals"], abs=1e-3)
        assert answer["paths"][0]["labels"] == expected["labels"]
    assert len({tuple(answer["labels"]) for _, answer in answers[::2]}) > 3


def test_health_is_reported_and_invalid_requests_have_an_error_status(port: int, scenes_checkpoint: Path) -> None:
    status, answer = ask(port, "GET", "/health")
    assert status == 200
    assert answer["status"] == "ok"
    assert answer["weights_sha256"] == Checkpoint.load(scenes_checkpoint).weights_hash
    for method, path, body, expected in (
        ("POST", "/predict", b"", 422),
        ("POST", "/predict", b"text", 422),
        ("GET", "/predict", b"", 405),
        ("POST", "/else", b"", 404),
    ):
        status, answer = ask(port, method, path, body)
        assert status == expected
        assert answer["error"]


@pytest.mark.parametrize("announced", [True, False])
def test_a_request_body_over_the_limit_is_refused_with_413(port: int, announced: bool) -> None:
    """With its length said before, and without."""
    body = bytes(MAX_BYTES + 1)
    chunks = (body[first : first + 2**20] for first in range(0, len(body), 2**20))
    status, answer = ask(port, "POST", "/predict", body if announced else chunks)
    assert status == 413
    assert "30 MB" in answer["error"]
    assert ask(port, "GET", "/health")[1]["requests"] == 0


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form whose parts have a name each, such as `image"; filename="a.png`, between boundaries "x"."""
    return (
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), data)
            for name, data in parts
        )
        + b"--x--\r\n"
    )


FORM = "multipart/form-data; boundary=x"


def test_a_form_with_files_gets_the_answers_of_its_images(
    port: int, scenes_root: Path, encoded: Callable[..., bytes]
) -> None:
    paths = [sample.image for sample in load_split("scenes", scenes_root, "test").samples[:3]]
    alone = [ask(port, "POST", "/predict", path.read_bytes())[1] for path in paths]
    assert len({str(answer["marginals"]) for answer in alone}) == 3
    one = form(("note", b"hello"), ('image"; filename="a.png', paths[0].read_bytes()))
    status, answer = ask(port, "POST", "/predict", one, FORM)
    assert status == 200
    assert answer["marginals"] == pytest.approx(alone[0]["marginals"], abs=1e-4)
    assert answer.keys() == alone[0].keys()

    names = ["a.png", "ü.png", "broken.jpg", "c.png"]
    bodies = [paths[0].read_bytes(), paths[1].read_bytes(), encoded("JPEG")[:200], paths[2].read_bytes()]
    several = form(*((f'image"; filename="{name}', body) for name, body in zip(names, bodies, strict=True)))
    status, answers = ask(port, "POST", "/predict", several, FORM)
    assert status == 200
    assert [entry["image"] for entry in answers] == names
    assert "damaged or cut off" in answers.pop(2)["error"]
    for answer, expected in zip(answers, alone, strict=True):
        assert answer["marginals"] == pytest.approx(expected["marginals"], abs=1e-4)


def test_forms_that_are_too_large_or_hold_no_image_are_refused(port: int) -> None:
    file = 'image"; filename="a.png'
    for body, kind, expected, message in (
        (form(("image", b"photo.jpg")), FORM, 422, "curl -F image=@photo.jpg"),
        (form((file, b"text")), FORM, 422, "not an image"),
        (form((file, b"")), FORM, 422, "not an image"),
        (form(*[(file, b"")] * 33), FORM, 413, "Too many files"),
        (form(*[("a", b"")] * 33), FORM, 413, "Too many fields"),
        (form((file, bytes(MAX_BYTES))), FORM, 413, "30 MB"),
        (form((file, b"x"))[:40], FORM, 422, "no file"),
        (b"no form", FORM, 400, "Invalid multipart"),
        (b"no form", "multipart/form-data", 400, "boundary"),
    ):
        status, answer = ask(port, "POST", "/predict", body, kind)
        assert (status, message in answer["error"]) == (expected, True), (body[:80], status, answer)
    assert ask(port, "GET", "/health")[1]["requests"] == 0


def metrics_of(port: int) -> dict[tuple[str, ...], float]:
    """The values by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=")
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_requests_are_counted_and_timed(port: int, encoded: Callable[..., bytes]) -> None:
    before = metrics_of(port)
    for body in (encoded("PNG"), encoded("JPEG"), b"text"):
        ask(port, "POST", "/predict", body)
    after = metrics_of(port)

    def more(*name: str) -> float:
        return after[name] - before.get(name, 0)

    assert (more("cnnrnn_requests_total", "200"), more("cnnrnn_requests_total", "422")) == (2, 1)
    assert more("cnnrnn_request_seconds_count") == 3
    assert 0 < more("cnnrnn_request_seconds_sum") < 60
    assert (more("cnnrnn_batch_images_count"), more("cnnrnn_batch_images_sum")) == (2, 2)  # one after the other
    assert after["cnnrnn_active_requests",] == 0


def run(awaited: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own: the browser's tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(asyncio.run, awaited).result(timeout=60)


def test_what_waits_is_computed_together_and_a_failure_is_that_of_its_batch_alone() -> None:
    batches: list[list[float]] = []
    go_on = threading.Event()

    def double(items: Tensor) -> list[float]:
        batches.append(items.tolist())
        assert go_on.wait(60)
        if 4 in items:
            raise ValueError("four")
        return (2 * items).tolist()

    async def ask_seven_times() -> None:
        stage = serving.Stage(double, size=3)
        running = asyncio.create_task(stage.run())
        first = asyncio.create_task(stage(torch.tensor(0)))
        while not batches:  # the others come while it is computed
            await asyncio.sleep(0)
        others = [asyncio.create_task(stage(torch.tensor(number))) for number in range(1, 8)]
        await asyncio.sleep(0)
        others.pop(1).cancel()  # 2
        go_on.set()
        assert await first == 0
        found = await asyncio.gather(*others, return_exceptions=True)
        assert found[:2] == [2, 6]
        assert [str(error) for error in found[2:5]] == ["four"] * 3
        assert found[5] == 14
        running.cancel()

    run(ask_seven_times())
    assert batches == [[0], [1, 3], [4, 5, 6], [7]]


def test_workers_of_a_stage_compute_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=60)

    def wait(items: Tensor) -> list[int]:
        both.wait()
        return items.tolist()

    async def ask_twice() -> None:
        stage = serving.Stage(wait, size=1, workers=2)
        running = asyncio.create_task(stage.run())
        assert await asyncio.gather(stage(torch.tensor(1)), stage(torch.tensor(2))) == [1, 2]
        running.cancel()

    run(ask_twice())


def test_more_requests_than_are_read_at_a_time_wait_and_are_answered(
    loaded: Checkpoint, encoded: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MAX_ACTIVE", 2)
    reading: list[int] = [0, 0]  # now, at most
    jpeg, files = encoded("JPEG"), serving._files

    async def counted(request: object) -> object:
        reading[0] += 1
        reading[1] = max(reading)
        await asyncio.sleep(0)
        found = await files(request)
        reading[0] -= 1
        return found

    monkeypatch.setattr(serving, "_files", counted)
    app = serving.application(Predictor(loaded, batch_size=4))
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}

    async def status() -> int:
        sent: list[dict] = []

        async def receive() -> dict:
            return {"type": "http.request", "body": jpeg, "more_body": False}

        async def send(message: dict) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return sent[0]["status"]

    async def statuses() -> list[int]:
        async with app.router.lifespan_context(app):
            return await asyncio.gather(*(status() for _ in range(8)))

    assert run(statuses()) == [200] * 8
    assert reading == [0, 2]


def test_too_many_requests_and_bodies_that_never_arrive_are_refused(
    loaded: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MAX_REQUESTS", 1)
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.5)
    app = serving.application(Predictor(loaded, batch_size=4))
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}

    async def ask_and_send_nothing(asked: asyncio.Event) -> int:
        statuses: list[int] = []

        async def receive() -> dict:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: dict) -> None:
            statuses.append(message.get("status", 0))

        await app(scope, receive, send)
        return statuses[0]

    async def two_at_a_time_then_one() -> list[int]:
        asked = asyncio.Event()
        first = asyncio.create_task(ask_and_send_nothing(asked))
        await asked.wait()  # it is inside
        second = await ask_and_send_nothing(asyncio.Event())
        return [await first, second, await ask_and_send_nothing(asyncio.Event())]

    with ThreadPoolExecutor(1) as elsewhere:  # the browser's tests leave a loop running in this thread
        statuses = elsewhere.submit(asyncio.run, two_at_a_time_then_one()).result()
    assert statuses == [408, 503, 408]  # the first one left its place to the third
