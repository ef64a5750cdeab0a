"""Deliveries that an owner asks for: again, what was missed, or a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from app import ids
from app.access import policy
from app.access.viewer import Viewer
from app.clock import Clock, monotonic, unix_milliseconds
from app.db import archive_sql, live_sql, webhook_replay_sql, webhook_sql
from app.db.pool import Database, driver_connection
from app.errors import Archived, BadUserInput, Refusal, RefusalCode, Unavailable
from app.paging.update_cursor import decode_update_cursor
from app.records import WebhookAttempt, WebhookEndpoint, WebhookSource, WebhookStatus
from app.services.webhooks.endpoints import not_found, own, seal_of
from app.settings import Settings

MAX_REPLAYED = 10_000
TEST_PAYLOAD = '{"data":null,"extensions":{"test":true}}'
_LOOK_SECONDS = 0.05
_FROM = ("input", "from")


@dataclass(frozen=True, slots=True)
class ReplayInput:
    """One of the three: a delivery, all since a moment, or all of the endpoint's wallet after a cursor of walletUpdated."""

    delivery_id: str | None = None
    since: datetime | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """How many deliveries were scheduled, or the refusals."""

    scheduled: int
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class TestResult:
    """What came of a test, if it came in time, or the refusals."""

    attempt: WebhookAttempt | None
    refusals: tuple[Refusal, ...] = ()

    __test__ = False


async def replay(engine: Database, viewer: Viewer, endpoint_id: str, wanted: ReplayInput, *, clock: Clock) -> ReplayResult:
    """Schedule deliveries. Each keeps its webhook-id, so a receiver that has seen it drops it.

    Raises Forbidden, Unavailable, and Archived if some of the entries are in files.
    """
    policy.require_webhooks(viewer)
    endpoint = await own(engine, viewer, endpoint_id)
    if endpoint is None:
        return ReplayResult(0, (not_found("endpointId"),))
    async with _transaction(engine) as connection:
        start_number = await webhook_replay_sql.lock(connection, endpoint.id)
        result = await _scheduled(connection, endpoint, wanted, start_number, clock())
        if result.scheduled:
            await webhook_replay_sql.wake(connection, endpoint.id, clock())
    return result


async def _scheduled(
    connection: asyncpg.Connection, endpoint: WebhookEndpoint, wanted: ReplayInput, start_number: int, now: datetime
) -> ReplayResult:
    if wanted.delivery_id is not None:
        decoded = ids.decode("whd", wanted.delivery_id)
        found = 0 if decoded is None else await webhook_replay_sql.deliver_again(connection, endpoint.id, decoded, now)
        return ReplayResult(found) if found else _refused("This endpoint has no delivery with this id.", "deliveryId")
    if endpoint.source is WebhookSource.WALLET:
        after = await _start(connection, endpoint, wanted)
        return after if isinstance(after, ReplayResult) else await _entries(connection, endpoint, after, start_number, now)
    if wanted.since is None:
        return _refused("A cursor is of one wallet: it is for endpoints of walletUpdated.", "after")
    if await webhook_replay_sql.count_since(connection, endpoint.id, wanted.since, MAX_REPLAYED + 1) > MAX_REPLAYED:
        return _too_many("since")
    return ReplayResult(await webhook_replay_sql.deliver_again_since(connection, endpoint.id, wanted.since, now))


async def _start(connection: asyncpg.Connection, endpoint: WebhookEndpoint, wanted: ReplayInput) -> int | ReplayResult:
    """The sequence after which the entries of the endpoint's wallet are delivered."""
    assert endpoint.subject_id is not None
    if wanted.since is not None:
        return await webhook_replay_sql.last_sequence_before(connection, endpoint.subject_id, wanted.since)
    assert wanted.after is not None
    try:
        return decode_update_cursor(wanted.after, endpoint.subject_id)
    except BadUserInput as error:
        return _refused(str(error), "after")


async def _entries(
    connection: asyncpg.Connection, endpoint: WebhookEndpoint, after: int, start_number: int, now: datetime
) -> ReplayResult:
    """All entries of the wallet after this one: from the ledger, so none is missing, whatever happened to the endpoint."""
    wallet_id = endpoint.subject_id
    assert wallet_id is not None
    places = await webhook_replay_sql.entries_after(connection, wallet_id, after, MAX_REPLAYED + 1)
    if len(places) > MAX_REPLAYED:
        return _too_many("after")
    if (not places or places[0].sequence > after + 1) and await archive_sql.has_archived(connection, wallet_id):
        wallet = await live_sql.wallet_by_id(connection, wallet_id)
        if places or wallet is None or wallet.sequence > after:
            raise Archived
    known = [place for place in places if place.position is not None]
    if any(place.position is None and place.sequence <= start_number for place in places):
        # Younger ones come by themselves.
        raise Unavailable("Some of these entries have no position yet. Try again in a few seconds.")
    new_ids = sorted(ids.new_id(now) for _ in known)
    found = list(zip(new_ids, known, strict=True))
    await webhook_replay_sql.deliver_entries(connection, endpoint.id, wallet_id, found, after=after, now=now)
    return ReplayResult(len(known))


async def send_test(engine: Database, settings: Settings, viewer: Viewer, endpoint_id: str, *, clock: Clock) -> TestResult:
    """Let a worker send a test, once, and wait for what comes of it. Raises Forbidden, Unavailable."""
    policy.require_webhooks(viewer)
    seal_of(settings)
    endpoint = await own(engine, viewer, endpoint_id)
    if endpoint is None:
        return TestResult(None, (not_found("endpointId"),))
    if endpoint.status is not WebhookStatus.ENABLED:
        return TestResult(None, (Refusal(RefusalCode.INVALID_INPUT, "The endpoint is not enabled.", ("endpointId",)),))
    now = clock()
    delivery_id = ids.new_id(now)
    async with _transaction(engine) as connection:
        await webhook_replay_sql.lock(connection, endpoint.id)
        number = unix_milliseconds(now) * 1000 + delivery_id.int % 1000
        await webhook_replay_sql.insert_test(connection, delivery_id, endpoint.id, number, now=now, payload=TEST_PAYLOAD)
        await webhook_replay_sql.wake(connection, endpoint.id, now)
    return TestResult(await _attempt(engine, delivery_id, settings.request_timeout_seconds * 0.8))


async def _attempt(engine: Database, delivery_id: UUID, seconds: float) -> WebhookAttempt | None:
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        found = await webhook_sql.attempts_of(engine, [delivery_id])
        if found:
            return found[delivery_id][0]
        await asyncio.sleep(_LOOK_SECONDS)
    return None


@asynccontextmanager
async def _transaction(engine: Database) -> AsyncIterator[asyncpg.Connection]:
    async with driver_connection(engine) as connection, connection.transaction():
        yield connection


def _too_many(field_name: str) -> ReplayResult:
    return _refused(f"At most {MAX_REPLAYED} events can be replayed at once. Choose a later start.", field_name)


def _refused(message: str, field_name: str) -> ReplayResult:
    return ReplayResult(0, (Refusal(RefusalCode.INVALID_INPUT, message, (*_FROM, field_name)),))
