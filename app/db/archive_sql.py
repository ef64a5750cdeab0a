"""Sealing, moving out and putting back months of entries. Run as the owner of the tables, except the reads at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from app.db.log_sql import ENTRY
from app.db.statements import Reader

COLUMNS = ("transaction_id", "leg", "wallet_id", "sequence", "amount", "balance_after", "created_at", "purpose")
_LOCK = 7_021_306_990_003
_DUE = """
SELECT name, coalesce(low, '00000000-0000-0000-0000-000000000000') AS low, high FROM ledger_partitions()
WHERE ledger_id_moment(high) <= least($1::timestamptz, clock_timestamp() - interval '1 hour')
UNION SELECT partition, low, high FROM archived_months() WHERE to_regclass(quote_ident(partition)) IS NOT NULL
ORDER BY high
"""
# One without a position, or beyond what is in the log, may still be read by those who follow positions.
_UNSEQUENCED = """
WITH sequenced AS (
    SELECT unnest(subject_ids) AS id FROM event_chunks WHERE highest_transaction_id >= $1 AND lowest_transaction_id < $2
)
SELECT count(*) FROM transactions t
WHERE t.id >= $1 AND t.id < $2 AND t.status = 'COMPLETED' AND NOT EXISTS (SELECT FROM sequenced s WHERE s.id = t.id)
"""
_LAST_LEAF = """
SELECT coalesce(max(settled), 0) FROM event_chunks
WHERE highest_transaction_id >= $1 AND lowest_transaction_id < $2 AND kinds LIKE '%S%'
"""
_LAST_POSITION = """
SELECT coalesce(max(last_position), 0) FROM event_chunks WHERE highest_transaction_id >= $1 AND lowest_transaction_id < $2
"""
_PREPARING = """
SELECT count(*) FROM statements s WHERE s.status = 'PREPARING' AND EXISTS (
    SELECT FROM wallet_places p WHERE p.high = $1 AND p.wallet_id = s.wallet_id
       AND p.first_sequence <= s.last_sequence AND p.sequence >= s.first_sequence)
"""
_SUMS = """
SELECT coalesce(jsonb_object_agg(currency, jsonb_build_array(debits::text, credits::text)), '{{}}')::text, coalesce(sum(n), 0)
FROM (SELECT w.currency, coalesce(-sum(e.amount) FILTER (WHERE e.amount < 0), 0) AS debits,
             coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0) AS credits, count(*) AS n
      FROM {partition} e JOIN wallets w ON w.id = e.wallet_id GROUP BY w.currency) AS of_currency
"""
_SEAL = """
INSERT INTO ledger_seals (partition, low, high, entries, sums, sha256, sealed_at)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, clock_timestamp())
"""
_PLACES = """
INSERT INTO wallet_places (wallet_id, high, sequence, balance, change, posted_at, first_sequence, debits)
SELECT DISTINCT ON (wallet_id) wallet_id, $1::uuid, sequence, balance_after, sum(amount) OVER wallet, created_at,
       min(sequence) OVER wallet, sum(greatest(-amount, 0)) OVER wallet
FROM {partition} WINDOW wallet AS (PARTITION BY wallet_id) ORDER BY wallet_id, sequence DESC
"""
_SEALED = "SELECT partition, low, high, entries, sums::text, sha256, sealed_at FROM ledger_seals"
_KEEP_BYTES = f"""
INSERT INTO archived_entries (transaction_id, entries)
SELECT e.transaction_id, array_agg('\\x02'::bytea || {ENTRY} ORDER BY e.leg) FROM {{partition}} e GROUP BY e.transaction_id
ON CONFLICT DO NOTHING
"""  # noqa: S608 - the parts are constants
_ARCHIVED = "INSERT INTO ledger_archives VALUES ($1, $2, $3, $4, clock_timestamp()) ON CONFLICT DO NOTHING"
_AUDIT = """
INSERT INTO audit_log (id, operator, action, subject_id, before, after, reason)
VALUES (gen_random_uuid(), session_user, $1, NULL, $2::text::jsonb, $3::text::jsonb, $4)
"""
_IS_DETACHING = """
SELECT inhdetachpending FROM pg_inherits
WHERE inhparent = 'ledger_entries'::regclass AND inhrelid = to_regclass(quote_ident($1))
"""
SPANS = """
SELECT p.wallet_id, p.first_sequence, p.sequence AS last_sequence
FROM wallet_places p JOIN archived_months() a USING (high)
"""
"""The sequences of each wallet that are in files, by month. Entries of the months next to it may be between them: an entry's time
may be later than its id. They only make a span that is asked for too wide."""
_HAS_ARCHIVED = f"""
SELECT EXISTS (SELECT FROM ({SPANS}) AS span WHERE wallet_id = $1 AND last_sequence >= $2 AND first_sequence <= $3)
"""  # noqa: S608 - the parts are constants
_ARCHIVED_AMONG = "SELECT id FROM unnest($1::uuid[]) AS id JOIN archived_months() a ON id >= a.low AND id < a.high"


class Month(NamedTuple):
    """A partition and its bounds."""

    name: str
    low: UUID
    high: UUID


class Attachment(Enum):
    """Whether a table is a partition of the ledger's entries."""

    ATTACHED = auto()
    DETACHING = auto()
    """By a run that was interrupted: reads do not see it any more."""
    DETACHED = auto()


