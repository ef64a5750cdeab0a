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
from app.records import EntryPurpose, ReversedAmount, Transaction

# In a batch: after the wallets' locks, so that it sees what was committed during the wait for them.
_REVERSED = """
SELECT transaction_id, reversed, reversed_with_fee, fee_reversed FROM reversed_amounts WHERE transaction_id = ANY($1::uuid[])
"""


class Original(NamedTuple):
    """A transaction to reverse, with facts about it that never change."""

    transaction: Transaction
    sender_owner_id: UUID | None
    receiver_owner_id: UUID | None
    legs: tuple[tuple[UUID, int, str, EntryPurpose], ...]
    """Wallet, signed amount, currency and purpose of each leg of one with more than two."""

    @property
    def fee_legs(self) -> tuple[UUID, UUID] | None:
        """The wallet that paid its fee, and the fee wallet."""
        wallets = [wallet_id for wallet_id, _, _, purpose in self.legs if purpose is EntryPurpose.FEE]
        return (wallets[0], wallets[1]) if wallets else None


_sender, _receiver = aliased(models.Wallet), aliased(models.Wallet)
_ORIGINAL = Statement(
    select(*TRANSACTION_COLUMNS, _sender.owner_id, _receiver.owner_id)
    .outerjoin(_sender, _sender.id == models.Transaction.sender_wallet_id)
    .outerjoin(_receiver, _receiver.id == models.Transaction.receiver_wallet_id)
    .where(models.Transaction.id == id_parameter("id"))
)
_LEGS = """
SELECT e.wallet_id, e.amount, w.currency, e.purpose::text FROM ledger_entries e JOIN wallets w ON w.id = e.wallet_id
WHERE e.transaction_id = $1 ORDER BY e.leg
"""


async def original(reader: Reader, transaction_id: UUID) -> Original | None:
    """Returns the transaction, or None if there is none."""
    rows = await _ORIGINAL.rows(reader, id=transaction_id)
    if not rows:
        return None
    transaction = transaction_of(rows[0])
    owners = rows[0][len(TRANSACTION_COLUMNS)], rows[0][len(TRANSACTION_COLUMNS) + 1]
    if transaction.fee is None and transaction.quote_id is None:
        return Original(transaction, *owners, ())
    legs = await reader.fetch(_LEGS, transaction_id)
    return Original(transaction, *owners, tuple((leg[0], leg[1], leg[2], EntryPurpose(leg[3])) for leg in legs))


async def reversed_amounts(reader: Reader, transaction_ids: Collection[UUID | None]) -> dict[UUID, ReversedAmount]:
    """Returns how much of each of the transactions has gone back; nothing for one that was never reversed."""
    rows = await reader.fetch(_REVERSED, list(transaction_ids))
    return {row[0]: ReversedAmount(*row[1:]) for row in rows}
