"""Queries of the control room, /metrics and `paycore outbox`: totals, throughput, the outbox, the last verification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import ids
from app.db.statements import Reader
from app.records import AccountType

_TOTALS = """
SELECT currency, coalesce(sum(balance) FILTER (WHERE kind = 'USER'), 0)::numeric,
       coalesce(sum(balance) FILTER (WHERE kind = 'SYSTEM'), 0)::numeric
FROM wallets GROUP BY currency ORDER BY currency
"""

_TRIAL_BALANCE = """
SELECT currency, account_type::text, sum(balance)::numeric FROM wallets GROUP BY currency, account_type
ORDER BY currency, account_type
"""

# Ids begin with their time, so recent transactions are a range of the primary key.
_RECENT = "SELECT count(*) FROM transactions WHERE id >= $1 AND status = 'COMPLETED'"

# Ids are assigned in about the order of time. Counting stops at a backlog that takes a relay minutes anyway.
_OUTBOX = """
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS counted),
       (SELECT created_at FROM outbox ORDER BY id LIMIT 1),
       (SELECT count(*) FROM (SELECT FROM outbox_parked LIMIT $1) AS counted)
"""
_MOST_COUNTED = 1_000_000

_UNPARK = text("SELECT retry_parked(:record_id)")

_PARKED = "SELECT id, parked_at, reason FROM outbox_parked ORDER BY id LIMIT $1"

_VERIFIED = "SELECT findings, finished_at FROM ledger_verifications ORDER BY id DESC LIMIT 1"

_HOT = """
SELECT e.wallet_id FROM (SELECT id FROM transactions WHERE status = 'COMPLETED' ORDER BY id DESC LIMIT 1000) t
JOIN ledger_entries e ON e.transaction_id = t.id
GROUP BY e.wallet_id ORDER BY count(*) DESC, e.wallet_id LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The rows that wait for the relay, the age of the oldest one, and the parked rows, which no relay could read.

    Counts stop at a million.
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
    """The number of findings of the last `paycore verify`, and when it ended."""

    findings: int
    finished_at: datetime


async def totals(reader: Reader) -> Sequence[tuple[str, int, int]]:
    """Returns for each currency in use its code, the sum of user balances and the sum of system balances."""
    return [(currency, int(users), int(system)) for currency, users, system in await reader.fetch(_TOTALS)]


async def trial_balance(reader: Reader) -> Sequence[tuple[str, AccountType, int]]:
    """Returns for each currency and account type the sum of its wallets' balances."""
    rows = await reader.fetch(_TRIAL_BALANCE)
    return [(currency, AccountType(account_type), int(balance)) for currency, account_type, balance in rows]


async def completed_since(reader: Reader, moment: datetime) -> int:
    """Returns the number of COMPLETED transactions that were created since `moment`."""
    ((found,),) = await reader.fetch(_RECENT, ids.id_floor(moment))
    return int(found)


async def outbox_backlog(reader: Reader, now: datetime) -> Backlog:
    """Returns how far the relay is behind at the time `now`."""
    ((pending, oldest, parked),) = await reader.fetch(_OUTBOX, _MOST_COUNTED)
    return Backlog(pending, max(now - oldest, timedelta()) if oldest is not None else timedelta(), parked)


async def unpark(connection: AsyncConnection, record_id: UUID) -> int:
    """Move all parked rows back to the outbox, with this audit record. Returns how many there were."""
    count: int = (await connection.execute(_UNPARK, {"record_id": record_id})).scalar_one()
    return count


async def parked(reader: Reader, most: int) -> Sequence[Parked]:
    """Returns the first `most` parked rows, oldest first."""
    return [Parked(*row) for row in await reader.fetch(_PARKED, most)]


async def last_verification(reader: Reader) -> Verified | None:
    """Returns the last recorded verification, or None if there is none."""
    rows = await reader.fetch(_VERIFIED)
    return Verified(*rows[0]) if rows else None


async def hot_wallets(reader: Reader, most: int) -> Sequence[UUID]:
    """Returns the `most` wallets with the most entries in the last thousand COMPLETED transactions."""
    return [row[0] for row in await reader.fetch(_HOT, most)]
