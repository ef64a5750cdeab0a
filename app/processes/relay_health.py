"""/healthz, /readyz and /metrics of a relay or a worker, if its port is set."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.http.health import healthz
from app.processes.serving import bind, serving_in_background
from app.settings import Settings
from app.telemetry import metrics

_CLOSE_SECONDS = 2


@dataclass(frozen=True, slots=True)
class RelayState:
    """What the readiness of a relay or worker shows."""

    ready: bool
    role: str
    database: str
    redis: str


@contextlib.asynccontextmanager
async def answering(settings: Settings, port: int, state: Callable[[], RelayState]) -> AsyncIterator[None]:
    """Answer probes while the block runs. Does nothing if no port is set.

    `state` returns what readiness shows. Raises ConfigurationError if the port is taken.
    """
    if not port:
        yield
        return

    async def readyz(_request: Request) -> Response:
        """200 if it works or can take over; 503 if the database does not answer or Redis refuses it."""
        now = state()
        shown = {"status": "ready" if now.ready else "not ready", "role": now.role, "database": now.database, "redis": now.redis}
        return JSONResponse(shown, status_code=200 if now.ready else 503)

    async def exposition(_request: Request) -> Response:
        return Response(metrics.exposition(None), media_type=metrics.CONTENT_TYPE)

    app = Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)])
    config = uvicorn.Config(
        app,
        access_log=False,
        server_header=False,
        lifespan="off",
        log_level=settings.log_level,
        # Logging is configured in app/telemetry/logs.py.
        log_config=None,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
    )
    async with serving_in_background(config, bind(settings.host, port)):
        yield
