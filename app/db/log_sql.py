"""The Merkle log's statements: canonical bytes of transactions, tiles, salts, checkpoints.

No function commits. The canonical bytes are made here, by the database: a kind, then fields, each
with its length before it (-1: NULL). Integers and times are as PostgreSQL sends them: big-endian, microseconds since 2000.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from app.db.statements import Reader
from app.records import EventKind

_SECONDS = 30


def _text(column: str) -> str:
    # Databases of another encoding are refused when a process starts, so this is the number of bytes.
    return f"coalesce(int4send(octet_length({column}::text)) || convert_to({column}::text, 'UTF8'), '\\xffffffff'::bytea)"


# The length of these is always the same, so it need not be computed.
def _uuid(column: str) -> str:
    return f"coalesce('\\x00000010'::bytea || uuid_send({column}), '\\xffffffff'::bytea)"


def _integer(column: str) -> str:
    return f"coalesce('\\x00000008'::bytea || int8send({column}), '\\xffffffff'::bytea)"


def _time(column: str) -> str:
    return f"coalesce('\\x00000008'::bytea || timestamptz_send({column}), '\\xffffffff'::bytea)"


HEAD = " || ".join(
    (
        _uuid("t.id"),
        _text("t.type"),
        _integer("t.amount"),
        _text("t.currency"),
        _uuid("t.sender_wallet_id"),
        _uuid("t.receiver_wallet_id"),
        _time("t.created_at"),
        _time("t.completed_at"),
        _uuid("t.reverses_id"),
    )
)
REQUEST = " || ".join(
    (
        _uuid("t.initiator_id"),
        _text("t.idempotency_key"),
        _integer("t.fee"),
        _uuid("t.fee_schedule_id"),
        _uuid("t.hold_id"),
        _uuid("t.quote_id"),
        _text("t.terms"),
    )
)
WORDS = " || ".join((_text("t.description"), _text("t.reference"), _text("t.metadata")))
ENTRY = " || ".join(
    (
        "'\\x00000002'::bytea || int2send(e.leg)",
        _uuid("e.wallet_id"),
        _integer("e.sequence"),
        _integer("e.amount"),
        _integer("e.balance_after"),
        _time("e.created_at"),
        _text("e.purpose"),
    )
)
_CANONICAL = f"""
SELECT asked.id, {HEAD} AS head, '\\x01'::bytea || {REQUEST} AS request,
       CASE WHEN t.description IS NOT NULL OR t.reference IS NOT NULL OR t.metadata IS NOT NULL
            THEN '\\x00'::bytea || {WORDS} END AS words,
       CASE WHEN posted.entries = '{{}}' THEN <archived> ELSE posted.entries END AS entries
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
JOIN transactions t ON t.id = asked.id AND t.status = 'COMPLETED'
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg('\\x02'::bytea || {ENTRY} ORDER BY e.leg), '{{}}') AS entries
    FROM ledger_entries e WHERE e.transaction_id = t.id
) AS posted
ORDER BY asked.place
"""  # noqa: S608 - the parts are constants
# Entries of months that are in files. An older database has none.
_BEFORE_ARCHIVES = _CANONICAL.replace("<archived>", "posted.entries")
_CANONICAL = _CANONICAL.replace(
    "<archived>", "coalesce((SELECT a.entries FROM archived_entries a WHERE a.transaction_id = t.id), posted.entries)"
)
_SETTLED = """
SELECT settled, kinds, subject_ids FROM event_chunks WHERE settled > $1 AND settled <= $1 + $2 AND kinds LIKE '%S%'
ORDER BY settled, first_position
"""
_SIZE = "SELECT number * 256 + octet_length(hashes) / 32 FROM log_tiles WHERE level = 0 ORDER BY number DESC LIMIT 1"
_TILES = """
SELECT t.level, t.number, t.hashes
FROM unnest($1::smallint[], $2::bigint[]) AS asked (level, number) JOIN log_tiles t USING (level, number)
"""
_PUT_TILES = """
INSERT INTO log_tiles (level, number, hashes)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) AS tile (level, number, hashes) ORDER BY level, number
ON CONFLICT (level, number) DO UPDATE SET hashes = EXCLUDED.hashes
"""
_SALTS = "SELECT transaction_id, salt FROM log_salts WHERE transaction_id = ANY($1::uuid[])"
_CHECKPOINT = """
SELECT size, root, origin, note, signed_at,
       (SELECT coalesce(array_agg(line ORDER BY witness), '{}') FROM log_cosignatures s WHERE s.size = c.size) AS cosignatures,
       (SELECT coalesce(array_agg(witness ORDER BY witness), '{}') FROM log_cosignatures s WHERE s.size = c.size) AS witnesses
