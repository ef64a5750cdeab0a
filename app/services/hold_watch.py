"""One subscriber's watch of a hold: its present state first, then its state after each event."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from uuid import UUID

from app.db import hold_sql
from app.db.hold_sql import HoldFacts
from app.messages import events
from app.messages.pubsub import Subscription
from app.messages.redis_backend import CATCH_UP
from app.records import Hold
from app.services.live_reads import EventReads, LiveReads
from app.services.wallet_watch import parse


@dataclass(frozen=True, slots=True)
class HoldUpdate:
    """The state of a hold."""

    hold: Hold
    facts: HoldFacts
    reads: EventReads = field(kw_only=True, repr=False, compare=False)
    """The reads for this update, shared with other subscribers."""


class HoldWatch:
    """One subscriber's position: the number of the newest event that it knows."""

    def __init__(self, facts: HoldFacts, hold: Hold, subscription: Subscription, reader: HoldReader, shared: LiveReads) -> None:
        self.facts = facts
        self.hold = hold
        self._subscription = subscription
        self._reader = reader
        self._shared = shared

    @property
    def hold_id(self) -> UUID:
        return self.facts.id

    def compare(self, number: int) -> None:
        """Catch up if the database was ahead of this watch one grace period ago."""
        if self.hold.events < number:
            self._subscription.catch_up()

    async def updates(self) -> AsyncGenerator[HoldUpdate, None]:
        """Yield the updates. Does not end by itself."""
        yield HoldUpdate(self.hold, self.facts, reads=self._shared.unshared())
        while True:
            message = await self._subscription.get()
            await self._shared.turns.take()
            event = None if message is CATCH_UP else parse(message)
            known = self.hold.events
            if isinstance(event, events.HoldChangedEvent) and event.hold_id == self.hold_id and event.number <= known:
                continue
            hold = await self._reader.hold(self.hold_id)
            if hold.events > known:
                self.hold = hold
                yield HoldUpdate(hold, self.facts, reads=self._shared.of_event((self.hold_id, hold.events)))


class HoldReader:
    """The database reads of watches of holds."""

    def __init__(self, shared: LiveReads) -> None:
        self._database = shared.database

    async def facts(self, hold_id: UUID) -> HoldFacts | None:
        """The facts about a hold, or None if there is none."""
        found = await self._database.read_with_retries(lambda: hold_sql.facts(self._database, [hold_id]))
        return found.get(hold_id)

    async def hold(self, hold_id: UUID) -> Hold:
        """A hold that exists: holds are never deleted."""
        (hold,) = await self._database.read_with_retries(lambda: hold_sql.holds_by_id(self._database, [hold_id], None))
        return hold

    async def numbers(self, hold_ids: Collection[UUID]) -> dict[UUID, int]:
        return await self._database.read_with_retries(lambda: hold_sql.versions(self._database, hold_ids))
