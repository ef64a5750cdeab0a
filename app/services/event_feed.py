"""The event feed: all events by position, with what they are about, for other services and warehouses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import monotonic
from app.db import sequence_sql
from app.db.pool import Database, driver_connection
from app.db.sequence_sql import Sequenced
from app.errors import Archived, BadUserInput
from app.records import Entry, EventKind, Hold, Transaction, Wallet
from app.services import hold_reading, reading

MAX_EVENTS = 1000
MAX_WAIT_SECONDS = 25
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events in order, and the records that they name. A hold or wallet is as it is now."""

    events: Sequence[Sequenced]
    transactions: Mapping[UUID, Transaction]
    entries: Mapping[UUID, tuple[Entry, ...]]
    wallets: Mapping[UUID, Wallet]
    holds: Mapping[UUID, Hold]


async def read(engine: Database, viewer: Viewer, after: int, limit: int) -> FeedPage:
    """The first `limit` events above a position. Raises Forbidden without SEE_ALL, BadUserInput for a position ahead of all.

    Raises Archived if the entries of one of them are in files.
    """
    policy.require(viewer, Right.SEE_ALL)
    async with driver_connection(engine) as connection:
        last = await sequence_sql.last_position(connection)
        if after > last:
            raise BadUserInput("This position is ahead of the ledger: it was restored from an older backup, or is another one.")
        events = await sequence_sql.events_after(connection, after, limit) if after < last else []

    def subjects(kind: EventKind) -> list[UUID]:
        return list({event.subject_id for event in events if event.kind is kind})

    settled = subjects(EventKind.SETTLED)
    entries = await reading.load_entries(engine, viewer, settled)
    if len(entries) < len(settled) and await reading.load_archived(engine, settled):
        raise Archived
    wallet_ids = {entry.wallet_id for found in entries.values() for entry in found}
    return FeedPage(
        events=events,
        transactions=await reading.load_transactions(engine, viewer, settled),
        entries=entries,
        wallets=await reading.load_wallets(engine, viewer, [*wallet_ids.union(subjects(EventKind.WALLET))]),
        holds=await hold_reading.load_holds(engine, viewer, subjects(EventKind.HOLD)),
    )


async def read_or_wait(
    engine: Database, viewer: Viewer, after: int, limit: int, *, wait_seconds: float, is_over: Callable[[], bool]
) -> FeedPage:
    """As `read`. If there is no event yet, waits for one, until the time or `is_over` ends it with an empty page."""
    deadline = monotonic() + wait_seconds
    while True:
        page = await read(engine, viewer, after, limit)
        if page.events or monotonic() >= deadline or is_over():
            return page
        await asyncio.sleep(_LOOK_SECONDS)