FROM log_checkpoints c
"""
_PUT_CHECKPOINT = "INSERT INTO log_checkpoints (size, root, origin, note, signed_at) VALUES ($1, $2, $3, $4, $5)"
_PUT_COSIGNATURE = """
INSERT INTO log_cosignatures (size, witness, line, added_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""


class CanonicalRow(NamedTuple):
    """The canonical bytes of a COMPLETED transaction. `words` None: nobody wrote any."""

    id: UUID
    head: bytes
    request: bytes
    words: bytes | None
    entries: list[bytes]


class Settled(NamedTuple):
    """Consecutive settled transactions in the order of their positions. The first one is leaf `first_index`."""

    first_index: int
    ids: list[UUID]


class NewCheckpoint(NamedTuple):
    """A checkpoint that was just signed."""

    size: int
    root: bytes
    origin: str
    note: str
    signed_at: datetime


class StoredCheckpoint(NamedTuple):
    """A signed checkpoint with the signature lines and names of its witnesses."""

    size: int
    root: bytes
    origin: str
    note: str
    signed_at: datetime
    cosignatures: list[str]
    witnesses: list[str]

    @property
    def text(self) -> str:
        """The note with all signatures."""
        return self.note + "".join(self.cosignatures)


async def canonical(reader: Reader, ids: Sequence[UUID], *, has_archives: bool = True) -> list[CanonicalRow]:
    """Returns the canonical bytes of transactions in the order of the ids, without those that are not COMPLETED."""
    statement = _CANONICAL if has_archives else _BEFORE_ARCHIVES
    return [CanonicalRow(*row) for row in await reader.fetch(statement, ids)]


async def settled_from(reader: Reader, index: int, most: int) -> list[Settled]:
    """Returns the settled transactions from a leaf on, chunk by chunk: about `most` of them. Empty: there are none yet."""
    found = []
    # A chunk has at most 1,000 events, so the next one begins within this.
    for settled, kinds, subject_ids in await reader.fetch(_SETTLED, index, most + 1000):
        ids = [subject for kind, subject in zip(kinds, subject_ids, strict=True) if kind == EventKind.SETTLED]
        first = settled - len(ids)
        found.append(Settled(max(first, index), ids[max(index - first, 0) :]))
    return found


async def secret(reader: Reader) -> bytes:
    """Returns the secret that salts follow from."""
    ((value,),) = await reader.fetch("SELECT secret FROM log_secret")
    return bytes(value)


async def size(reader: Reader) -> int:
    """Returns the number of leaves."""
    rows = await reader.fetch(_SIZE)
    return rows[0][0] if rows else 0


async def tiles(reader: Reader, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """Returns tiles by (level, number), of those that are there."""
    levels, numbers = [list(column) for column in zip(*places, strict=True)] or ([], [])
    rows = await reader.fetch(_TILES, levels, numbers)
    return {(level, number): hashes for level, number, hashes in rows}


async def put_tiles(connection: asyncpg.Connection, changed: Iterable[tuple[tuple[int, int], bytes]]) -> None:
    """Write new tiles, and those that have grown. Raises asyncpg.IntegrityConstraintViolationError if another has."""
    levels, numbers, hashes = zip(*((*place, tile) for place, tile in changed), strict=True)
    await connection.execute(_PUT_TILES, levels, numbers, hashes, timeout=_SECONDS)


async def salts(reader: Reader, ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """Returns the salts of words by transaction."""
    rows = await reader.fetch(_SALTS, ids)
    return {row["transaction_id"]: row["salt"] for row in rows}


async def last_checkpoint(reader: Reader) -> StoredCheckpoint | None:
    """Returns the newest signed checkpoint."""
    rows = await reader.fetch(f"{_CHECKPOINT} ORDER BY size DESC LIMIT 1")
    return StoredCheckpoint(*rows[0]) if rows else None


async def checkpoint_of(reader: Reader, size: int) -> StoredCheckpoint | None:
    """Returns the checkpoint of this size."""
    rows = await reader.fetch(f"{_CHECKPOINT} WHERE size = $1", size)
    return StoredCheckpoint(*rows[0]) if rows else None


async def checkpoints_between(reader: Reader, after: int, up_to: int) -> list[StoredCheckpoint]:
    """Returns the checkpoints of these sizes, smallest first."""
    rows = await reader.fetch(f"{_CHECKPOINT} WHERE size > $1 AND size <= $2 ORDER BY size", after, up_to)
    return [StoredCheckpoint(*row) for row in rows]


async def put_checkpoint(connection: asyncpg.Connection, new: NewCheckpoint) -> None:
    """Store a signed checkpoint. Raises asyncpg.IntegrityConstraintViolationError unless it is of a larger log."""
    await connection.execute(_PUT_CHECKPOINT, *new, timeout=_SECONDS)


async def put_cosignature(connection: asyncpg.Connection, size: int, witness: str, line: str, now: datetime) -> bool:
    """Store a witness's signature. Returns False if this witness has signed this checkpoint before."""
    done: str = await connection.execute(_PUT_COSIGNATURE, size, witness, line, now, timeout=_SECONDS)
    return done.endswith(" 1")
