"""The relay's own /healthz, /readyz and /metrics, where PAYCORE_RELAY_PORT asks for them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app import metrics
from app.health import healthz
from app.serving import bind, serving_aside
from app.settings import Settings

_CLOSE_SECONDS = 2


@contextlib.asynccontextmanager
async def answering(settings: Settings, state: Callable[[], tuple[bool, str]]) -> AsyncIterator[None]:
    """Answer for as long as the block runs; nothing where no port is set.

    `state` tells whether the relay is ready, and its role. Raises ConfigurationError where the port is taken.
    """
    if not settings.relay_port:
        yield
        return

    async def readyz(_request: Request) -> Response:
        """200 where this relay leads, or stands by for one that does; 503 while database or Redis do not answer it."""
        ready, role = state()
        return JSONResponse({"status": "ready" if ready else "not ready", "role": role}, status_code=200 if ready else 503)

    async def exposition(_request: Request) -> Response:
        return Response(metrics.exposition(None), media_type=metrics.CONTENT_TYPE)

    app = Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)])
    config = uvicorn.Config(
        app,
        access_log=False,
        server_header=False,
        lifespan="off",
        log_level=settings.log_level,
        # Through our own pipe: see app/logs.py.
        log_config=None,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
    )
    async with serving_aside(config, bind(settings.host, settings.relay_port)):
        yield
