"""The partitions of `ledger_entries`, one for each month. The functions in the database make them; migration 0034 has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from app.db.statements import Reader

MONTHS_AHEAD = 3
"""The keeper makes the partitions of so many months before they begin."""

_EXISTS = "SELECT to_regproc('keep_ledger_partitions') IS NOT NULL"
_KEEP = "SELECT keep_ledger_partitions($1)"
# `reltuples` is -1 where nothing was counted yet.
_FACTS = """
SELECT coalesce(ledger_id_moment(coalesce(s.low, p.low)), 'epoch'), ledger_id_moment(coalesce(s.high, p.high)),
       p.name IS NOT NULL, coalesce(s.entries, greatest(c.reltuples, 0)::bigint), coalesce(pg_total_relation_size(c.oid), 0),
       s.sha256, a.uri, a.verified_at
FROM ledger_partitions() p
FULL JOIN ledger_seals s ON s.partition = p.name
LEFT JOIN pg_class c ON c.oid = to_regclass(quote_ident(p.name))
LEFT JOIN LATERAL (
    SELECT uri, verified_at FROM ledger_archives a WHERE a.partition = s.partition ORDER BY verified_at DESC LIMIT 1
) a ON true
ORDER BY 2
"""
# A month may have been archived to several places: the newest record counts.
_EXTENT = """
SELECT min(ledger_id_moment(high)), max(ledger_id_moment(high)), archived.*
FROM ledger_partitions() CROSS JOIN (
    SELECT count(*) AS months, coalesce(sum(s.entries), 0)::bigint AS entries, coalesce(sum(f.bytes), 0)::bigint AS bytes,
           (SELECT max(verified_at) FROM ledger_archives) AS written
    FROM archived_months() m JOIN ledger_seals s ON s.partition = m.partition LEFT JOIN LATERAL (
        SELECT bytes FROM ledger_archives a WHERE a.partition = m.partition ORDER BY verified_at DESC LIMIT 1) f ON true
) AS archived GROUP BY archived.months, archived.entries, archived.bytes, archived.written
"""


class Extent(NamedTuple):
    """Where the oldest partition in the table ends and where the last one ends, and what is in files."""

    oldest_ends: datetime
    ends: datetime
    months: int
    entries: int
    bytes: int
    written_at: datetime | None
    """When `paycore archive` last recorded a file. None: never."""


class PartitionFacts(NamedTuple):
    """A partition that is in the table or was sealed."""

    starts: datetime
    ends: datetime
    is_attached: bool
    entries: int
    size: int
    seal: bytes | None
    uri: str | None
    verified_at: datetime | None


async def keep(connection: asyncpg.Connection) -> int:
    """Make the missing partitions of the next months. Returns their number. Transfers do not wait for it."""
    made: int = await connection.fetchval(_KEEP, MONTHS_AHEAD)
    return made


async def keep_if_partitioned(connection: asyncpg.Connection) -> int:
    """As `keep`, for a database that may be at a revision before partitions."""
    return await keep(connection) if await connection.fetchval(_EXISTS) else 0


async def extent(reader: Reader) -> Extent:
    """Returns which time the partitions span, and how much is in files."""
    (row,) = await reader.fetch(_EXTENT)
    return Extent(*row)


async def facts(reader: Reader) -> Sequence[PartitionFacts]:
    """Returns all partitions that are in the table or were sealed, oldest first."""
    return [PartitionFacts(*row) for row in await reader.fetch(_FACTS)]
