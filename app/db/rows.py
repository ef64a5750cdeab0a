"""The columns of each record, and the mapping from rows to records."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import orjson
from sqlalchemy import BigInteger, case, cast, func, literal, select

from app.db import models
from app.db.hold_models import Hold as HoldRow
from app.errors import RefusalCode
from app.records import (
    AccountType,
    Entry,
    EntryPurpose,
    FeePayer,
    FeeSchedule,
    Hold,
    HoldEvent,
    HoldEventKind,
    HoldStatus,
    RoundingMode,
    Transaction,
    TransactionStatus,
    TransactionType,
    User,
    Wallet,
    WalletKind,
    WalletStatus,
)

USER_COLUMNS = tuple(getattr(models.User, field.name) for field in fields(User))
_OPEN, _EXPIRED = (literal(one, HoldRow.status.type, literal_execute=True) for one in (HoldStatus.OPEN, HoldStatus.EXPIRED))
_IS_OVER = (HoldRow.status == _OPEN) & (HoldRow.expires_at <= func.clock_timestamp())
"""An open hold whose time is over. It counts for nothing, even if no batch or sweeper has recorded it yet."""
_NOW = {
    # Most wallets hold nothing, and need no look at the holds.
    "held": case(
        (models.Wallet.held == 0, 0),
        else_=models.Wallet.held
        - select(cast(func.coalesce(func.sum(HoldRow.amount - HoldRow.captured - HoldRow.released), 0), BigInteger))
        .where(HoldRow.wallet_id == models.Wallet.id, _IS_OVER)
        .correlate(models.Wallet)
        .scalar_subquery(),
    ).label("held")
}
WALLET_COLUMNS = tuple(_NOW.get(name, getattr(models.Wallet, name)) for name in Wallet._fields)
HOLD_STATUS_NOW = case((_IS_OVER, _EXPIRED), else_=HoldRow.status)
_HOLD_NOW = {
    "status": HOLD_STATUS_NOW.label("status"),
    "released": case((_IS_OVER, HoldRow.amount - HoldRow.captured), else_=HoldRow.released).label("released"),
    "closed_at": case((_IS_OVER, HoldRow.expires_at), else_=HoldRow.closed_at).label("closed_at"),
}
HOLD_COLUMNS = tuple(_HOLD_NOW.get(name, getattr(HoldRow, "metadata_" if name == "metadata" else name)) for name in Hold._fields)
# SQLAlchemy keeps the name `metadata` for itself.
TRANSACTION_COLUMNS = tuple(
    getattr(models.Transaction, "metadata_" if name == "metadata" else name) for name in Transaction._fields
)
FEE_SCHEDULE_COLUMNS = tuple(getattr(models.FeeSchedule, field.name) for field in fields(FeeSchedule))
ENTRY_COLUMNS = tuple(getattr(models.LedgerEntry, name) for name in Entry._fields)

# These enums are strings, so both the text that asyncpg returns and the member that SQLAlchemy returns find the member.
_KINDS = {kind: kind for kind in WalletKind}
_STATUSES = {status: status for status in WalletStatus}
_ACCOUNT_TYPES = {type_: type_ for type_ in AccountType}
_PURPOSES = {purpose: purpose for purpose in EntryPurpose}
_TYPES = {type_: type_ for type_ in TransactionType}
_TRANSACTION_STATUSES = {status: status for status in TransactionStatus}
_HOLD_STATUSES = {status: status for status in HoldStatus}
_HOLD_EVENT_KINDS = {kind: kind for kind in HoldEventKind}
_REFUSAL_CODES: dict[str | None, RefusalCode | None] = {None: None, **{code: code for code in RefusalCode}}


def user_of(row: Any) -> User:
    """`row` must begin with the fields of User in their order."""
    return User(*row[: len(USER_COLUMNS)])


# `_replace` would take four times as long as the rest of each of the next three.
_KIND, _STATUS, _ACCOUNT_TYPE = (Wallet._fields.index(name) for name in ("kind", "status", "account_type"))


def wallet_of(row: Any) -> Wallet:
    """`row` must begin with the fields of Wallet in their order."""
    values = list(row[: len(Wallet._fields)])
    values[_KIND] = _KINDS[values[_KIND]]
    values[_STATUS] = _STATUSES[values[_STATUS]]
    values[_ACCOUNT_TYPE] = _ACCOUNT_TYPES[values[_ACCOUNT_TYPE]]
    return Wallet._make(values)


_TYPE, _STATE, _FAILURE_CODE, _METADATA, _TERMS = (
    Transaction._fields.index(name) for name in ("type", "status", "failure_code", "metadata", "terms")
)


def transaction_of(row: Any) -> Transaction:
    """`row` must begin with the fields of Transaction in their order."""
    values = list(row[: len(Transaction._fields)])
    values[_TYPE] = _TYPES[values[_TYPE]]
    values[_STATE] = _TRANSACTION_STATUSES[values[_STATE]]
    values[_FAILURE_CODE] = _REFUSAL_CODES[values[_FAILURE_CODE]]
    values[_METADATA] = _json(values[_METADATA])
    values[_TERMS] = _json(values[_TERMS])
    return Transaction._make(values)


_PURPOSE = Entry._fields.index("purpose")


def entry_of(row: Any) -> Entry:
    """`row` must begin with the fields of Entry in their order."""
    values = list(row[: len(Entry._fields)])
    values[_PURPOSE] = _PURPOSES[values[_PURPOSE]]
    return Entry._make(values)


def hold_of(row: Any) -> Hold:
    """`row` must begin with the fields of Hold in their order."""
    hold = Hold._make(row[: len(Hold._fields)])
    return hold._replace(status=_HOLD_STATUSES[hold.status], metadata=_json(hold.metadata))


def hold_event_of(row: Any) -> HoldEvent:
    """`row` must begin with the fields of HoldEvent in their order."""
    event = HoldEvent._make(row[: len(HoldEvent._fields)])
    return event._replace(kind=_HOLD_EVENT_KINDS[event.kind], terms=_json(event.terms))


def fee_schedule_of(row: Any) -> FeeSchedule:
    """`row` must begin with the fields of FeeSchedule in their order."""
    schedule = FeeSchedule(*row[: len(FEE_SCHEDULE_COLUMNS)])
    return replace(
        schedule,
        transaction_type=_TYPES[schedule.transaction_type],
        payer=FeePayer(schedule.payer),
        rounding=RoundingMode(schedule.rounding),
    )


def _json(value: Any) -> Any:
    """A JSON column: SQLAlchemy returns its value, asyncpg its text."""
    return orjson.loads(value) if isinstance(value, str) else value
