"""What the projector of the read models reads and writes. See `app/services/projection.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg
import orjson

from app import ids
from app.records import EntryPurpose

ID_FLOOR = "(lpad(to_hex((extract(epoch FROM {}) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid"
"""The lowest id of a moment. Ids begin with their milliseconds."""
ID_MARGIN = f"interval '{ids.POSTED_WITHIN.days} day'"
DAY_FLOOR = ID_FLOOR.format(f"coalesce({{}}, 'epoch'::date + 1)::timestamp AT TIME ZONE 'UTC' - {ID_MARGIN}")
"""The lowest id of an entry of a day, with ID_MARGIN. NULL: of any day."""

QUARTER = timedelta(minutes=15)
"""The borders of all time zones' hours are at multiples of it. `wallet_marks` has the first entry of each."""
_QUARTER_OF = f"date_bin('{QUARTER.seconds} seconds', {{}}, 'epoch')"

# Another worker that projects holds the lock.
_LOCK = "SELECT generation, position FROM read_models WHERE is_live FOR UPDATE SKIP LOCKED"
_LOCK_GENERATION = "SELECT generation, position FROM read_models WHERE generation = $1 FOR UPDATE"
_ADVANCE = "UPDATE read_models SET position = $2 WHERE generation = $1"

_POSTED = """
SELECT e.transaction_id, e.leg, e.wallet_id, e.created_at, e.amount, e.purpose::text, w.owner_id, w.currency, c.exponent
FROM ledger_entries e
JOIN wallets w ON w.id = e.wallet_id
JOIN currencies c ON c.code = w.currency
WHERE e.transaction_id = ANY ($1::uuid[])
ORDER BY e.transaction_id, e.leg
"""
_TEXTS = """
SELECT id, description, reference, metadata FROM transactions
WHERE id = ANY ($1::uuid[]) AND (description IS NOT NULL OR reference IS NOT NULL OR metadata IS NOT NULL)
"""

