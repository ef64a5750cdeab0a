"""What a process tells of itself: is it alive, can it serve, what has it counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.db import migrate
from app.db.session import not_durable, server_state
from app.db.status_sql import Backlog, Verified, last_verification, outbox_backlog
from app.services.container import Services
from app.telemetry import metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")

_DATABASE_SECONDS = 2
_NEWER = "newer than this release"
_SUITABLE = ("ok", _NEWER)


def routes() -> list[Route]:
    """/healthz, /readyz and /metrics of the API."""
    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)]


async def healthz(_request: Request) -> Response:
    """200 as long as the process answers at all."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """200 where what a request needs is as it must be; else 503, with the part that is not, or as it stops.

    `redis`, `live_updates`, `rate_limits` and `outbox` are details: without them every request is still answered. `degraded`
    lists those that are not as they should be.
    """
    services: Services = request.app.state.services
    database, migrations, durability = await _database(services)
    settling = "ok" if services.ledger.group_commit.is_running else "not running"
    ready = database == "ok" and migrations in _SUITABLE and settling == "ok"
    ready = ready and (durability == "ok" or services.settings.environment != "production")
    backlog = await _backlog(services) if database == "ok" and migrations in _SUITABLE else None
    outbox = backlog and {"pending": backlog.pending, "lag_seconds": backlog.lag.total_seconds(), "parked": backlog.parked}
    details = {
        "redis": request.app.state.pubsub.state,
        "live_updates": services.live.state,
        "rate_limits": services.sharing.state,
    }
    degraded = [name for name, state in details.items() if state != "ok"]
    needed = {"database": database, "migrations": migrations, "durability": durability, "settling": settling}
    parts = {**needed, **details, "degraded": degraded}
    # Asked last: it may have been told to stop meanwhile.
    draining = request.app.state.draining
    status = "draining" if draining else "ready" if ready else "not ready"
    return JSONResponse({"status": status, **parts, "outbox": outbox}, status_code=200 if status == "ready" else 503)


async def exposition(request: Request) -> Response:
    """Prometheus' text format. Without outbox and ledger where the database does not tell."""
    backlog = await _backlog(request.app.state.services)
    outbox = None if backlog is None else (backlog.pending, backlog.lag.total_seconds(), backlog.parked)
    verified = None if backlog is None else await _verified(request.app.state.services)
    ledger = None if verified is None else (verified.findings, verified.finished_at.timestamp())
    # Reading every worker's files takes tens of milliseconds, in which requests would wait.
    told = await asyncio.to_thread(metrics.exposition, outbox, ledger)
    return Response(told, media_type=metrics.CONTENT_TYPE)


async def _database(services: Services) -> tuple[str, str, str]:
    """How the database is, its migrations, and whether what it says is committed survives a crash."""
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            migrations = _told_of(await migrate.current(services.engine))
            async with services.engine.connect() as connection:
                raw = (await connection.get_raw_connection()).driver_connection
                assert raw is not None
                server = await server_state(raw)
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
        logger.warning("not ready: the database does not answer: %s", type(error).__name__)
        return "unavailable", "unknown", "unknown"
    return "read-only" if server.read_only else "ok", migrations, not_durable(server) or "ok"


def _told_of(revision: str | None) -> str:
    if migrate.is_newer(revision):
        return _NEWER
    return "ok" if migrate.suits(revision) else "run paycore migrate"


async def _backlog(services: Services) -> Backlog | None:
    return await _read(services, "outbox", lambda connection: outbox_backlog(connection, services.clock()))


async def _verified(services: Services) -> Verified | None:
    return await _read(services, "last verification", last_verification)


async def _read(services: Services, what: str, read: Callable[[AsyncConnection], Awaitable[T]]) -> T | None:
    """What the database tells; None where it does not, in time."""
    try:
        async with asyncio.timeout(_DATABASE_SECONDS), services.engine.connect() as connection:
            return await read(connection)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not known
        logger.warning("the %s cannot be looked up: %s", what, type(error).__name__)
        return None
