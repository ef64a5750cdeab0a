"""What live updates read: one wallet, its entries from where a subscriber stands, and where many wallets stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Uuid

from app.db import models
from app.db.rows import ENTRY_COLUMNS, WALLET_COLUMNS, entry_of, wallet_of
from app.records import Entry, Wallet

# One array rather than a list of parameters: the same prepared statement for any number of wallets.
_POSITIONS = select(models.Wallet.id, models.Wallet.sequence, models.Wallet.version).where(
    models.Wallet.id == any_(bindparam("ids", type_=ARRAY(Uuid())))
)


async def wallet_by_id(connection: AsyncConnection, wallet_id: UUID) -> Wallet | None:
    """The wallet as it is now."""
    row = (await connection.execute(select(*WALLET_COLUMNS).where(models.Wallet.id == wallet_id))).one_or_none()
    return None if row is None else wallet_of(row)


async def entries_between(
    connection: AsyncConnection, wallet_id: UUID, after_sequence: int, last_sequence: int, limit: int
) -> Sequence[Entry]:
    """At most `limit` entries in sequence: the first after `after_sequence`, none past `last_sequence`."""
    entry = models.LedgerEntry
    rows = await connection.execute(
        select(*ENTRY_COLUMNS)
        .where(entry.wallet_id == wallet_id, entry.sequence > after_sequence, entry.sequence <= last_sequence)
        .order_by(entry.sequence)
        .limit(limit)
    )
    return [entry_of(row) for row in rows]


async def positions(connection: AsyncConnection, wallet_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """The (sequence, version) of each wallet, in one statement."""
    rows = await connection.execute(_POSITIONS, {"ids": list(wallet_ids)})
    return {wallet_id: (sequence, version) for wallet_id, sequence, version in rows}