# Sequences decide what is new. Entries that are there already are left out, and where a sequence is missing, as behind an event
# that the relay could not read, the wallet's entries are read up to the highest one: all of them are committed. `is_first`: of
# its quarter of an hour. The wallet's newest entry is in the same quarter as its newest mark.
_DAYS = f"""
WITH batch AS MATERIALIZED (
    SELECT wallet_id, sequence, created_at, amount, balance_after FROM ledger_entries WHERE transaction_id = ANY ($2::uuid[])
), touched AS MATERIALIZED (
    SELECT t.wallet_id, t.highest, coalesce(d.last_sequence, 0) AS last_sequence, coalesce(d.debits_so_far, 0) AS debits_so_far,
           t.lowest = coalesce(d.last_sequence, 0) + 1 AND t.highest = coalesce(d.last_sequence, 0) + t.count AS follows,
           d.day, t.at, k.at AS marked_at
    FROM (SELECT wallet_id, min(sequence) AS lowest, max(sequence) AS highest, count(*) AS count, max(created_at) AS at
          FROM batch GROUP BY wallet_id) t
    LEFT JOIN LATERAL (
        SELECT day, last_sequence, debits_so_far FROM wallet_days
        WHERE generation = $1 AND wallet_id = t.wallet_id ORDER BY day DESC LIMIT 1
    ) d ON true
    LEFT JOIN LATERAL (
        SELECT at FROM wallet_marks WHERE generation = $1 AND wallet_id = t.wallet_id ORDER BY at DESC, sequence DESC LIMIT 1
    ) k ON true
), fresh AS (
    SELECT b.* FROM batch b JOIN touched t ON t.wallet_id = b.wallet_id WHERE t.follows
    UNION ALL
    SELECT e.* FROM touched t
    CROSS JOIN LATERAL (
        SELECT wallet_id, sequence, created_at, amount, balance_after FROM ledger_entries
        WHERE wallet_id = t.wallet_id AND sequence > t.last_sequence AND sequence <= t.highest
          AND transaction_id >= {DAY_FLOOR.format("t.day")}
          AND transaction_id < {ID_FLOOR.format(f"t.at + {ID_MARGIN}")}
    ) e
    WHERE NOT t.follows
), running AS MATERIALIZED (
    SELECT f.*, (f.created_at AT TIME ZONE 'UTC')::date AS day,
           t.debits_so_far + sum(greatest(-f.amount, 0)) OVER of_wallet AS debits_so_far,
           coalesce(coalesce(lag(f.created_at) OVER of_wallet, t.marked_at) < {_QUARTER_OF.format("f.created_at")}, true)
               AS is_first
    FROM fresh f JOIN touched t ON t.wallet_id = f.wallet_id
    WINDOW of_wallet AS (PARTITION BY f.wallet_id ORDER BY f.sequence)
), marked AS (
    INSERT INTO wallet_marks (generation, wallet_id, at, sequence, amount, balance, debits_so_far)
    SELECT $1, wallet_id, created_at, sequence, amount, balance_after, debits_so_far FROM running
    WHERE is_first OR sequence % 4 = 0
)
INSERT INTO wallet_days AS d (generation, wallet_id, day, opening, closing, entry_count, first_sequence, last_sequence, debits,
    credits, debits_so_far)
SELECT $1, wallet_id, day, (array_agg(balance_after - amount ORDER BY sequence))[1],
       (array_agg(balance_after ORDER BY sequence DESC))[1], count(*), min(sequence), max(sequence),
       sum(greatest(-amount, 0)), sum(greatest(amount, 0)), max(debits_so_far)
FROM running GROUP BY wallet_id, day
ON CONFLICT (generation, wallet_id, day) DO UPDATE SET
    closing = excluded.closing, entry_count = d.entry_count + excluded.entry_count, last_sequence = excluded.last_sequence,
    debits = d.debits + excluded.debits, credits = d.credits + excluded.credits, debits_so_far = excluded.debits_so_far
"""  # noqa: S608 - the parts are constants
_ACTIVITY = """
INSERT INTO activity (generation, owner_id, entry_id, wallet_id, at, amount, currency, exponent, purpose,
    counterparty_wallet_id, words)
SELECT $1, owner_id, entry_id, wallet_id, at, amount, currency, exponent, purpose::entry_purpose, counterparty_wallet_id,
       array_to_tsvector(string_to_array(words, ' '))
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::bigint[], $7::text[], $8::smallint[], $9::text[],
    $10::uuid[], $11::text[]) AS movement
    (owner_id, entry_id, wallet_id, at, amount, currency, exponent, purpose, counterparty_wallet_id, words)
ON CONFLICT (generation, owner_id, entry_id) DO NOTHING
"""
_PARTIES = """
INSERT INTO activity_parties (generation, owner_id, party_id)
SELECT $1, owner_id, party_id FROM unnest($2::uuid[], $3::uuid[]) AS met (owner_id, party_id)
ON CONFLICT DO NOTHING
"""

# The first event that the model lacks.
BEHIND_SINCE = """(
    SELECT sequenced_at FROM event_chunks
    WHERE first_position > {0} - 1000 AND last_position > {0} ORDER BY first_position LIMIT 1)"""
_STATE = f"""
SELECT position, {BEHIND_SINCE.format("m.position")} AS behind_since,
       (SELECT last_position FROM event_chunks ORDER BY first_position DESC LIMIT 1) AS last
FROM read_models m WHERE is_live
"""  # noqa: S608 - the parts are constants


class Progress(NamedTuple):
    """How far a generation is."""

    generation: int
    position: int


class State(NamedTuple):
    """How far the live generation is. `behind_since`: when the first event that it lacks got its position, or None."""

    position: int
    behind_since: datetime | None
    last: int


class Posted(NamedTuple):
    """An entry, with the owner of its wallet (None: the system) and the decimals of its currency."""

    transaction_id: UUID
    leg: int
    wallet_id: UUID
    created_at: datetime
    amount: int
    purpose: EntryPurpose
    owner_id: UUID | None
    currency: str
    exponent: int


class Texts(NamedTuple):
    """What people wrote with a transaction."""

    description: str | None
    reference: str | None
    metadata: dict[str, str] | None


class ActivityRow(NamedTuple):
    """A row of `activity`. `words` are separated by spaces."""

    owner_id: UUID
    entry_id: UUID
    wallet_id: UUID
    at: datetime
    amount: int
    currency: str
    exponent: int
    purpose: str
    counterparty_wallet_id: UUID | None
    words: str


async def lock_live(connection: asyncpg.Connection) -> Progress | None:
    """Lock and return the live generation, or None if another session has it."""
    row = await connection.fetchrow(_LOCK)
    return None if row is None else Progress(*row)


