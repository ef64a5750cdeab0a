"""Gives each event of the outbox its position: 1, 2, 3 … without a gap.

This is the only place that knows which events are visible for good. Everything that follows events reads their positions.

Rows are numbered as soon as they are committed, in the order of claims and of their ids within a claim. Ids are assigned under
the wallets' locks, so the events of a wallet keep their order. Numbering does not wait for Redis: a second cursor says which
positions are published, and the rows of those are deleted. A row stays in the outbox until then.

The state is one leader's. Each new leader reads it from the chunks, so no event gets two positions, and none is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from app.clock import system_clock
from app.db import outbox_sql, sequence_sql
from app.db.outbox_sql import Claim, Unseen, Waiting
from app.db.sequence_sql import Ends, NewChunk
from app.messages.events import Subject
from app.telemetry import metrics

_RESUMED_AT_ONCE = 100_000
"""Positions whose outbox ids a new leader reads with one statement."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Payloads that are numbered but not published, in order. They end at `position`."""

    payloads: Sequence[str]
    position: int


class Sequencer:
    """The positions that one leader has given, published and deleted."""

    def __init__(self, ends: Ends, unseen: Unseen) -> None:
        self.last = ends.last
        self.published = ends.published
        self._deleted = ends.published
        self._unseen = unseen
        self._has_claimed = False

    @property
    def low_water(self) -> int:
        """The outbox id up to which every row has been numbered or parked."""
        return self._unseen.low_water

    async def claim(self, connection: asyncpg.Connection, limit: int) -> Claim:
        """Return the next rows without a position, and delete those that were published since the last claim."""
        published = self.published
        claim = await outbox_sql.claim(connection, self._unseen, limit, (self._deleted, published), first=not self._has_claimed)
        self._has_claimed = True
        self._deleted = published
        return claim

    async def number(
        self,
        connection: asyncpg.Connection,
        claim: Claim,
        readable: Sequence[tuple[Waiting, Subject]],
        unreadable: dict[int, str],
    ) -> None:
        """Give the readable rows of a claim the next positions, and park the others with their reasons.

        A row that cannot be read gets no position: nobody knows what it is about. It gets one when it is read after a retry.
        Raises asyncpg.IntegrityConstraintViolationError if this relay does not lead any more.
        """
        if unreadable:
            self._unseen.recorded(claim, await outbox_sql.park(connection, unreadable))
        if readable:
            chunk = NewChunk(
                "".join(subject.kind for _, subject in readable),
                [subject.id for _, subject in readable],
                [subject.number for _, subject in readable],
                [row.id for row, _ in readable],
            )
            transaction_id = await sequence_sql.append(connection, Ends(self.last, self._deleted), chunk)
            self._unseen.recorded(claim, transaction_id)
            self.last += len(readable)
        self._unseen.saw([row.id for row in claim.rows])
        self._unseen.passed(claim)
        self._report(claim)

    async def backlog(self, connection: asyncpg.Connection, most: int) -> Backlog:
        """Return the next payloads that are numbered but not published: those of about `most` positions."""
        chunks = await sequence_sql.chunks_after(connection, self.published, most)
        ids = [id_ for chunk in chunks for id_ in chunk.outbox_ids]
        found = await outbox_sql.payloads(connection, ids)
        # A row that is not there was published by the leader before.
        position = chunks[-1].last_position if chunks else self.last
        return Backlog([found[id_] for id_ in ids if id_ in found], position)

    def was_published(self, position: int) -> None:
        """Record that everything up to a position, the end of a chunk, is published."""
        self.published = position
        metrics.RELAY_UNPUBLISHED.set(self.last - position)

    async def finish(self, connection: asyncpg.Connection) -> None:
        """Delete what was published since the last claim."""
        await outbox_sql.delete_published(connection, self._deleted, self.published)
        self._deleted = self.published

    def _report(self, claim: Claim) -> None:
        metrics.RELAY_POSITION.set(self.last)
        metrics.RELAY_UNPUBLISHED.set(self.last - self.published)
        oldest = min((row.created_at for row in claim.rows), default=None)
        lag = 0.0 if oldest is None else (system_clock() - oldest).total_seconds()
        metrics.RELAY_SEQUENCING_LAG.set(max(lag, 0.0))


async def resume(connection: asyncpg.Connection) -> Sequencer:
    """Return the state after the last leader: which rows of the outbox have a position, although they are still there."""
    ends = await sequence_sql.ends(connection)
    unseen = Unseen()
    position = ends.published
    while position < ends.last:
        chunks = await sequence_sql.chunks_after(connection, position, _RESUMED_AT_ONCE)
        for chunk in chunks:
            unseen.saw(chunk.outbox_ids)
        position = chunks[-1].last_position if chunks else ends.last
    return Sequencer(ends, unseen)
