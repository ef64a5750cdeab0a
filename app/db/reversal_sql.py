"""Reversals: what may be reversed, and how much of it has gone back."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.db import models
from app.db.reads import among
from app.db.rows import TRANSACTION_COLUMNS, transaction_of
from app.records import ReversedAmount, Transaction

if TYPE_CHECKING:
    import asyncpg

# After the wallets' locks, so that it sees what was committed during the wait for them.
_REVERSED = """
SELECT transaction_id, reversed, reversed_with_fee, fee_reversed FROM reversed_amounts WHERE transaction_id = ANY($1::uuid[])
"""


class Original(NamedTuple):
    """A transaction to reverse, with facts about it that never change."""

    transaction: Transaction
    receiver_owner_id: UUID | None
    fee_legs: tuple[UUID, UUID] | None
    """The wallet that paid its fee, and the fee wallet."""


async def original(connection: AsyncConnection, transaction_id: UUID) -> Original | None:
    """Returns the transaction, or None if there is none."""
    wallet, entry = aliased(models.Wallet), models.LedgerEntry
    query = (
        select(*TRANSACTION_COLUMNS, wallet.owner_id)
        .outerjoin(wallet, wallet.id == models.Transaction.receiver_wallet_id)
        .where(models.Transaction.id == transaction_id)
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    transaction = transaction_of(row)
    if transaction.fee is None:
        return Original(transaction, row.owner_id, None)
    legs = select(entry.wallet_id).where(entry.transaction_id == transaction_id, entry.leg.in_((2, 3))).order_by(entry.leg)
    found = (await connection.scalars(legs)).all()
    return Original(transaction, row.owner_id, (found[0], found[1]) if found else None)


async def reversed_amounts(
    connection: asyncpg.Connection, transaction_ids: Collection[UUID | None]
) -> dict[UUID, ReversedAmount]:
    """Returns how much of each of the transactions has gone back; nothing for one that was never reversed."""
    rows = await connection.fetch(_REVERSED, list(transaction_ids))
    return {row[0]: ReversedAmount(*row[1:]) for row in rows}


async def reversed_by_transaction(connection: AsyncConnection, transaction_ids: Collection[UUID]) -> dict[UUID, ReversedAmount]:
    """As `reversed_amounts`, outside of a batch."""
    row_of = models.ReversedAmount
    query = select(row_of.transaction_id, row_of.reversed, row_of.reversed_with_fee, row_of.fee_reversed).where(
        among(row_of.transaction_id, transaction_ids)
    )
    return {row[0]: ReversedAmount(*row[1:]) for row in await connection.execute(query)}
