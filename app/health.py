"""Health: is the process alive, and can it serve."""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.db.migrate import at_head
from app.services.container import Services

logger = logging.getLogger(__name__)

_DATABASE_SECONDS = 2


def routes() -> list[Route]:
    """/healthz and /readyz."""
    return [Route("/healthz", healthz), Route("/readyz", readyz)]


async def healthz(_request: Request) -> Response:
    """200 as long as the process answers at all."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """200 where database, migrations and Redis are as they must be; else 503, with the part that is not."""
    services: Services = request.app.state.services
    database, migrations = await _database(services)
    redis = "ok" if request.app.state.pubsub.healthy else "unavailable"
    parts = {"database": database, "migrations": migrations, "redis": redis}
    ready = all(state == "ok" for state in parts.values())
    return JSONResponse({"status": "ready" if ready else "not ready", **parts}, status_code=200 if ready else 503)


async def _database(services: Services) -> tuple[str, str]:
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            return "ok", "ok" if await at_head(services.engine) else "run paycore migrate"
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
        logger.warning("not ready: the database does not answer: %s", type(error).__name__)
        return "unavailable", "unknown"
