"""What the control room shows, in a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import ids

_TOTALS = text("""
SELECT currency, coalesce(sum(balance) FILTER (WHERE kind = 'USER'), 0)::numeric,
       coalesce(sum(balance) FILTER (WHERE kind = 'SYSTEM'), 0)::numeric
FROM wallets GROUP BY currency ORDER BY currency
""")

# Ids carry their time, so "lately" is a range of the primary key.
_RECENT = text("SELECT count(*) FROM transactions WHERE id >= :since AND status = 'COMPLETED'")

_OUTBOX = text("SELECT count(*), min(created_at) FROM outbox")

_HOT = text("""
SELECT e.wallet_id FROM (SELECT id FROM transactions WHERE status = 'COMPLETED' ORDER BY id DESC LIMIT 1000) t
JOIN ledger_entries e ON e.transaction_id = t.id
GROUP BY e.wallet_id ORDER BY count(*) DESC, e.wallet_id LIMIT :most
""")


async def totals(connection: AsyncConnection) -> Sequence[tuple[str, int, int]]:
    """For each currency in use: its code, the sum of user balances, the sum of system balances."""
    rows = await connection.execute(_TOTALS)
    return [(currency, int(users), int(system)) for currency, users, system in rows]


async def completed_since(connection: AsyncConnection, moment: datetime) -> int:
    """How many transactions completed that were created since then."""
    found: int = (await connection.execute(_RECENT, {"since": ids.id_floor(moment)})).scalar_one()
    return found


async def outbox_backlog(connection: AsyncConnection, now: datetime) -> tuple[int, timedelta]:
    """Rows that wait for the relay, and the age of the oldest."""
    count, oldest = (await connection.execute(_OUTBOX)).one()
    return count, max(now - oldest, timedelta()) if oldest is not None else timedelta()


async def hot_wallets(connection: AsyncConnection, most: int) -> Sequence[UUID]:
    """The wallets with the most entries among the last thousand completed transactions."""
    return list((await connection.execute(_HOT, {"most": most})).scalars())
