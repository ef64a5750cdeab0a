"""A ledger in many partitions, as it is after years."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg

_MAKE = """
SELECT make_ledger_partition(month, month + interval '1 month')
FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 month', interval '1 month') month
"""


async def split(connection: asyncpg.Connection, months: int) -> datetime:
    """Give an empty ledger a partition for each of so many months before the end of its first one. Run as the owner.

    Returns where the oldest one begins.
    """
    await connection.execute("SET timezone TO 'UTC'")
    ends: datetime = await connection.fetchval("SELECT ledger_id_moment(high) FROM ledger_partitions() WHERE low IS NULL")
    years, month = divmod(ends.year * 12 + ends.month - 1 - months, 12)
    starts = datetime(years, month + 1, 1, tzinfo=UTC)
    assert not await connection.fetchval("SELECT EXISTS (SELECT FROM ledger_entries)"), "only an empty ledger can be split"
    await connection.execute("ALTER TABLE ledger_entries DETACH PARTITION ledger_entries_first; DROP TABLE ledger_entries_first")
    await connection.execute(_MAKE, starts, ends)
    return starts
