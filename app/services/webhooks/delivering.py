"""Taking deliveries, and writing what came of each: delivered, tried again later, parked, or the endpoint disabled."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import asyncpg

from app.db import webhook_queue_sql
from app.db.webhook_queue_sql import Finished, Row
from app.records import WebhookDelivery, WebhookEndpoint
from app.services.webhooks.events import is_test
from app.services.webhooks.lanes import Waiting, ready
from app.services.webhooks.schedule import pause_after, rest_after
from app.services.webhooks.sending import Answer

AT_ONCE = 8
"""Deliveries of one endpoint that are in flight at once. To one that has just failed: one."""
LEASE_MARGIN = timedelta(seconds=20)
"""How much longer than an attempt may take a delivery stays taken. After it, another worker delivers it again."""
_DOWN = timedelta(days=2)
"""An endpoint that has not accepted anything for so long, when a delivery's last attempt fails, is disabled."""
_RESTED = 5
"""Failures in a row after which a success means that the endpoint was down, and not that one event is refused."""
_MAX_ERROR = 500


class Outcome(StrEnum):
    """What came of an attempt, for the metrics."""

    DELIVERED = "delivered"
    FAILED = "failed"
    PARKED = "parked"
    DISABLED = "disabled"
    LEASE_OVER = "lease_over"


class Taken(NamedTuple):
    """A delivery that this worker has until `leased_until`."""

    endpoint: WebhookEndpoint
    delivery: WebhookDelivery
    leased_until: datetime


async def take(connection: asyncpg.Connection, now: datetime, seconds: float, *, also_failing: bool) -> list[Taken] | None:
    """Take what may be sent to the endpoint that is due first. None: none is due. `seconds`: how long an attempt may take.

    A lease outlives its worker, however that ends: the delivery is then sent again, with the same webhook-id.
    """
    async with connection.transaction():
        endpoint = await webhook_queue_sql.lock_due(connection, now, also_failing=also_failing)
        if endpoint is None:
            return None
        rows = await webhook_queue_sql.waiting(connection, endpoint)
        in_flight = [row.leased_until for row in rows if row.leased_until is not None and row.leased_until > now]
        room = max(0, (1 if endpoint.failures else AT_ONCE) - len(in_flight))
        found = ready((_waiting(row, is_ordered=endpoint.ordered) for row in rows), now, room)
        until = now + timedelta(seconds=seconds) + LEASE_MARGIN
        taken = await webhook_queue_sql.lease(connection, found.ids, until) if found.ids else []
        # What ends an attempt looks again at once. This is for attempts that do not end, and for later ones.
        ends = [until] if taken else in_flight
        is_full = len(found.ids) == room
        later = [] if found.next_due_at is None or is_full else [found.next_due_at]
        await webhook_queue_sql.set_due(connection, endpoint.id, min([*ends, *later], default=found.next_due_at))
        return [Taken(endpoint, delivery, until) for delivery in taken]


def _waiting(row: Row, *, is_ordered: bool) -> Waiting:
    times = [moment for moment in (row.next_attempt_at, row.leased_until) if moment is not None]
    return Waiting(row.id, tuple(row.lanes) if is_ordered else (), max(times, default=None))


async def record(connection: asyncpg.Connection, taken: Taken, answer: Answer, payload: str | None, now: datetime) -> Outcome:
    """Write what came of an attempt."""
    delivery = taken.delivery
    async with connection.transaction():
        health = await webhook_queue_sql.lock_endpoint(connection, taken.endpoint.id)
        failures = 0 if answer.is_success else delivery.failures + 1
        is_last = answer.is_success or answer.is_gone or is_test(delivery)
        pause = None if is_last else pause_after(failures)
        done = Finished(
            failures=failures,
            delivered_at=now if answer.is_success else None,
            next_attempt_at=None if pause is None else now + pause,
            payload=payload,
        )
        number = await webhook_queue_sql.finish(connection, delivery.id, taken.leased_until, done)
        if number is None:
            return Outcome.LEASE_OVER
        error = None if answer.error is None else answer.error[:_MAX_ERROR]
        started = now - timedelta(milliseconds=answer.duration_ms)
        written = (answer.duration_ms, answer.status, error, answer.body)
        await webhook_queue_sql.insert_attempt(connection, delivery.id, number, started, written)
        if answer.is_success:
            if health.failures >= _RESTED:
                await webhook_queue_sql.make_all_due(connection, taken.endpoint.id, now)
            await webhook_queue_sql.set_health(connection, taken.endpoint.id, 0, None, now, is_disabled=False)
            return Outcome.DELIVERED
        since, in_a_row = health.failing_since or now, health.failures + 1
        is_disabled = answer.is_gone or (pause is None and now - since >= _DOWN)
        due_at = now + (rest_after(in_a_row) or timedelta())
        await webhook_queue_sql.set_health(connection, taken.endpoint.id, in_a_row, since, due_at, is_disabled=is_disabled)
        if is_disabled:
            return Outcome.DISABLED
        return Outcome.PARKED if pause is None else Outcome.FAILED
