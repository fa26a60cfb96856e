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
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
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


class Stage:
    """A step on the way from an image to its labels, for the images of many requests: what waits is computed together,
    up to `size` images, by one of the `workers`."""

    def __init__(self, compute: Callable[[Tensor], Sequence[Any]], size: int, workers: int = 1) -> None:
        self.compute, self.size = compute, size
        self.waiting: asyncio.Queue[tuple[Tensor, asyncio.Future[Any]]] = asyncio.Queue()
        self.threads = ThreadPoolExecutor(workers)  # always the same: OpenMP keeps others for each that calls it
        self.workers = workers

    async def __call__(self, item: Tensor) -> Any:
        """What `compute` returns for the item, or raises for those that it was computed with."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((item, future))
        return await future

    async def run(self) -> None:
        """Compute until cancelled."""
        await asyncio.gather(*(self._work() for _ in range(self.workers)))

    async def _work(self) -> None:
        while True:
            batch = [await self.waiting.get()]
            while len(batch) < self.size and not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            batch = [(item, future) for item, future in batch if not future.cancelled()]  # the client is gone
            if batch:
                await self._compute(batch)

    async def _compute(self, batch: Sequence[tuple[Tensor, asyncio.Future[Any]]]) -> None:
        items, futures = zip(*batch, strict=True)
        results: Sequence[Any]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self.threads, self.compute, torch.stack(items))
        except Exception as error:  # fails this batch only
            results = [error] * len(batch)
        for future, result in zip(futures, results, strict=True):
            if future.cancelled():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


class Labeler:
    """From an image's bytes to its trace, in three stages that work at the same time: images are opened, encoded and
    decoded."""

    def __init__(self, predictor: Predictor, metrics: ServerMetrics) -> None:
        self.predictor, self.metrics = predictor, metrics
        self.opening = asyncio.Semaphore(_OPEN)
        batch_size = predictor.config.batch_size
        size, workers = (1, _encoders()) if _encodes_side_by_side(predictor) else (batch_size, 1)
        self.encode = Stage(lambda images: list(predictor.encode(images)[1]), size, workers)
        self.decode = Stage(self._decode, batch_size)

    def _decode(self, features: Tensor) -> Sequence[Trace]:
        self.metrics.batches.observe(len(features))
        return self.predictor.decode(features)

    async def __call__(self, data: bytes) -> Trace:
        """Raises ImageError, and UserError for a model that is damaged."""
        async with self.opening:
            image = await asyncio.to_thread(self._open, data)
        return await self.decode(await self.encode(image))

    def _open(self, data: bytes) -> Tensor:
        return self.predictor.model.backbone.pixels(open_image(data, MAX_SIDE))

    async def run(self) -> None:
        """Process what comes until cancelled."""
        await asyncio.gather(self.encode.run(), self.decode.run())


def _encodes_side_by_side(predictor: Predictor) -> bool:
    """OpenVINO computes an image on each core, so none has to wait for others; other engines take batches."""
    return predictor.engine == "openvino"


def _encoders() -> int:
    """Threads that give OpenVINO images: two for each core, so that the next is there when one is done."""
    return 2 * (os.cpu_count() or 1)


def application(predictor: Predictor) -> Starlette:
    """/predict, /health, /metrics. Errors are answered by {"error": message}: 413 too much, 422 no image, 503 busy."""
    metrics = ServerMetrics()
    label, checkpoint = Labeler(predictor, metrics), predictor.checkpoint
    requests, slots = 0, asyncio.Semaphore(MAX_ACTIVE)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(label.run())
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
        trace = await label(data)
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
    if _encodes_side_by_side(predictor):
        torch.set_num_threads(1)  # for decoding, which would take the cores on which images are encoded
    with suppress(KeyboardInterrupt):  # uvicorn raises it again once it has ended
        uvicorn.Server(uvicorn.Config(application(predictor), log_level="warning")).run(sockets)
