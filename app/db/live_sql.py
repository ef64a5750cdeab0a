"""Queries of live updates: a wallet, its entries after a position, and the positions of many wallets."""

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

# An array instead of a list of parameters, so that one prepared statement serves any number of wallets.
_POSITIONS = select(models.Wallet.id, models.Wallet.sequence, models.Wallet.version).where(
    models.Wallet.id == any_(bindparam("ids", type_=ARRAY(Uuid())))
)


async def wallet_by_id(connection: AsyncConnection, wallet_id: UUID) -> Wallet | None:
    """Returns the wallet, or None if it does not exist."""
    row = (await connection.execute(select(*WALLET_COLUMNS).where(models.Wallet.id == wallet_id))).one_or_none()
    return None if row is None else wallet_of(row)


async def entries_between(
    connection: AsyncConnection, wallet_id: UUID, after_sequence: int, last_sequence: int, limit: int
) -> Sequence[Entry]:
    """Returns the first `limit` entries after `after_sequence`, up to and including `last_sequence`, by sequence."""
    entry = models.LedgerEntry
    rows = await connection.execute(
        select(*ENTRY_COLUMNS)
        .where(entry.wallet_id == wallet_id, entry.sequence > after_sequence, entry.sequence <= last_sequence)
        .order_by(entry.sequence)
        .limit(limit)
    )
    return [entry_of(row) for row in rows]


async def positions(connection: AsyncConnection, wallet_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Returns the (sequence, version) of each wallet that exists, with one statement."""
    rows = await connection.execute(_POSITIONS, {"ids": list(wallet_ids)})
    return {wallet_id: (sequence, version) for wallet_id, sequence, version in rows}
