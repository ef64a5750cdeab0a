"""Which columns make a record, and how a row becomes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.db import models
from app.errors import RefusalCode
from app.records import Entry, Transaction, User, Wallet

USER_COLUMNS = (models.User.id, models.User.subject, models.User.display_name, models.User.created_at)

WALLET_COLUMNS = (
    models.Wallet.id,
    models.Wallet.kind,
    models.Wallet.owner_id,
    models.Wallet.name,
    models.Wallet.currency,
    models.Wallet.balance,
    models.Wallet.held,
    models.Wallet.sequence,
    models.Wallet.status,
    models.Wallet.version,
    models.Wallet.posted_at,
    models.Wallet.created_at,
)

TRANSACTION_COLUMNS = (
    models.Transaction.id,
    models.Transaction.initiator_id,
    models.Transaction.idempotency_key,
    models.Transaction.type,
    models.Transaction.status,
    models.Transaction.sender_wallet_id,
    models.Transaction.receiver_wallet_id,
    models.Transaction.amount,
    models.Transaction.currency,
    models.Transaction.description,
    models.Transaction.failure_code,
    models.Transaction.failure_field,
    models.Transaction.failure_available,
    models.Transaction.created_at,
    models.Transaction.completed_at,
)
_FAILURE_CODE = TRANSACTION_COLUMNS.index(models.Transaction.failure_code)

ENTRY_COLUMNS = (
    models.LedgerEntry.transaction_id,
    models.LedgerEntry.leg,
    models.LedgerEntry.wallet_id,
    models.LedgerEntry.sequence,
    models.LedgerEntry.amount,
    models.LedgerEntry.balance_after,
    models.LedgerEntry.created_at,
)


def user_of(row: Sequence[Any]) -> User:
    """The user of a row of USER_COLUMNS."""
    return User(*row)


def wallet_of(row: Sequence[Any]) -> Wallet:
    """The wallet of a row of WALLET_COLUMNS."""
    return Wallet(*row)


def transaction_of(row: Sequence[Any]) -> Transaction:
    """The transaction of a row of TRANSACTION_COLUMNS."""
    values = list(row)
    code = values[_FAILURE_CODE]
    values[_FAILURE_CODE] = None if code is None else RefusalCode(code)
    return Transaction(*values)


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry of a row of ENTRY_COLUMNS."""
    return Entry(*row)