async def lock_generation(connection: asyncpg.Connection, generation: int) -> Progress | None:
    """Lock and return a generation, or None if there is none with this number. Waits for the lock."""
    row = await connection.fetchrow(_LOCK_GENERATION, generation)
    return None if row is None else Progress(*row)


async def advance(connection: asyncpg.Connection, generation: int, position: int) -> None:
    """Record that a generation has all events up to a position."""
    await connection.execute(_ADVANCE, generation, position)


async def posted(connection: asyncpg.Connection, transaction_ids: Sequence[UUID]) -> list[Posted]:
    """Returns the entries of these transactions, by transaction and leg."""
    rows = await connection.fetch(_POSTED, transaction_ids)
    return [Posted._make((*row[:5], EntryPurpose(row[5]), *row[6:])) for row in rows]


async def texts(connection: asyncpg.Connection, transaction_ids: Sequence[UUID]) -> dict[UUID, Texts]:
    """Returns what people wrote with those of the transactions that have any text."""
    return {
        id_: Texts(description, reference, None if metadata is None else orjson.loads(metadata))
        for id_, description, reference, metadata in await connection.fetch(_TEXTS, transaction_ids)
    }


async def add_days(connection: asyncpg.Connection, generation: int, transaction_ids: Sequence[UUID]) -> None:
    """Add the entries of these transactions to the days and marks of their wallets, unless they are there."""
    await connection.execute(_DAYS, generation, transaction_ids)


async def add_activity(connection: asyncpg.Connection, generation: int, movements: Sequence[ActivityRow]) -> None:
    """Add rows to `activity`, unless they are there."""
    columns = [list(column) for column in zip(*movements, strict=True)]
    await connection.execute(_ACTIVITY, generation, *columns)


async def add_parties(connection: asyncpg.Connection, generation: int, pairs: Sequence[tuple[UUID, UUID]]) -> None:
    """Record who met whom: (owner, the user on the other side)."""
    await connection.execute(_PARTIES, generation, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


async def state(connection: asyncpg.Connection) -> State:
    """Returns how far the live generation is."""
    row = await connection.fetchrow(_STATE)
    assert row is not None, "there always is a live generation"
    return State(row["position"], row["behind_since"], row["last"] or 0)


_TABLES = ("wallet_days", "wallet_marks", "activity", "activity_parties")
_LOCK_REBUILDS = "SELECT pg_try_advisory_lock(1347633490, 1)"
_GENERATIONS = "SELECT generation, is_live FROM read_models"
_BEGIN_GENERATION = "INSERT INTO read_models (generation, position, is_live, started_at) VALUES ($1, 0, false, now())"
_RETIRE = "UPDATE read_models SET is_live = false WHERE generation = $1"
_MAKE_LIVE = "UPDATE read_models SET is_live = true WHERE generation = $1"
_FORGET = "DELETE FROM read_models WHERE generation = $1"


async def lock_rebuilds(connection: asyncpg.Connection) -> bool:
    """Take the lock of rebuilds for this session. Returns False if another session has it."""
    is_locked: bool = await connection.fetchval(_LOCK_REBUILDS)
    return is_locked


async def generations(connection: asyncpg.Connection) -> dict[int, bool]:
    """Returns the generations that have rows or will have them, with whether each is live."""
    return {row["generation"]: row["is_live"] for row in await connection.fetch(_GENERATIONS)}


async def begin_generation(connection: asyncpg.Connection, generation: int) -> None:
    """Add a generation without rows."""
    await connection.execute(_BEGIN_GENERATION, generation)


async def make_live(connection: asyncpg.Connection, generation: int, instead_of: int) -> None:
    """Make a generation live instead of another. Both must be locked."""
    await connection.execute(_RETIRE, instead_of)
    await connection.execute(_MAKE_LIVE, generation)


async def remove_rows(connection: asyncpg.Connection, generation: int, most: int) -> int:
    """Delete at most so many rows of a generation from a table that has some. Returns how many; 0: none is left."""
    for table in _TABLES:
        status = await connection.execute(
            f"DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE generation = $1 LIMIT $2))",  # noqa: S608 - a name of _TABLES
            generation,
            most,
        )
        if (count := int(status.split()[-1])) > 0:
            return count
    return 0


async def forget_generation(connection: asyncpg.Connection, generation: int) -> None:
    """Delete a generation that has no rows."""
    await connection.execute(_FORGET, generation)
