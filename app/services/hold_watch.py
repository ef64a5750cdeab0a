"""One subscriber's watch of a hold: its present state first, then its state after each event."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from uuid import UUID

from app.db import hold_sql
from app.db.hold_sql import FoundHold
from app.messages import events
from app.messages.pubsub import Subscription
from app.messages.redis_backend import CATCH_UP
from app.services.live_reads import EventReads, LiveReads
from app.services.wallet_watch import parse


@dataclass(frozen=True, slots=True)
class HoldUpdate:
    """The state of a hold, with facts about it that never change."""

    found: FoundHold
    reads: EventReads = field(kw_only=True, repr=False, compare=False)
    """The reads for this update, shared with other subscribers."""


class HoldWatch:
    """One subscriber's position: the number of the newest event that it knows."""

    def __init__(self, found: FoundHold, subscription: Subscription, reader: HoldReader, shared: LiveReads) -> None:
        self.found = found
        self._subscription = subscription
        self._reader = reader
        self._shared = shared

    @property
    def hold_id(self) -> UUID:
        return self.found.hold.id

    def compare(self, number: int) -> None:
        """Catch up if the database was ahead of this watch one grace period ago."""
        if self.found.hold.events < number:
            self._subscription.catch_up()

    async def updates(self) -> AsyncGenerator[HoldUpdate, None]:
        """Yield the updates. Does not end by itself."""
        yield HoldUpdate(self.found, reads=self._shared.unshared())
        while True:
            message = await self._subscription.get()
            await self._shared.turns.take()
            event = None if message is CATCH_UP else parse(message)
            known = self.found.hold.events
            if isinstance(event, events.HoldChangedEvent) and event.hold_id == self.hold_id and event.number <= known:
                continue
            found = await self._reader.hold(self.hold_id)
            assert found is not None, "holds are never deleted"
            if found.hold.events > known:
                self.found = found
                yield HoldUpdate(found, reads=self._shared.of_event((self.hold_id, found.hold.events)))


class HoldReader:
    """The database reads of watches of holds."""

    def __init__(self, shared: LiveReads) -> None:
        self._database = shared.database

    async def hold(self, hold_id: UUID) -> FoundHold | None:
        async def read() -> FoundHold | None:
            async with self._database.connect() as connection:
                return await hold_sql.find(connection, hold_id)

        return await self._database.read_with_retries(read)

    async def numbers(self, hold_ids: Collection[UUID]) -> dict[UUID, int]:
        async def read() -> dict[UUID, int]:
            async with self._database.connect() as connection:
                return await hold_sql.versions(connection, hold_ids)

        return await self._database.read_with_retries(read)
