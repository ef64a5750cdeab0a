"""Which deliveries of an endpoint may be sent now. Pure.

A delivery belongs to lanes: the wallets that its event is about. Within a lane the order is that of the ledger, so a delivery
waits while an earlier one of any of its lanes is not delivered: in flight, between two attempts, or parked. Other lanes go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Waiting(NamedTuple):
    """A delivery that is not delivered. `due_at` is its next attempt, or when the lease of one in flight ends."""

    id: UUID
    lanes: tuple[UUID, ...]
    """None of them: it waits for nothing."""
    due_at: datetime | None
    """None: parked. It stays so until a person replays it."""


class Ready(NamedTuple):
    """What may be sent, and when more may be."""

    ids: list[UUID]
    next_due_at: datetime | None
    """The earliest attempt among those that wait for their time, and for nothing else."""


def ready(waiting: Iterable[Waiting], now: datetime, limit: int) -> Ready:
    """The first `limit` deliveries that may be sent. `waiting` is in the ledger's order, from the oldest."""
    taken: set[UUID] = set()
    ids: list[UUID] = []
    times: list[datetime] = []
    for one in waiting:
        is_first = taken.isdisjoint(one.lanes)
        taken.update(one.lanes)
        if not is_first or one.due_at is None:
            continue
        if one.due_at <= now and len(ids) < limit:
            ids.append(one.id)
        else:
            times.append(one.due_at)
    return Ready(ids, min(times, default=None))
