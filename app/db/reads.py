"""Named reads of records by their ids and keys, one statement each. Lists are in `lists.py` beside it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import aliased

from app.db import models
from app.db.rows import (
    ENTRY_COLUMNS,
    TRANSACTION_COLUMNS,
    USER_COLUMNS,
    WALLET_COLUMNS,
    entry_of,
    transaction_of,
    user_of,
    wallet_of,
)
from app.db.statements import COMPLETED, Condition, Reader, Statement, among, id_parameter, parameter
from app.records import Entry, Payment, Transaction, User, Wallet

# Row comparisons for the same reason as in `in_range` of `lists.py`.
_KNOWN = """
WITH pairs AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS pair (sender, receiver)
), paid AS MATERIALIZED (
    SELECT DISTINCT recent.sender_wallet_id AS sender, recent.receiver_wallet_id AS receiver
    FROM (SELECT DISTINCT sender FROM pairs) AS own CROSS JOIN LATERAL (
        SELECT sender_wallet_id, receiver_wallet_id, status FROM transactions
        WHERE (sender_wallet_id, id) >= (own.sender, CAST('00000000-0000-0000-0000-000000000000' AS uuid))
          AND (sender_wallet_id, id) <= (own.sender, CAST('ffffffff-ffff-ffff-ffff-ffffffffffff' AS uuid))
        ORDER BY sender_wallet_id DESC, id DESC LIMIT 1000
    ) AS recent
    WHERE recent.status = 'COMPLETED'
)
SELECT sender, receiver FROM pairs
WHERE (sender, receiver) IN (SELECT sender, receiver FROM paid)
   OR EXISTS (SELECT FROM wallets WHERE wallets.id = pairs.receiver AND wallets.owner_id = $3)
"""

_USERS_BY_ID = Statement(select(*USER_COLUMNS).where(among(models.User.id, "ids")))


async def users_by_id(reader: Reader, user_ids: Collection[UUID]) -> Sequence[User]:
    """Returns those of the users that exist."""
    return [user_of(row) for row in await _USERS_BY_ID.rows(reader, ids=user_ids)]


_WALLETS_BY_ID = select(*WALLET_COLUMNS).where(among(models.Wallet.id, "ids"))
_ANY_WALLETS_BY_ID = Statement(_WALLETS_BY_ID)
_OWN_WALLETS_BY_ID = Statement(_WALLETS_BY_ID.where(models.Wallet.owner_id == id_parameter("owner")))


async def wallets_by_id(reader: Reader, wallet_ids: Collection[UUID], owner_id: UUID | None) -> Sequence[Wallet]:
    """Returns those of the wallets that belong to the owner. `owner_id` None: of any owner."""
    statement = _ANY_WALLETS_BY_ID if owner_id is None else _OWN_WALLETS_BY_ID
    return [wallet_of(row) for row in await statement.rows(reader, ids=wallet_ids, owner=owner_id)]


def _visible_transactions() -> Select[*tuple[Any, ...]]:
    """Those of the transactions `ids` that the `viewer` may see.

    A transaction is always visible to its initiator, and to the owners of its wallets if it is COMPLETED.
    """
    transaction, viewer = models.Transaction, id_parameter("viewer")
    sender, receiver = aliased(models.Wallet), aliased(models.Wallet)
    is_owned = or_(sender.owner_id == viewer, receiver.owner_id == viewer, _has_entry())
    return (
        select(*TRANSACTION_COLUMNS)
        .outerjoin(sender, sender.id == transaction.sender_wallet_id)
        .outerjoin(receiver, receiver.id == transaction.receiver_wallet_id)
        .where(
            among(transaction.id, "ids"), or_(transaction.initiator_id == viewer, (transaction.status == COMPLETED) & is_owned)
        )
    )


def _has_entry() -> Condition:
    """Whether a posting, which names no sender and no receiver, has an entry in one of the `viewer`'s wallets."""
    entry, wallet, transaction = models.LedgerEntry, models.Wallet, models.Transaction
    found = (
        select(entry.leg)
        .join(wallet, wallet.id == entry.wallet_id)
        .where(entry.transaction_id == transaction.id, wallet.owner_id == id_parameter("viewer"))
    )
    return transaction.sender_wallet_id.is_(None) & found.exists()


