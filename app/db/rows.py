"""Which columns make a record, and how a row becomes one."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from app.db import models
from app.errors import RefusalCode
from app.records import Entry, Transaction, TransactionStatus, TransactionType, User, Wallet, WalletKind, WalletStatus

USER_COLUMNS = tuple(getattr(models.User, field.name) for field in fields(User))
WALLET_COLUMNS = tuple(getattr(models.Wallet, name) for name in Wallet._fields)
TRANSACTION_COLUMNS = tuple(getattr(models.Transaction, name) for name in Transaction._fields)
ENTRY_COLUMNS = tuple(getattr(models.LedgerEntry, name) for name in Entry._fields)

# These enums are strings: a text from asyncpg finds its member, and so does the member that SQLAlchemy has made of it.
_KINDS = {kind: kind for kind in WalletKind}
_STATUSES = {status: status for status in WalletStatus}
_TYPES = {type_: type_ for type_ in TransactionType}
_TRANSACTION_STATUSES = {status: status for status in TransactionStatus}
_REFUSAL_CODES: dict[str | None, RefusalCode | None] = {None: None, **{code: code for code in RefusalCode}}


def user_of(row: Any) -> User:
    """Of a row that begins with the fields of User in their order."""
    return User(*row[: len(USER_COLUMNS)])


def wallet_of(row: Any) -> Wallet:
    """Of a row that begins with the fields of Wallet in their order."""
    wallet = Wallet._make(row[: len(Wallet._fields)])
    return wallet._replace(kind=_KINDS[wallet.kind], status=_STATUSES[wallet.status])


def transaction_of(row: Any) -> Transaction:
    """Of a row that begins with the fields of Transaction in their order."""
    transaction = Transaction._make(row[: len(Transaction._fields)])
    return transaction._replace(
        type=_TYPES[transaction.type],
        status=_TRANSACTION_STATUSES[transaction.status],
        failure_code=_REFUSAL_CODES[transaction.failure_code],
    )


def entry_of(row: Any) -> Entry:
    """Of a row that begins with the fields of Entry in their order."""
    return Entry._make(row[: len(Entry._fields)])
