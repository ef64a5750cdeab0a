"""Positions of events: 1, 2, 3 … without a gap, in an order in which the events of each wallet keep theirs.

The leading relay gives them (`app/services/sequencer.py`), in chunks. What follows events (webhooks, the feed, the log) remembers
the last position that it has handled, and reads on from there. A position that can be read is durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from app.db.statements import Reader
from app.records import EventKind

MAX_CHUNK = 1000
"""Most events of a chunk."""

_AFTER = """
SELECT first_position, kinds, subject_ids, numbers FROM event_chunks
WHERE first_position > $1::bigint - 1000 AND first_position <= $1 + $2 AND last_position > $1
ORDER BY first_position
"""
_LAST = "SELECT last_position, published_position FROM event_chunks ORDER BY first_position DESC LIMIT 1"

# Only chunks whose lowest and highest ids surround an id can hold it. One with a highest id just above comes first.
_PLACES = """
SELECT asked.id, found.first_position, found.settled, found.kinds, found.subject_ids
FROM unnest($1::uuid[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT first_position, settled, kinds, subject_ids FROM event_chunks
    WHERE highest_transaction_id >= asked.id AND lowest_transaction_id <= asked.id AND asked.id = ANY (subject_ids)
    ORDER BY highest_transaction_id LIMIT 1
) AS found
"""
_APPEND = """
INSERT INTO event_chunks (first_position, published_position, kinds, subject_ids, numbers, outbox_ids)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING pg_current_xact_id()::text::bigint
"""
_CHUNKS = """
SELECT last_position, outbox_ids FROM event_chunks
WHERE first_position > $1 AND first_position <= $1 + $2 AND outbox_ids IS NOT NULL ORDER BY first_position
"""
_SECONDS = 10


class Sequenced(NamedTuple):
    """An event at its position. `number` is that of a hold's event or the version of a wallet; 0 for a transaction."""

    position: int
    kind: EventKind
    subject_id: UUID
    number: int


class Place(NamedTuple):
    """Where a settled transaction is: among all events, and among the settled transactions alone, counted from 0."""

    position: int
    settled_index: int


class Ends(NamedTuple):
    """The last position, and one up to which all events were published and deleted from the outbox. 0: none."""

    last: int
    published: int


class Chunk(NamedTuple):
    """The outbox ids of a chunk, in the order of their positions."""

    last_position: int
    outbox_ids: list[int]


class NewChunk(NamedTuple):
    """Events for the next positions. The members run parallel."""

    kinds: str
    subject_ids: Sequence[UUID]
    numbers: Sequence[int]
    outbox_ids: Sequence[int]


async def events_after(connection: asyncpg.Connection, position: int, limit: int) -> list[Sequenced]:
    """Returns the first `limit` events above a position, in order."""
    found: list[Sequenced] = []
    for first, kinds, subject_ids, numbers in await connection.fetch(_AFTER, position, limit):
        found += [
            Sequenced(first + n, EventKind(kind), subject_id, number)
            for n, (kind, subject_id, number) in enumerate(zip(kinds, subject_ids, numbers, strict=True))
            if first + n > position
        ]
    return found[:limit]


async def last_position(connection: asyncpg.Connection) -> int:
    """Returns the highest position, or 0."""
    return (await ends(connection)).last


async def is_given(reader: Reader, position: int) -> bool:
    """Whether an event has this position."""
    rows = await reader.fetch(_LAST)
    return bool(rows) and position <= rows[0]["last_position"]


async def place_of(reader: Reader, transaction_id: UUID) -> Place | None:
    """Returns where a COMPLETED transaction is. None: it has no position yet."""
    return (await places_of(reader, [transaction_id])).get(transaction_id)


async def places_of(reader: Reader, transaction_ids: Sequence[UUID]) -> dict[UUID, Place]:
    """Returns where COMPLETED transactions are, those that have a position. Another id would be looked for in every chunk."""
    found = {}
    for id_, first_position, settled, kinds, subject_ids in await reader.fetch(_PLACES, transaction_ids):
        n = subject_ids.index(id_)
        found[id_] = Place(first_position + n, settled - kinds[n:].count(EventKind.SETTLED))
    return found


async def ends(connection: asyncpg.Connection) -> Ends:
    """Returns how far events are sequenced and known to be published."""
    row = await connection.fetchrow(_LAST, timeout=_SECONDS)
    return Ends(0, 0) if row is None else Ends(*row)


async def append(connection: asyncpg.Connection, after: Ends, chunk: NewChunk) -> int:
    """Give the positions after the last one. Returns the id of the transaction, which is durable then.

    Raises asyncpg.IntegrityConstraintViolationError if another relay has given them.
    """
    transaction_id: int = await connection.fetchval(_APPEND, after.last + 1, after.published, *chunk, timeout=_SECONDS)
    return transaction_id


async def chunks_after(connection: asyncpg.Connection, position: int, most: int) -> list[Chunk]:
    """Returns the chunks that begin within the `most` positions after the end of a chunk."""
    return [Chunk(*row) for row in await connection.fetch(_CHUNKS, position, most, timeout=_SECONDS)]
