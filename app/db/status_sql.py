"""What the control room shows, in a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

# Ids are given in about the order of time. Counting stops where a relay would need minutes anyway.
_OUTBOX = text("""
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT :most) AS counted),
       (SELECT created_at FROM outbox ORDER BY id LIMIT 1),
       (SELECT count(*) FROM (SELECT FROM outbox_parked LIMIT :most) AS counted)
""")
_MOST_COUNTED = 1_000_000

_UNPARK = text("SELECT retry_parked(:record_id)")

_PARKED = text("SELECT id, parked_at, reason FROM outbox_parked ORDER BY id LIMIT :most")

_VERIFIED = text("SELECT findings, finished_at FROM ledger_verifications ORDER BY id DESC LIMIT 1")

_HOT = text("""
SELECT e.wallet_id FROM (SELECT id FROM transactions WHERE status = 'COMPLETED' ORDER BY id DESC LIMIT 1000) t
JOIN ledger_entries e ON e.transaction_id = t.id
GROUP BY e.wallet_id ORDER BY count(*) DESC, e.wallet_id LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the outbox holds: rows that wait for the relay, the age of the oldest, and rows that no relay could read.

    More than a million is told as a million.
    """

    pending: int
    lag: timedelta
    parked: int


@dataclass(frozen=True, slots=True)
class Parked:
    """An outbox row that no relay could read."""

    id: int
    parked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What the last `paycore verify` found, and when it ended."""

    findings: int
    finished_at: datetime


async def totals(connection: AsyncConnection) -> Sequence[tuple[str, int, int]]:
    """For each currency in use: its code, the sum of user balances, the sum of system balances."""
    rows = await connection.execute(_TOTALS)
    return [(currency, int(users), int(system)) for currency, users, system in rows]


async def completed_since(connection: AsyncConnection, moment: datetime) -> int:
    """How many transactions completed that were created since then."""
    found: int = (await connection.execute(_RECENT, {"since": ids.id_floor(moment)})).scalar_one()
    return found


async def outbox_backlog(connection: AsyncConnection, now: datetime) -> Backlog:
    """How far the relay is behind."""
    pending, oldest, parked = (await connection.execute(_OUTBOX, {"most": _MOST_COUNTED})).one()
    return Backlog(pending, max(now - oldest, timedelta()) if oldest is not None else timedelta(), parked)


async def unpark(connection: AsyncConnection, record_id: UUID) -> int:
    """Give the relay another try at all that is parked, with this record in the audit log; how much that is."""
    count: int = (await connection.execute(_UNPARK, {"record_id": record_id})).scalar_one()
    return count


async def parked(connection: AsyncConnection, most: int) -> Sequence[Parked]:
    """What is parked, the oldest first."""
    return [Parked(*row) for row in await connection.execute(_PARKED, {"most": most})]


async def last_verification(connection: AsyncConnection) -> Verified | None:
    """The last recorded one; None where there was none."""
    row = (await connection.execute(_VERIFIED)).one_or_none()
    return None if row is None else Verified(*row)


async def hot_wallets(connection: AsyncConnection, most: int) -> Sequence[UUID]:
    """The wallets with the most entries among the last thousand completed transactions."""
    return list((await connection.execute(_HOT, {"most": most})).scalars())
