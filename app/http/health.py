"""The API's probes and metrics: /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client.core import GaugeMetricFamily
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.db import partition_sql, revisions
from app.db.session import not_durable, server_state
from app.db.statements import Reader
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
    """200 while the process can answer at all."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """200 if every part that requests need is fine. 503 if one is not, or while the process stops; the body names the part.

    `redis`, `live_updates`, `rate_limits` and `outbox` do not affect the status, since requests are answered without them.
    `degraded` lists those of the first three that are not `ok`.
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
    # Read last: the signal to stop may have come during the checks.
    draining = request.app.state.draining
    status = "draining" if draining else "ready" if ready else "not ready"
    return JSONResponse({"status": status, **parts, "outbox": outbox}, status_code=200 if status == "ready" else 503)


async def exposition(request: Request) -> Response:
    """Metrics in Prometheus' text format, without those of outbox and ledger if the database does not answer."""
    backlog = await _backlog(request.app.state.services)
    outbox = None if backlog is None else (backlog.pending, backlog.lag.total_seconds(), backlog.parked)
    verified = None if backlog is None else await _verified(request.app.state.services)
    ledger = None if verified is None else (verified.findings, verified.finished_at.timestamp())
    extent = None if backlog is None else await _read(request.app.state.services, "partitions", partition_sql.extent)
    partitions = None if extent is None else _families_of(extent)
    # Reading every worker's files takes tens of milliseconds. In a thread it does not block requests.
    text = await asyncio.to_thread(metrics.exposition, outbox, ledger, partitions)
    return Response(text, media_type=metrics.CONTENT_TYPE)


def _families_of(extent: partition_sql.Extent) -> list[GaugeMetricFamily]:
    written = None if extent.written_at is None else extent.written_at.timestamp()
    archived = metrics.archive_families(extent.months, extent.entries, extent.bytes, written)
    return metrics.partition_families(extent.oldest_ends.timestamp(), extent.ends.timestamp()) + archived


async def _database(services: Services) -> tuple[str, str, str]:
    """The state of the database, of its migrations, and of its durability: whether commits survive a crash."""
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            migrations = _migrations_state(await revisions.current(services.engine))
            async with services.engine.connect() as connection:
                raw = (await connection.get_raw_connection()).driver_connection
                assert raw is not None
                server = await server_state(raw)
    except Exception as error:  # noqa: BLE001 - any failure means "not ready"
        logger.warning("not ready: the database does not answer: %s", type(error).__name__)
        return "unavailable", "unknown", "unknown"
    return "read-only" if server.read_only else "ok", migrations, not_durable(server) or "ok"


def _migrations_state(revision: str | None) -> str:
    if revisions.is_newer(revision):
        return _NEWER
    return "ok" if revisions.suits(revision) else "run paycore migrate"


async def _backlog(services: Services) -> Backlog | None:
    return await _read(services, "outbox", lambda reader: outbox_backlog(reader, services.clock()))


async def _verified(services: Services) -> Verified | None:
    return await _read(services, "last verification", last_verification)


async def _read(services: Services, what: str, read: Callable[[Reader], Awaitable[T]]) -> T | None:
    """Return the result of `read`, or None if it fails or takes too long."""
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            return await read(services.engine)
    except Exception as error:  # noqa: BLE001 - any failure means that the value is unknown
        logger.warning("cannot read the %s: %s", what, type(error).__name__)
        return None
