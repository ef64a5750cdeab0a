"""What endpoints that never answer cost the transfers: `single` beside a worker, with a hundred of them and with none."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from app import ids
from app.clock import system_clock
from app.services.webhooks.sealing import Seal
from app.services.webhooks.signing import SigningKeys
from bench.stack import WEBHOOK_KEY, Stack
from bench.throughput import Measured, Meter
from bench.world import USER

ENDPOINTS = 100
_DOCUMENT = "subscription { transactionSettled { transaction { id amount { amount currency } } } }"
_INSERT = """
INSERT INTO webhook_endpoints (id, owner_id, created_at, start_number, source, sees_all, ordered, public_key, keys,
                               request_hash, url, document, idempotency_key)
SELECT $1, $2, now(), (SELECT coalesce(max(last_position), 0) FROM event_chunks), 'SETTLED', $3, true, $4, $5, sha256('x'),
       $6, $7, $8
"""
_SET_STATUS = "UPDATE webhook_endpoints SET status = CAST($1 AS text)::webhook_status"
_KNOWN_TO_HANG = "SELECT count(*) = $1 FROM webhook_endpoints WHERE failures >= $2 AND behind_after IS NOT NULL"
_GIVE_UP_SECONDS = 180.0


async def hanging(
    stack: Stack, meter: Meter, rounds: int, *, attempts: int, sees_all: bool = False
) -> tuple[list[Measured], list[Measured]]:
    """Returns `single` with no endpoint and with those that hang, in turns, once each of them has hung for that many attempts.

    The endpoints are of a hundred users, for the transactions of each; with `sees_all`, for all transactions. In the turns with
    none they are paused.
    """
    alone: list[Measured] = []
    beside: list[Measured] = []
    connection = await asyncpg.connect(stack.database_url)
    try:
        async with never_answering() as url, stack.worker():
            await _create(connection, url, sees_all=sees_all)
            async with asyncio.timeout(_GIVE_UP_SECONDS):
                while not await connection.fetchval(_KNOWN_TO_HANG, ENDPOINTS, attempts):
                    await meter.again()
            for _ in range(rounds):
                await connection.execute(_SET_STATUS, "PAUSED")
                alone.append(await meter.again())
                await connection.execute(_SET_STATUS, "ENABLED")
                beside.append(await meter.again())
    finally:
        await connection.close()
    return alone, beside


async def _create(connection: asyncpg.Connection, url: str, *, sees_all: bool) -> None:
    seal = Seal([WEBHOOK_KEY])
    rows = []
    for number in range(1, ENDPOINTS + 1):
        endpoint_id, keys = ids.new_id(system_clock()), SigningKeys.generate()
        sealed = seal.seal(keys.pack(), endpoint_id)
        rows.append((endpoint_id, UUID(USER.format(number)), sees_all, keys.public, sealed, url, _DOCUMENT, secrets.token_hex(8)))
    await connection.executemany(_INSERT, rows)


@asynccontextmanager
async def never_answering() -> AsyncIterator[str]:
    """The URL of a server that takes requests and says nothing."""
    tasks: set[asyncio.Task[None]] = set()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
