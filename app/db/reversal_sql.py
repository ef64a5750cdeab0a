"""Reversals: what may be reversed, and how much of it has gone back."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from app.db import models
from app.db.rows import TRANSACTION_COLUMNS, transaction_of
from app.db.statements import Reader, Statement, id_parameter
from app.records import ReversedAmount, Transaction

# In a batch: after the wallets' locks, so that it sees what was committed during the wait for them.
_REVERSED = """
SELECT transaction_id, reversed, reversed_with_fee, fee_reversed FROM reversed_amounts WHERE transaction_id = ANY($1::uuid[])
"""


class Original(NamedTuple):
    """A transaction to reverse, with facts about it that never change."""

    transaction: Transaction
    receiver_owner_id: UUID | None
    fee_legs: tuple[UUID, UUID] | None
    """The wallet that paid its fee, and the fee wallet."""


_receiver = aliased(models.Wallet)
_ORIGINAL = Statement(
    select(*TRANSACTION_COLUMNS, _receiver.owner_id)
    .outerjoin(_receiver, _receiver.id == models.Transaction.receiver_wallet_id)
    .where(models.Transaction.id == id_parameter("id"))
)
_FEE_LEGS = "SELECT wallet_id FROM ledger_entries WHERE transaction_id = $1 AND leg IN (2, 3) ORDER BY leg"


async def original(reader: Reader, transaction_id: UUID) -> Original | None:
    """Returns the transaction, or None if there is none."""
    rows = await _ORIGINAL.rows(reader, id=transaction_id)
    if not rows:
        return None
    transaction, owner_id = transaction_of(rows[0]), rows[0][len(TRANSACTION_COLUMNS)]
    if transaction.fee is None:
        return Original(transaction, owner_id, None)
    legs = [row[0] for row in await reader.fetch(_FEE_LEGS, transaction_id)]
    return Original(transaction, owner_id, (legs[0], legs[1]) if legs else None)


async def reversed_amounts(reader: Reader, transaction_ids: Collection[UUID | None]) -> dict[UUID, ReversedAmount]:
    """Returns how much of each of the transactions has gone back; nothing for one that was never reversed."""
    rows = await reader.fetch(_REVERSED, list(transaction_ids))
    return {row[0]: ReversedAmount(*row[1:]) for row in rows}
