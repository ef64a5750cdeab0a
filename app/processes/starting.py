"""What the API does before it serves: it checks the database, and waits for one that cannot be reached.

While it waits, a stand-in answers: the process is alive, it is not ready, and every other request is UNAVAILABLE.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import asyncpg
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.backoff import Backoff
from app.clock import monotonic
from app.db import revisions
from app.db.engine import connect, refuse_shared_sessions, warn_of_url
from app.db.failures import is_unavailable
from app.db.session import refuse_unsuitable
from app.errors import ConfigurationError, Unavailable
from app.http.health import healthz
from app.http.request_limits import RequestId
from app.rest.answers import problem
from app.schema.transport import media
from app.settings import Settings
from app.telemetry import metrics

logger = logging.getLogger(__name__)

_TRY_SECONDS = 10.0
"""For one check of the database. If packets are dropped, the connection attempt would not end by itself."""
_CLOSE_SECONDS = 2.0


async def wait_for_database(settings: Settings, answering: Callable[[], AbstractAsyncContextManager[None]]) -> None:
    """Return once the database can be used. Enters the context of `answering` only if it has to wait.

    Raises ConfigurationError, or an error of asyncpg or the system, if waiting cannot help, or if the database cannot be
    reached within PAYCORE_DATABASE_WAIT_SECONDS. Raises Terminated on SIGTERM while it waits.
    """
    deadline = monotonic() + settings.database_wait_seconds
    problem = await _unavailable(settings)
    if problem is None:
        return
    if monotonic() >= deadline:
        raise problem
    logger.warning("the API waits up to %g s for the database: %s", settings.database_wait_seconds, _words(problem))
    async with answering(), _terminable():
        pauses = Backoff(0.2, 5.0)
        while problem is not None:
            if monotonic() >= deadline:
                raise problem
            await asyncio.sleep(min(pauses.next(), max(0.0, deadline - monotonic())))
            problem = await _unavailable(settings)
    logger.info("the API is connected to the database")


class Terminated(Exception):
    """SIGTERM has arrived."""


@contextlib.asynccontextmanager
async def _terminable() -> AsyncIterator[None]:
    """Raise Terminated in the block on SIGTERM.

    A handler that raises SystemExit would raise it in whatever the event loop runs then. That may be a request, and uvicorn
    logs the errors of requests and goes on.
    """
    loop, task, earlier = asyncio.get_running_loop(), asyncio.current_task(), signal.getsignal(signal.SIGTERM)
    assert task is not None
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        yield
    except asyncio.CancelledError:
        if terminated:
            raise Terminated from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, earlier)


async def _unavailable(settings: Settings) -> Exception | None:
    """Why the database cannot be used at present, or None if it can. Raises an error that waiting cannot fix."""
    try:
        async with asyncio.timeout(_TRY_SECONDS):
            await _require_suitable(settings)
    except Exception as error:
        # A missing file that the URL names is an OSError too, but waiting does not help.
        if not is_unavailable(error) or (isinstance(error, OSError) and error.filename is not None):
            raise
        return error
    return None


async def _require_suitable(settings: Settings) -> None:
    """Raises ConfigurationError with a one-line reason if the API cannot run on this database."""
    connection = await connect(settings)
    try:
        await refuse_shared_sessions(connection, settings)
        revision = await connection.fetchval(revisions.REVISION)
        await refuse_unsuitable(connection, settings)
        warn_of_url(settings)
    finally:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=_CLOSE_SECONDS)
    if not revisions.suits(revision):
        raise ConfigurationError(f"The database is at revision {revision}: run `paycore migrate` first.")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def stand_in(settings: Settings) -> Starlette:
    """The application that answers in place of the API while the database cannot be reached."""
    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", _readyz),
            Route("/metrics", _exposition),
            Route("/{path:path}", _UnavailableEndpoint),
        ],
        middleware=[Middleware(RequestId, https_only=settings.environment == "production")],
    )


async def _readyz(_request: Request) -> Response:
    """503, in the same form as the API's own readiness."""
    unknown = dict.fromkeys(("migrations", "durability", "settling", "redis", "live_updates", "rate_limits"), "unknown")
    return JSONResponse({"status": "not ready", "database": "unavailable", **unknown, "degraded": [], "outbox": None}, 503)


async def _exposition(_request: Request) -> Response:
    return Response(metrics.exposition(None), media_type=metrics.CONTENT_TYPE)


class _UnavailableEndpoint(HTTPEndpoint):
    """Answers every request with UNAVAILABLE, in the form of GraphQL or of REST."""

    async def dispatch(self) -> None:
        error = Unavailable()
        metrics.count_errors([error.code])
        if self.scope["path"] == "/graphql":
            response = media.refusal(error.http_status, error, media.JSON)
        else:
            response = problem(error.http_status, error.code, str(error), {"retryable": error.retryable})
        response.headers["Retry-After"] = "1"
        await response(self.scope, self.receive, self.send)
