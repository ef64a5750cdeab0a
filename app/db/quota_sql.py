"""Quotas on the ledger's hot path. These statements only run for batches in which limits apply to a payer.

Quotas are locked by user id, after the wallets and before the keys: one order everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from app.limits.quota import Limits, Quota

if TYPE_CHECKING:
    import asyncpg

# For users who only have the general limits. Sorted, so that two processes that insert the same users wait in one order.
ENSURE_QUOTAS = """
INSERT INTO quotas (user_id) SELECT id FROM unnest($1::uuid[]) AS named (id) ORDER BY id
ON CONFLICT (user_id) DO NOTHING
"""

# Each row is returned as of the moment its lock is held.
LOCK_QUOTAS = """
SELECT user_id, transfers_per_minute, transfers_per_day, minute, minute_transfers, day, day_transfers
FROM quotas WHERE user_id = ANY($1::uuid[]) ORDER BY user_id FOR NO KEY UPDATE
"""
LOCK_FREE_QUOTAS = LOCK_QUOTAS.rstrip() + " SKIP LOCKED\n"

READ_QUOTAS = LOCK_QUOTAS.replace(" FOR NO KEY UPDATE", "")

# A separate statement after the lock of the quota, which also guards its amounts.
AMOUNTS = "SELECT user_id, currency, amount_per_day, day, day_amount FROM quota_amounts WHERE user_id = ANY($1::uuid[])"

SAVE = """
WITH counted AS (
    UPDATE quotas q SET minute = used.minute, minute_transfers = used.minute_transfers,
        day = used.day, day_transfers = used.day_transfers
    FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::date[], $5::bigint[])
        AS used (user_id, minute, minute_transfers, day, day_transfers)
    WHERE q.user_id = used.user_id
)
INSERT INTO quota_amounts (user_id, currency, day, day_amount)
SELECT * FROM unnest($6::uuid[], $7::text[], $8::date[], $9::numeric[])
ON CONFLICT (user_id, currency) DO UPDATE SET day = excluded.day, day_amount = excluded.day_amount
"""


async def ensure_quotas(connection: asyncpg.Connection, user_ids: Iterable[UUID]) -> None:
    """Insert missing rows. Raises asyncpg.LockNotAvailableError if another transaction holds one for too long."""
    await connection.execute(ENSURE_QUOTAS, list(user_ids))


async def lock_quotas(
    connection: asyncpg.Connection, user_ids: Iterable[UUID], general: Limits, *, skip_locked: bool = False
) -> dict[UUID, Quota]:
    """Lock the users' quotas and return them by user. The `general` limits apply where a user has no own limit.

    Raises asyncpg.LockNotAvailableError after the lock timeout. With `skip_locked`, locked quotas are left out instead.
    """
    rows = await connection.fetch(LOCK_FREE_QUOTAS if skip_locked else LOCK_QUOTAS, list(user_ids))
    return await _with_amounts(connection, rows, general)


async def read_quotas(connection: asyncpg.Connection, user_ids: Iterable[UUID], general: Limits) -> dict[UUID, Quota]:
    """As `lock_quotas`, without locks: the quotas as they are in the transaction's snapshot. Users without a row are left out."""
    return await _with_amounts(connection, await connection.fetch(READ_QUOTAS, list(user_ids)), general)


async def _with_amounts(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record], general: Limits) -> dict[UUID, Quota]:
    limits: dict[UUID, dict[str, int]] = defaultdict(dict)
    used: dict[UUID, dict[str, int]] = defaultdict(dict)
    days = {row["user_id"]: row["day"] for row in rows}
    for amount in await connection.fetch(AMOUNTS, list(days)):
        user_id, currency = amount["user_id"], amount["currency"]
        if amount["amount_per_day"] is not None:
            limits[user_id][currency] = amount["amount_per_day"]
        if amount["day"] == days[user_id]:
            used[user_id][currency] = int(amount["day_amount"])
    return {
        row["user_id"]: Quota(
            user_id=row["user_id"],
            limits=Limits(row["transfers_per_minute"], row["transfers_per_day"], limits[row["user_id"]]).with_defaults(general),
            minute=row["minute"],
            minute_transfers=row["minute_transfers"],
            day=row["day"],
            day_transfers=row["day_transfers"],
            day_amounts=used[row["user_id"]],
        )
        for row in rows
    }


async def save_quotas(connection: asyncpg.Connection, quotas: Sequence[Quota]) -> None:
    """Write the usage. The caller must hold the locks of `lock_quotas`."""
    amounts = [(q.user_id, currency, q.day, amount) for q in quotas for currency, amount in q.day_amounts.items()]
    columns: list[list[object]] = [list(column) for column in zip(*amounts, strict=True)] or [[], [], [], []]
    await connection.execute(
        SAVE,
        [q.user_id for q in quotas],
        [q.minute for q in quotas],
        [q.minute_transfers for q in quotas],
        [q.day for q in quotas],
        [q.day_transfers for q in quotas],
        *columns,
    )


# The following statements are for operators: `paycore quota`, one user at a time.
_QUOTA = "SELECT * FROM quotas WHERE user_id = $1 FOR UPDATE"
_AMOUNTS_OF_USER = "SELECT * FROM quota_amounts WHERE user_id = $1 ORDER BY currency"
_SET_LIMITS = """
INSERT INTO quotas (user_id, transfers_per_minute, transfers_per_day) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO UPDATE SET transfers_per_minute = excluded.transfers_per_minute,
    transfers_per_day = excluded.transfers_per_day
"""
_SET_AMOUNT = """
INSERT INTO quota_amounts (user_id, currency, amount_per_day) VALUES ($1, $2, $3)
ON CONFLICT (user_id, currency) DO UPDATE SET amount_per_day = excluded.amount_per_day
"""
_AUDIT_LIMITS = """
INSERT INTO audit_log (id, operator, action, subject_id, before, after, reason)
VALUES ($1, session_user, 'SET_QUOTA', $2, $3, $4, $5)
"""


async def lock_quota(connection: asyncpg.Connection, user_id: UUID) -> asyncpg.Record | None:
    """Lock and return the user's row of quotas, or None if the user has none."""
    return await connection.fetchrow(_QUOTA, user_id)


async def amounts_of(connection: asyncpg.Connection, user_id: UUID) -> list[asyncpg.Record]:
    """Returns the user's rows of quota_amounts, by currency."""
    return await connection.fetch(_AMOUNTS_OF_USER, user_id)


async def set_limits(connection: asyncpg.Connection, user_id: UUID, limits: Limits, currencies: Iterable[str]) -> None:
    """Write a user's limits. Of `currencies`, those without an amount in `limits` lose their limit."""
    await connection.execute(_SET_LIMITS, user_id, limits.transfers_per_minute, limits.transfers_per_day)
    for currency in currencies:
        await connection.execute(_SET_AMOUNT, user_id, currency, limits.amounts_per_day.get(currency))


async def audit_limits(
    connection: asyncpg.Connection, record_id: UUID, user_id: UUID, *, before: str, after: str, reason: str
) -> None:
    """Record a change of limits for the audit log, under the name of the database's user. `before` and `after` are JSON."""
    await connection.execute(_AUDIT_LIMITS, record_id, user_id, before, after, reason)
