"""The partitions of `ledger_entries`, one for each month. The functions in the database make them; migration 0034 has them."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from app.db.statements import Reader

MONTHS_AHEAD = 3
"""The keeper makes the partitions of so many months before they begin."""

_EXISTS = "SELECT to_regproc('keep_ledger_partitions') IS NOT NULL"
_KEEP = "SELECT keep_ledger_partitions($1)"
_END = "SELECT max(ledger_id_moment(high)) FROM ledger_partitions()"


async def keep(connection: asyncpg.Connection) -> int:
    """Make the missing partitions of the next months. Returns their number. Transfers do not wait for it."""
    made: int = await connection.fetchval(_KEEP, MONTHS_AHEAD)
    return made


async def keep_if_partitioned(connection: asyncpg.Connection) -> int:
    """As `keep`, for a database that may be at a revision before partitions."""
    return await keep(connection) if await connection.fetchval(_EXISTS) else 0


async def end(reader: Reader) -> datetime:
    """Returns the moment up to which there are partitions. Transfers after it would fail."""
    ((moment,),) = await reader.fetch(_END)
    assert isinstance(moment, datetime)
    return moment