_TRANSACTIONS_BY_ID = Statement(select(*TRANSACTION_COLUMNS).where(among(models.Transaction.id, "ids")))
_VISIBLE_TRANSACTIONS = Statement(_visible_transactions())


async def transactions_by_id(reader: Reader, transaction_ids: Collection[UUID], viewer_id: UUID | None) -> Sequence[Transaction]:
    """Returns those of the transactions that the viewer may see. `viewer_id` None: all that exist."""
    statement = _TRANSACTIONS_BY_ID if viewer_id is None else _VISIBLE_TRANSACTIONS
    return [transaction_of(row) for row in await statement.rows(reader, ids=transaction_ids, viewer=viewer_id)]


_TRANSACTION_BY_KEY = Statement(
    select(*TRANSACTION_COLUMNS).where(
        models.Transaction.initiator_id == id_parameter("initiator"),
        models.Transaction.idempotency_key == parameter("key", models.Transaction.idempotency_key),
    )
)


async def transaction_by_key(reader: Reader, initiator_id: UUID, key: str) -> Transaction | None:
    """Returns the transaction with a user's idempotency key, or None."""
    rows = await _TRANSACTION_BY_KEY.rows(reader, initiator=initiator_id, key=key)
    return transaction_of(rows[0]) if rows else None


# The range of the ids leaves out partitions also where the plan is made before the ids are known.
_ENTRIES = select(*ENTRY_COLUMNS).where(
    among(models.LedgerEntry.transaction_id, "ids"),
    models.LedgerEntry.transaction_id.between(id_parameter("low"), id_parameter("high")),
)
_ENTRY_ORDER = (models.LedgerEntry.transaction_id, models.LedgerEntry.leg)
_ALL_ENTRIES = Statement(_ENTRIES.order_by(*_ENTRY_ORDER))
_OWN_ENTRIES = Statement(
    _ENTRIES.join(models.Wallet, models.Wallet.id == models.LedgerEntry.wallet_id)
    .where(models.Wallet.owner_id == id_parameter("owner"))
    .order_by(*_ENTRY_ORDER)
)


async def entries_by_transaction(reader: Reader, transaction_ids: Collection[UUID], owner_id: UUID | None) -> Sequence[Entry]:
    """Returns the entries of these transactions by leg, in the owner's wallets. `owner_id` None: in all wallets."""
    if not transaction_ids:
        return []
    statement = _ALL_ENTRIES if owner_id is None else _OWN_ENTRIES
    low, high = min(transaction_ids), max(transaction_ids)
    rows = await statement.rows(reader, ids=transaction_ids, low=low, high=high, owner=owner_id)
    return [entry_of(row) for row in rows]


_PARTIES = Statement(
    select(models.Wallet.id, models.User.display_name, models.Wallet.currency)
    .outerjoin(models.User, models.User.id == models.Wallet.owner_id)
    .where(among(models.Wallet.id, "ids"))
)


async def parties_by_wallet(reader: Reader, wallet_ids: Collection[UUID]) -> Sequence[tuple[UUID, str | None, str]]:
    """Returns for each wallet its id, its owner's display name (None for a system wallet) and its currency."""
    return [(wallet_id, name, currency) for wallet_id, name, currency in await _PARTIES.rows(reader, ids=wallet_ids)]


async def known_receivers(reader: Reader, user_id: UUID, payments: Collection[Payment]) -> set[Payment]:
    """Returns those of the pairs (sender, receiver) whose receiver belongs to the user or was recently paid by the sender.

    Recently: among the sender's last 1000 transactions.
    """
    senders, receivers = zip(*payments, strict=True)
    return {(sender, receiver) for sender, receiver in await reader.fetch(_KNOWN, senders, receivers, user_id)}
