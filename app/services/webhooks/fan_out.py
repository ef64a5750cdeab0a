"""From positions of events to deliveries: which endpoint gets which event. One worker at a time, in bounded steps.

Endpoints follow one position together. One that takes nothing gets no rows: its own position stays, and it goes on from there,
by itself, until it has caught up. So nothing is lost, and the rows that wait for an endpoint are bounded.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from app import ids
from app.clock import Clock
from app.db import sequence_sql, webhook_fan_out_sql
from app.db.webhook_fan_out_sql import Behind, Match
from app.services.webhooks.schedule import FREE_FAILURES, LONGEST_REST
from app.telemetry import metrics, tracing

STEP = 200
"""Events of one transaction. Each may have a delivery for each endpoint."""
CATCH_UP_STEP = 1000
"""Events of one transaction for one endpoint."""
MOST_WAITING = 1000
"""Deliveries of one endpoint that may wait before it falls behind. One step may add to it."""
_ROOM = 200
"""How far below that an endpoint must be to go on: its events are not read for a few rows each time."""
_ROOM_IF_FAILING = 20
"""An endpoint that fails gets new deliveries only if it has none to be tried with soon."""
_LOOK_AGAIN, _LOOK_AGAIN_IF_FAILING = timedelta(seconds=1), timedelta(seconds=30)
"""When an endpoint without room is looked at again; one that fails not before its next trial, or when it accepts something."""


async def fan_out(connection: asyncpg.Connection, clock: Clock) -> int:
    """Write the deliveries of the next events. Returns how many events there were; 0 also if another worker is at it.

    Events, deliveries and the position are one transaction: killed at any point, the next worker does the same again.
    """
    async with connection.transaction():
        position = await webhook_fan_out_sql.lock_progress(connection)
        if position is None:
            return 0
        last = await sequence_sql.last_position(connection)
        if last <= position:
            metrics.WEBHOOK_POSITION.set(position)
            return 0
        # After the last position was read: an endpoint that is committed later is owed only what is sequenced later.
        if not await webhook_fan_out_sql.has_endpoints(connection):
            await webhook_fan_out_sql.advance(connection, last)
            metrics.WEBHOOK_POSITION.set(last)
            return 0
        events = await sequence_sql.events_after(connection, position, STEP)
        with tracing.work_span("fan out webhooks", attributes={"paycore.events": len(events)}):
            found, now = await webhook_fan_out_sql.matches(connection, events), clock()
            if found:
                stopped = await webhook_fan_out_sql.stop(
                    connection, {one.endpoint_id for one in found}, position, now, failures=FREE_FAILURES, waiting=MOST_WAITING
                )
                await _insert(connection, [one for one in found if one.endpoint_id not in stopped], now)
        await webhook_fan_out_sql.advance(connection, events[-1].position)
        metrics.WEBHOOK_POSITION.set(events[-1].position)
        return len(events)


async def catch_up(connection: asyncpg.Connection, clock: Clock) -> bool:
    """Write the next deliveries of one endpoint that is behind. Returns False if there is none, or another worker is at it."""
    async with connection.transaction():
        # Nothing follows further meanwhile: an endpoint that reaches this position has all up to it.
        position = await webhook_fan_out_sql.lock_progress(connection)
        if position is None:
            return False
        now = clock()
        endpoint = await webhook_fan_out_sql.lock_behind(connection, now)
        if endpoint is None:
            return False
        if _is_tried_soon(endpoint, now):
            # All of them at once: each by itself, a hundred that hang would take a transaction each again and again.
            await webhook_fan_out_sql.put_off(
                connection, now, failures=FREE_FAILURES, soon=now + LONGEST_REST, least=now + _LOOK_AGAIN_IF_FAILING
            )
            return True
        room = await _room(connection, endpoint)
        if room == 0:
            await webhook_fan_out_sql.set_behind(connection, endpoint.id, endpoint.after, now + _LOOK_AGAIN)
            return True
        events = await sequence_sql.events_after(connection, endpoint.after, min(CATCH_UP_STEP, position - endpoint.after))
        found = sorted(await webhook_fan_out_sql.matches_of(connection, endpoint.id, events), key=_place) if events else []
        fitting = _fitting(found, room)
        reached = position if not events else events[-1].position
        if len(fitting) < len(found):
            reached = fitting[-1].position
        await _insert(connection, fitting, now)
        if fitting:
            await webhook_fan_out_sql.wake(connection, endpoint.id, now)
        has_caught_up = reached >= position
        await webhook_fan_out_sql.set_behind(
            connection, endpoint.id, None if has_caught_up else reached, None if has_caught_up else now
        )
        return True


def _is_tried_soon(endpoint: Behind, now: datetime) -> bool:
    """Whether an endpoint fails and has deliveries to be tried with once its rest is over.

    Without such a trial it could not show that it answers again.
    """
    return endpoint.failures >= FREE_FAILURES and endpoint.due_at is not None and endpoint.due_at <= now + LONGEST_REST


async def _room(connection: asyncpg.Connection, endpoint: Behind) -> int:
    """How many deliveries may be added. 0: enough wait."""
    if endpoint.failures >= FREE_FAILURES:
        return _ROOM_IF_FAILING
    room = MOST_WAITING - await webhook_fan_out_sql.count_waiting(connection, endpoint.id, MOST_WAITING)
    return room if room >= _ROOM else 0


def _fitting(found: list[Match], room: int) -> list[Match]:
    """The first of them, about as many as fit: those of one position stay together."""
    if len(found) <= room:
        return found
    end = found[room].position
    return [one for one in found if one.position < end] or [one for one in found if one.position == end]


def _place(match: Match) -> tuple[int, int]:
    return match.position, match.number


async def _insert(connection: asyncpg.Connection, found: list[Match], now: datetime) -> None:
    if not found:
        return
    # In the order of the events, so that a list by id has it too.
    found.sort(key=_place)
    new_ids = sorted(ids.new_id(now) for _ in found)
    await webhook_fan_out_sql.insert_deliveries(connection, list(zip(new_ids, found, strict=True)), now)