class Seal(NamedTuple):
    """What was recorded when a partition was sealed."""

    partition: str
    low: UUID
    high: UUID
    entries: int
    sums: dict[str, list[str]]
    """Debits and credits in minor units, by currency."""
    sha256: bytes
    """Of the rows as CSV, in the order of (transaction_id, leg)."""
    sealed_at: datetime


def quoted(partition: str) -> str:
    """The name of a partition for SQL. They are made by the keeper, from letters, digits and underscores."""
    assert partition.replace("_", "").isalnum(), partition
    return f'"{partition}"'


async def lock(connection: asyncpg.Connection) -> bool:
    """Take the lock of archiving until the connection ends. Returns False if another one has it."""
    taken: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK)
    return taken


async def due(connection: asyncpg.Connection, before: datetime) -> list[Month]:
    """Partitions that end before a moment, oldest first, and those that an earlier run has begun to move out."""
    return [Month(*row) for row in await connection.fetch(_DUE, before)]


async def unsequenced(connection: asyncpg.Connection, month: Month) -> int:
    """Returns how many completed transactions of a month have no position yet."""
    count: int = await connection.fetchval(_UNSEQUENCED, month.low, month.high)
    return count


async def last_leaf(connection: asyncpg.Connection, month: Month) -> int:
    """Returns the size that the log must have to hold all transactions of a month."""
    size: int = await connection.fetchval(_LAST_LEAF, month.low, month.high)
    return size


async def last_position(connection: asyncpg.Connection, month: Month) -> int:
    """Returns the position that the read models must be at to have all events of a month."""
    position: int = await connection.fetchval(_LAST_POSITION, month.low, month.high)
    return position


async def preparing(connection: asyncpg.Connection, month: Seal) -> int:
    """Returns how many statements over entries of a sealed month have no files yet."""
    count: int = await connection.fetchval(_PREPARING, month.high)
    return count


async def has_archives(connection: asyncpg.Connection) -> bool:
    """Whether any entries are in files. Months without entries do not count."""
    query = "SELECT EXISTS (SELECT FROM archived_months() JOIN ledger_seals s USING (high) WHERE s.entries > 0)"
    found: bool = await connection.fetchval(query)
    return found


async def close_for_inserts(connection: asyncpg.Connection, month: Month) -> None:
    """Let nothing more into a partition."""
    await connection.execute("SELECT seal_ledger_partition($1)", month.name)


async def seal(connection: asyncpg.Connection, month: Month, sha256: bytes, entries: int) -> None:
    """Record sums and places of a partition that is closed. Raises ValueError if the sums do not have `entries` rows."""
    ((sums, counted),) = await connection.fetch(_SUMS.format(partition=quoted(month.name)))
    if counted != entries:
        raise ValueError(f"{counted} entries have a wallet, of {entries}")
    await connection.execute(_SEAL, *month, entries, sums, sha256)
    await connection.execute(_PLACES.format(partition=quoted(month.name)), month.high)


async def seals(reader: Reader) -> list[Seal]:
    """Returns all seals, oldest first."""
    rows = await reader.fetch(f"{_SEALED} ORDER BY high")
    return [
        Seal(partition, low, high, entries, orjson.loads(sums), sha256, sealed_at)
        for partition, low, high, entries, sums, sha256, sealed_at in rows
    ]


