"""A checkpoint behind HTTP: POST an image's bytes to /predict, get the output of `cnnrnn predict --json`; GET /health
and /metrics.

A form with files is taken as well, as `curl -F image=@photo.jpg` sends it. One file is answered like an image's bytes,
several by a list in their order.

Starlette and uvicorn, which the dashboard is served by, too. LitServe and Ray Serve would batch for us, but there one
image that can't be read fails its whole batch (LitServe), or a second cluster has to run (Ray Serve).
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import torch
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from cnnrnn.data.images import MAX_SIDE, ImageError, open_image
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.predictor import Predictor
from cnnrnn.inference.server_metrics import ServerMetrics
from cnnrnn.utils.errors import UserError, summarize_error

MAX_BYTES = 30_000_000  # of an image, as in the dashboard
MAX_ACTIVE = 32  # requests that are read and labeled at a time, of at most MAX_BYTES each; others wait, unread
MAX_REQUESTS = 256  # at a time, the waiting ones included; further requests get status 503
MAX_FILES = 32  # in a form, of MAX_BYTES together
BODY_SECONDS = 30.0  # for an image to arrive
_OPEN = min(4, os.cpu_count() or 1)  # images opened at a time, each of which may take 500 MB
# How long a batch waits for as many images as the last one could have had. Without, clients that wait for their answers
# split into groups that take turns: with four of them, batches of two, a third slower.
_IDLE_SECONDS = 0.01  # while no image is being opened
_GATHER_SECONDS = 0.1  # at most


class Batcher:
    """Images of many requests, labeled together: a batch holds the requests that arrived during the previous batch, and
    those that its clients send when they were answered."""

    def __init__(self, predictor: Predictor, metrics: ServerMetrics) -> None:
        self.predictor = predictor
        self.metrics = metrics
        self.waiting: asyncio.Queue[tuple[Tensor, asyncio.Future[Trace]]] = asyncio.Queue()
        self.opening = asyncio.Semaphore(_OPEN)
        self.labeling = ThreadPoolExecutor(1)  # always the same thread: OpenMP keeps others for each that calls it
        self.coming = 0  # images that are being opened, or are about to
        self.active = 0  # images whose label sets are not known yet

    async def label(self, data: bytes) -> Trace:
        """Raises ImageError, and UserError for a model that is damaged."""
        self.active += 1
        try:
            image = await self._opened(data)
            future: asyncio.Future[Trace] = asyncio.get_running_loop().create_future()
            self.waiting.put_nowait((image, future))
            return await future
        finally:
            self.active -= 1

    async def _opened(self, data: bytes) -> Tensor:
        self.coming += 1
        try:
            async with self.opening:
                return await asyncio.to_thread(self._open, data)
        finally:
            self.coming -= 1

    async def run(self) -> None:
        """Process batches until cancelled."""
        expected = 1
        while True:
            batch = await self._gathered(min(expected, self.predictor.config.batch_size))
            self.metrics.batches.observe(len(batch))
            images, futures = zip(*batch, strict=True)
            try:
                traces = await asyncio.get_running_loop().run_in_executor(self.labeling, self._label, images)
            except Exception as error:  # fails this batch only
                traces = [error] * len(batch)
            expected = self.active
            for future, trace in zip(futures, traces, strict=True):
                if future.cancelled():  # the client has disconnected
                    continue
                if isinstance(trace, Exception):
                    future.set_exception(trace)
                else:
                    future.set_result(trace)

    async def _gathered(self, expected: int) -> list[tuple[Tensor, asyncio.Future[Trace]]]:
        """The images that wait, at least one; of fewer than expected, with those that come soon."""
        batch = [await self.waiting.get()]
        started = time.perf_counter()
        while len(batch) < self.predictor.config.batch_size:
            if not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            elif len(batch) >= expected or time.perf_counter() > started + _GATHER_SECONDS:
                break
            else:
                try:
                    batch.append(await asyncio.wait_for(self.waiting.get(), _IDLE_SECONDS))
                except TimeoutError:
                    if not self.coming:
                        break
        return batch

    def _open(self, data: bytes) -> Tensor:
        return self.predictor.model.backbone.pixels(open_image(data, MAX_SIDE))

    def _label(self, images: tuple[Tensor, ...]) -> Sequence[Trace | Exception]:
        return self.predictor.decode(self.predictor.encode(torch.stack(images))[1])


def application(predictor: Predictor) -> Starlette:
    """/predict, /health, /metrics. Errors are answered by {"error": message}: 413 too much, 422 no image, 503 busy."""
    metrics = ServerMetrics()
    batcher, checkpoint = Batcher(predictor, metrics), predictor.checkpoint
    requests, slots = 0, asyncio.Semaphore(MAX_ACTIVE)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(batcher.run())
        yield
        task.cancel()

    async def predict(request: Request) -> Response:
        nonlocal requests
        if requests >= MAX_REQUESTS:
            raise HTTPException(503, "too many images at a time; come again", {"Retry-After": "1"})
        requests += 1
        try:
            async with slots:
                files = await _files(request)
                if len(files) == 1:
                    return JSONResponse(await summary(files[0][1]))
                return JSONResponse(await asyncio.gather(*(summary_or_error(name, data) for name, data in files)))
        except ImageError as error:
            raise HTTPException(422, str(error)) from None
        except UserError as error:
            raise HTTPException(500, str(error)) from None
        finally:
            requests -= 1

    async def summary(data: bytes) -> dict[str, Any]:
        trace = await batcher.label(data)
        return await asyncio.to_thread(trace.summary)

    async def summary_or_error(name: str, data: bytes) -> dict[str, Any]:
        try:
            return {"image": name, **await summary(data)}
        except ImageError as error:
            return {"image": name, "error": str(error)}

    async def health(_: Request) -> Response:
        known = {"weights_sha256": checkpoint.weights_hash, "labels": len(checkpoint.vocabulary), "requests": requests}
        return JSONResponse({"status": "ok", **known})

    async def error_response(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    routes = [
        Route("/predict", metrics.of(predict), methods=["POST"]),
        Route("/health", health),
        Route("/metrics", metrics.show),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: error_response})


class _InMemory(MultiPartParser):
    spool_max_size = MAX_BYTES  # a larger form has been refused: nothing is written to the disk


async def _files(request: Request) -> list[tuple[str, bytes]]:
    """The names and the bytes of a form's files, or the body as the only one. Raises HTTPException."""
    body = await _body(request)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return [("", body)]

    async def stream() -> AsyncGenerator[bytes]:
        yield body

    try:
        form = await _InMemory(request.headers, stream(), max_files=MAX_FILES, max_fields=MAX_FILES).parse()
    except MultiPartException as error:
        raise HTTPException(413 if "Too many" in error.message else 400, error.message) from None
    except (ValueError, KeyError) as error:
        raise HTTPException(400, f"the form can't be read: {summarize_error(error)}") from None
    uploads = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not uploads:
        raise HTTPException(422, "the form has no file; send one as in curl -F image=@photo.jpg")
    return [(upload.filename or "", await upload.read()) for upload in uploads]


async def _body(request: Request) -> bytes:
    """A request's body, of which no more than MAX_BYTES are read. Raises HTTPException."""
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_BYTES:
                    raise HTTPException(413, f"more than {MAX_BYTES // 10**6} MB; make it smaller first")
    except TimeoutError:
        raise HTTPException(408, f"the image didn't arrive within {BODY_SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection ended before the image did") from None
    return bytes(data)


def serve(predictor: Predictor, sockets: list[socket.socket]) -> None:
    """Serve on sockets that are bound (`utils.ports.bind`) until Ctrl-C."""
    with suppress(KeyboardInterrupt):  # uvicorn raises it again once it has ended
        uvicorn.Server(uvicorn.Config(application(predictor), log_level="warning")).run(sockets)
