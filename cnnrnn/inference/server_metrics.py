"""What a server has done and is doing, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)

Handler = Callable[[Request], Awaitable[Response]]


class ServerMetrics:
    """The metrics of one server: a registry of its own, so that two servers in a process don't share them."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("cnnrnn_requests", "Answered requests by status", ["status"], registry=registry)
        self.active = Gauge("cnnrnn_active_requests", "Requests in progress", registry=registry)
        self.seconds = Histogram(
            "cnnrnn_request_seconds", "From a request to its answer", buckets=_SECONDS, registry=registry
        )
        self.batches = Histogram(
            "cnnrnn_batch_images", "Images that were decoded together", buckets=_IMAGES, registry=registry
        )

    def of(self, handler: Handler) -> Handler:
        """The handler, whose requests are counted and timed."""

        async def counted(request: Request) -> Response:
            status = 500
            try:
                with self.active.track_inprogress(), self.seconds.time():
                    response = await handler(request)
                status = response.status_code
                return response
            except HTTPException as error:
                status = error.status_code
                raise
            finally:
                self.requests.labels(status).inc()

        return counted

    async def show(self, _: Request) -> Response:
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