async def copy_out(connection: asyncpg.Connection, partition: str, take: Callable[[bytes], Coroutine[Any, Any, None]]) -> int:
    """Give the rows as CSV, in the order of (transaction_id, leg). Returns their number. Each run gives the same bytes."""
    await connection.execute("SET timezone TO 'UTC'; SET datestyle TO 'ISO, YMD'")
    query = f"SELECT {', '.join(COLUMNS)} FROM {quoted(partition)} ORDER BY transaction_id, leg"  # noqa: S608 - see `quoted`
    done: str = await connection.copy_from_query(query, output=take, format="csv")
    return int(done.rpartition(" ")[2])


async def record_archive(connection: asyncpg.Connection, partition: str, uri: str, file_sha256: bytes, size: int) -> None:
    """Record a file that was compared with the seal, and keep what receipts need."""
    await connection.execute(_KEEP_BYTES.format(partition=quoted(partition)))
    await connection.execute(_ARCHIVED, partition, uri, file_sha256, size)


async def audit(connection: asyncpg.Connection, action: str, facts: dict[str, object], reason: str) -> None:
    """Record what an operator did."""
    await connection.execute(_AUDIT, action, "{}", orjson.dumps(facts).decode(), reason)


async def attachment(connection: asyncpg.Connection, partition: str) -> Attachment:
    pending = await connection.fetchval(_IS_DETACHING, partition)
    if pending is None:
        return Attachment.DETACHED
    return Attachment.DETACHING if pending else Attachment.ATTACHED


async def detach(connection: asyncpg.Connection, partition: str) -> None:
    """Take a partition out of the table. Waits for transactions that began before; none waits for it. Not in a transaction."""
    how = {Attachment.ATTACHED: "CONCURRENTLY", Attachment.DETACHING: "FINALIZE"}.get(await attachment(connection, partition))
    if how is not None:
        await connection.execute(f"ALTER TABLE ledger_entries DETACH PARTITION {quoted(partition)} {how}")


async def drop_detached(connection: asyncpg.Connection, partition: str) -> None:
    """Drop a table that is no partition any more."""
    assert await attachment(connection, partition) is Attachment.DETACHED
    await connection.execute(f"DROP TABLE IF EXISTS {quoted(partition)}")


async def put_back(connection: asyncpg.Connection, month: Seal, rows: AsyncIterator[bytes]) -> None:
    """Make the partition again from its rows. The caller has a transaction; the table itself is locked only at its end."""
    name = quoted(month.partition)
    await connection.execute("SET LOCAL timezone TO 'UTC'; SET LOCAL datestyle TO 'ISO, YMD'")
    # A run that was interrupted before it dropped the table has left it.
    await drop_detached(connection, month.partition)
    await connection.execute(
        f"CREATE TABLE {name} (LIKE ledger_entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)"
    )
    await connection.copy_to_table(month.partition, source=rows, columns=COLUMNS, format="csv")
    is_first = month.low.int == 0
    low = "MINVALUE" if is_first else f"'{month.low}'"
    bound = f"transaction_id < '{month.high}'" + ("" if is_first else f" AND transaction_id >= {low}")
    for part in (
        f'ALTER TABLE {name} ADD CONSTRAINT "{month.partition}_pkey" PRIMARY KEY (wallet_id, sequence)',
        f'ALTER TABLE {name} ADD CONSTRAINT "{month.partition}_transaction_leg_key" UNIQUE (transaction_id, leg)',
        f"ALTER TABLE {name} ADD CONSTRAINT of_the_month CHECK ({bound})",
        f"SELECT guard_ledger_partition('{month.partition}'), seal_ledger_partition('{month.partition}')",
        f"ALTER TABLE ledger_entries ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ('{month.high}')",
        f"ALTER TABLE {name} DROP CONSTRAINT of_the_month",
    ):
        await connection.execute(part)


async def archived_among(reader: Reader, transaction_ids: Collection[UUID]) -> list[UUID]:
    """Returns those of the transactions whose entries are in files."""
    return [row[0] for row in await reader.fetch(_ARCHIVED_AMONG, list(transaction_ids))]


async def has_archived(reader: Reader, wallet_id: UUID, first: int = 1, last: int = 2**63 - 1) -> bool:
    """Whether entries of a wallet from one sequence to another, both inclusive, are in files."""
    ((found,),) = await reader.fetch(_HAS_ARCHIVED, wallet_id, first, last)
    return bool(found)
