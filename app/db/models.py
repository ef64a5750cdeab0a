"""The tables. Every constraint has a name. Triggers and grants, which SQLAlchemy cannot express, are in the migrations."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app import records

_Moment = DateTime(timezone=True)
_ByBytes = Text(collation="C")
"""For unique text. An upgrade of the operating system may change the order of other collations, which breaks unique indexes."""
_CURRENCY_BY_BYTES = {"currency": "text_pattern_ops"}
"""The same for an index on a column with the database's collation."""


class Base(DeclarativeBase):
    """The base class of all tables."""

    metadata = MetaData(naming_convention={"pk": "%(table_name)s_pkey"})
    type_annotation_map = {datetime: _Moment, int: BigInteger, str: Text, UUID: Uuid, bytes: LargeBinary}


class Currency(Base):
    """ISO 4217: code, number of decimals, name. Filled by a migration."""

    __tablename__ = "currencies"
    __table_args__ = (
        CheckConstraint("code ~ '^[A-Z]{3}$'", name="currencies_code_is_iso"),
        CheckConstraint("exponent BETWEEN 0 AND 4", name="currencies_exponent_in_range"),
    )

    code: Mapped[str] = mapped_column(_ByBytes, primary_key=True)
    exponent: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]


class User(Base):
    """An owner of wallets."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("subject", name="users_subject_key"),
        CheckConstraint("char_length(subject) BETWEEN 1 AND 255", name="users_subject_length"),
        CheckConstraint("char_length(display_name) BETWEEN 1 AND 100", name="users_display_name_length"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(_ByBytes)
    display_name: Mapped[str]
    created_at: Mapped[datetime]


class Wallet(Base):
    """A balance in one currency. Only the posting trigger writes balance, sequence, posted_at and overdrawn.

    `overdrawn`: a reversal that allowed it has taken the available balance below zero.
    """

    __tablename__ = "wallets"
    __table_args__ = (
        CheckConstraint("kind = 'SYSTEM' OR overdrawn = (balance - held < 0)", name="wallets_available_not_negative"),
        CheckConstraint("held >= 0", name="wallets_held_not_negative"),
        CheckConstraint("sequence >= 0", name="wallets_sequence_not_negative"),
        CheckConstraint("version >= 1", name="wallets_version_positive"),
        CheckConstraint("status <> 'CLOSED' OR (balance = 0 AND held = 0)", name="wallets_closed_at_zero"),
        CheckConstraint("(kind = 'SYSTEM') = (owner_id IS NULL)", name="wallets_owner_iff_user"),
        CheckConstraint("(kind = 'SYSTEM') = (system_purpose IS NOT NULL)", name="wallets_purpose_iff_system"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="wallets_name_length"),
        CheckConstraint("kind = 'SYSTEM' OR account_type = 'LIABILITY'", name="wallets_of_users_are_liabilities"),
        Index("wallets_owner_idx", "owner_id", "id", postgresql_where=text("owner_id IS NOT NULL")),
        Index(
            "wallets_system_purpose_key",
            "currency",
            "system_purpose",
            unique=True,
            postgresql_ops=_CURRENCY_BY_BYTES,
            postgresql_where=text("system_purpose IS NOT NULL"),
        ),
        # Leaves room on each page for new row versions, so that a balance update need not touch an index (HOT).
        {"postgresql_with": {"fillfactor": "50"}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", name="wallets_owner_fkey"))
    balance: Mapped[int] = mapped_column(server_default=text("0"))
    held: Mapped[int] = mapped_column(server_default=text("0"))
    sequence: Mapped[int] = mapped_column(server_default=text("0"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    posted_at: Mapped[datetime]
    created_at: Mapped[datetime]
    kind: Mapped[records.WalletKind] = mapped_column(Enum(records.WalletKind, name="wallet_kind"))
    status: Mapped[records.WalletStatus] = mapped_column(
        Enum(records.WalletStatus, name="wallet_status"), server_default=text("'ACTIVE'")
    )
    currency: Mapped[str] = mapped_column(Text(), ForeignKey("currencies.code", name="wallets_currency_fkey"))
    name: Mapped[str]
    system_purpose: Mapped[str | None] = mapped_column(_ByBytes)
    account_type: Mapped[records.AccountType] = mapped_column(Enum(records.AccountType, name="account_type"))
    overdrawn: Mapped[bool] = mapped_column(server_default=text("false"))


class WalletOpening(Base):
    """The idempotency keys of openWallet. They are separate from those of transactions and are never deleted."""

    __tablename__ = "wallet_openings"
    __table_args__ = (
        CheckConstraint(
            "idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255", name="wallet_openings_key_is_visible_ascii"
        ),
        CheckConstraint("octet_length(request_hash) = 32", name="wallet_openings_hash_is_sha256"),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="wallet_openings_owner_fkey"), primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(_ByBytes, primary_key=True)
    request_hash: Mapped[bytes]
    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", name="wallet_openings_wallet_fkey"))


class Transaction(Base):
    """A request to move money and its outcome. A trigger per statement checks references: cheaper than foreign keys."""

    __tablename__ = "transactions"
    __table_args__ = (
        UniqueConstraint("initiator_id", "idempotency_key", name="transactions_idempotency_key"),
        CheckConstraint(
            "idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255", name="transactions_key_is_visible_ascii"
        ),
        CheckConstraint("amount > 0", name="transactions_amount_positive"),
        CheckConstraint("sender_wallet_id <> receiver_wallet_id", name="transactions_not_to_oneself"),
        CheckConstraint("(status = 'FAILED') = (failure_code IS NOT NULL)", name="transactions_failure_code_iff_failed"),
        CheckConstraint("(status = 'COMPLETED') = (completed_at IS NOT NULL)", name="transactions_completed_at_iff_completed"),
        CheckConstraint("completed_at >= created_at", name="transactions_completed_after_created"),
        CheckConstraint("char_length(description) <= 280", name="transactions_description_length"),
        CheckConstraint(
            "failure_code IN ('WALLET_NOT_ACTIVE', 'CURRENCY_MISMATCH', 'INSUFFICIENT_FUNDS', 'QUOTA_EXCEEDED', "
            "'BATCH_ABORTED', 'QUOTE_EXPIRED', 'QUOTE_USED', 'LIQUIDITY_EXHAUSTED')",
            name="transactions_failure_code_known",
        ),
        CheckConstraint(
            "(sender_wallet_id IS NULL) = (type = 'POSTING') AND (receiver_wallet_id IS NULL) = (type = 'POSTING')",
            name="transactions_sides_unless_posting",
        ),
        CheckConstraint("(type = 'POSTING') = (terms IS NOT NULL AND terms ? 'legs')", name="transactions_legs_iff_posting"),
        CheckConstraint("char_length(reference) BETWEEN 1 AND 140", name="transactions_reference_length"),
        CheckConstraint(
            "jsonb_typeof(metadata) = 'object' AND metadata <> '{}' AND jsonb_typeof(terms) = 'object'",
            name="transactions_input_is_objects",
        ),
        CheckConstraint(
            "fee > 0 AND (fee IS NULL) = (fee_schedule_id IS NULL) "
            "AND (fee IS NULL OR status <> 'FAILED' OR failure_code <> 'BATCH_ABORTED')",
            name="transactions_fee_by_a_schedule",
        ),
        CheckConstraint(
            "(type = 'REVERSAL') = (reverses_id IS NOT NULL) "
            "AND (type = 'REVERSAL') = (terms IS NOT NULL AND terms ? 'reversal')",
            name="transactions_original_iff_reversal",
        ),
        CheckConstraint(
            "(type = 'CAPTURE') = (hold_id IS NOT NULL) AND (type = 'CAPTURE') = (terms IS NOT NULL AND terms ? 'capture')",
            name="transactions_hold_iff_capture",
        ),
        CheckConstraint("(type = 'CONVERSION') = (quote_id IS NOT NULL)", name="transactions_quote_iff_conversion"),
        # One completed transaction uses a quote.
        Index(
            "transactions_quote_key",
            "quote_id",
            unique=True,
            postgresql_where=text("quote_id IS NOT NULL AND status = 'COMPLETED'"),
        ),
        Index("transactions_reverses_idx", "reverses_id", "id", postgresql_where=text("reverses_id IS NOT NULL")),
        Index("transactions_hold_idx", "hold_id", "id", postgresql_where=text("hold_id IS NOT NULL")),
        Index("transactions_sender_idx", "sender_wallet_id", "id"),
        # Only COMPLETED: refused transfers must not slow down the list of the wallet they were sent to.
        Index("transactions_receiver_idx", "receiver_wallet_id", "id", postgresql_where=text("status = 'COMPLETED'")),
        Index("transactions_reference_idx", "reference", "id", postgresql_where=text("reference IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    initiator_id: Mapped[UUID]
    sender_wallet_id: Mapped[UUID | None]
    receiver_wallet_id: Mapped[UUID | None]
    amount: Mapped[int]
    failure_available: Mapped[int | None]
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    type: Mapped[records.TransactionType] = mapped_column(Enum(records.TransactionType, name="transaction_type"))
    status: Mapped[records.TransactionStatus] = mapped_column(Enum(records.TransactionStatus, name="transaction_status"))
    idempotency_key: Mapped[str] = mapped_column(_ByBytes)
    currency: Mapped[str]
    failure_code: Mapped[str | None]
    failure_field: Mapped[str | None]
    description: Mapped[str | None]
    reference: Mapped[str | None] = mapped_column(_ByBytes)
    metadata_: Mapped[dict[str, str] | None] = mapped_column("metadata", JSONB)
    terms: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    fee: Mapped[int | None]
    fee_schedule_id: Mapped[UUID | None]
    reverses_id: Mapped[UUID | None]
    hold_id: Mapped[UUID | None]
    quote_id: Mapped[UUID | None]


class FeeSchedule(Base):
    """A version of a fee. Insert-only. A trigger sets version and created_at, and valid_from if it is left out."""

    __tablename__ = "fee_schedules"
    __table_args__ = (
        UniqueConstraint("number", name="fee_schedules_number_key"),
        UniqueConstraint("initiator_id", "idempotency_key", name="fee_schedules_idempotency_key"),
        CheckConstraint(
            "idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255", name="fee_schedules_key_is_visible_ascii"
        ),
        CheckConstraint("octet_length(request_hash) = 32", name="fee_schedules_hash_is_sha256"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="fee_schedules_name_length"),
        CheckConstraint("percent BETWEEN 0 AND 100", name="fee_schedules_percent_in_range"),
        CheckConstraint("flat >= 0 AND minimum >= 0 AND maximum >= 0", name="fee_schedules_amounts_not_negative"),
        CheckConstraint("minimum <= maximum", name="fee_schedules_limits_in_order"),
        CheckConstraint(
            "percent IS NOT NULL OR flat IS NOT NULL OR (minimum IS NULL AND maximum IS NULL)",
            name="fee_schedules_limits_of_a_fee",
        ),
        CheckConstraint(
            "transaction_type = 'TRANSFER' OR (transaction_type = 'DEPOSIT' AND payer = 'RECEIVER') "
            "OR (transaction_type = 'CONVERSION' AND payer = 'SENDER')",
            name="fee_schedules_payer_of_type",
        ),
        Index(
            "fee_schedules_line_key",
            "transaction_type",
            "currency",
            text("coalesce(user_id, '00000000-0000-0000-0000-000000000000')"),
            "version",
            unique=True,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Identity(always=True))
    transaction_type: Mapped[records.TransactionType] = mapped_column(Enum(records.TransactionType, name="transaction_type"))
    currency: Mapped[str] = mapped_column(_ByBytes, ForeignKey("currencies.code", name="fee_schedules_currency_fkey"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", name="fee_schedules_user_fkey"))
    version: Mapped[int]
    name: Mapped[str]
    payer: Mapped[records.FeePayer] = mapped_column(Enum(records.FeePayer, name="fee_payer"))
    percent: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    flat: Mapped[int | None]
    minimum: Mapped[int | None]
    maximum: Mapped[int | None]
    rounding: Mapped[records.RoundingMode] = mapped_column(Enum(records.RoundingMode, name="rounding_mode"))
    valid_from: Mapped[datetime]
    created_at: Mapped[datetime]
    initiator_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="fee_schedules_initiator_fkey"))
    idempotency_key: Mapped[str] = mapped_column(_ByBytes)
    request_hash: Mapped[bytes]


class ReversedAmount(Base):
    """How much of a transaction has gone back. Only the posting trigger writes it, under the lock of the wallet that gives back.

    `amount` and `fee` are the transaction's. `fee_reversed` is the part of the fee in the same proportion as
    `reversed_with_fee` of the amount, rounded down.
    """

    __tablename__ = "reversed_amounts"
    __table_args__ = (
        CheckConstraint("reversed > 0 AND reversed <= amount", name="reversed_amounts_within_amount"),
        CheckConstraint("reversed_with_fee BETWEEN 0 AND reversed", name="reversed_amounts_with_fee_in_range"),
        CheckConstraint("fee_reversed BETWEEN 0 AND fee", name="reversed_amounts_within_fee"),
    )

    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    amount: Mapped[int]
    fee: Mapped[int]
    reversed: Mapped[int]
    reversed_with_fee: Mapped[int]
    fee_reversed: Mapped[int]


class TransactionWallet(Base):
    """A wallet with entries of a transaction that is neither its sender nor its receiver. Only the posting trigger writes it.

    `change` is the sign of the wallet's entries together: -1, 0 or 1.
    """

    __tablename__ = "transaction_wallets"
    __table_args__ = (CheckConstraint("change BETWEEN -1 AND 1", name="transaction_wallets_change_is_a_sign"),)

    wallet_id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    change: Mapped[int] = mapped_column(SmallInteger)


class LedgerEntry(Base):
    """A leg of a transaction in one wallet. Insert-only. The currency is the wallet's.

    One partition for each month. (wallet_id, sequence) is the primary key of each partition; across them the posting trigger
    keeps it unique.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("transaction_id", "leg", name="ledger_entries_transaction_leg_key"),
        CheckConstraint("leg BETWEEN 0 AND 4095", name="ledger_entries_leg_in_range"),
        CheckConstraint("sequence > 0", name="ledger_entries_sequence_positive"),
        CheckConstraint("amount <> 0", name="ledger_entries_amount_not_zero"),
        {"postgresql_partition_by": "RANGE (transaction_id)"},
    )

    wallet_id: Mapped[UUID] = mapped_column()
    sequence: Mapped[int] = mapped_column()
    transaction_id: Mapped[UUID]
    amount: Mapped[int]
    balance_after: Mapped[int]
    created_at: Mapped[datetime]
    leg: Mapped[int] = mapped_column(SmallInteger)
    purpose: Mapped[records.EntryPurpose] = mapped_column(
        Enum(records.EntryPurpose, name="entry_purpose"), server_default=text("'PRINCIPAL'")
    )

    __mapper_args__ = {"primary_key": [wallet_id, sequence]}


class OutboxEvent(Base):
    """An event that was committed with its transaction and waits for the relay. Ids are assigned under the wallets' locks."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    created_at: Mapped[datetime]
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)


class ParkedEvent(Base):
    """An event that the relay could not read. Subscriptions got its data from the database; it waits here for an operator."""

    __tablename__ = "outbox_parked"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    created_at: Mapped[datetime]
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    parked_at: Mapped[datetime]
    reason: Mapped[str]


class AuditRecord(Base):
    """An action of an administrator, or of an operator, who is not a user of the ledger. Insert-only.

    The database sets `created_at` and `operator`. `request_id` is what the client sent.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        CheckConstraint("char_length(reason) BETWEEN 1 AND 280", name="audit_log_reason_length"),
        CheckConstraint("(actor_id IS NULL) <> (operator IS NULL)", name="audit_log_one_actor"),
        Index("audit_log_subject_idx", "subject_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", name="audit_log_actor_fkey"))
    action: Mapped[str]
    subject_id: Mapped[UUID | None]
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str | None]
    request_id: Mapped[str | None]
    created_at: Mapped[datetime]
    operator: Mapped[str | None]


class LedgerVerification(Base):
    """The result of a run of `paycore verify`. Insert-only. The highest id is the last run."""

    __tablename__ = "ledger_verifications"
    __table_args__ = (
        CheckConstraint("duration_ms >= 0", name="ledger_verifications_duration_not_negative"),
        CheckConstraint("findings >= 0", name="ledger_verifications_findings_not_negative"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    finished_at: Mapped[datetime]
    duration_ms: Mapped[int]
    findings: Mapped[int]


class InstallationRow(Base):
    """The id of this installation. There is exactly one row."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("only_row", name="installation_one_row"),)

    only_row: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    id: Mapped[UUID]


class Quota(Base):
    """A user's limits and counts of transfers. Its lock guards all of the user's counts. A NULL limit: the settings apply."""

    __tablename__ = "quotas"
    __table_args__ = (
        CheckConstraint("transfers_per_minute >= 0 AND transfers_per_day >= 0", name="quotas_limits_not_negative"),
        CheckConstraint("minute_transfers >= 0 AND day_transfers >= 0", name="quotas_counts_not_negative"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="quotas_user_fkey"), primary_key=True)
    transfers_per_minute: Mapped[int | None]
    transfers_per_day: Mapped[int | None]
    minute: Mapped[datetime] = mapped_column(server_default=text("'epoch'"))
    minute_transfers: Mapped[int] = mapped_column(server_default=text("0"))
    day: Mapped[date] = mapped_column(server_default=text("'epoch'"))
    day_transfers: Mapped[int] = mapped_column(server_default=text("0"))


class QuotaAmount(Base):
    """A user's limit and sum per day in one currency. The sum is numeric because it may exceed a bigint."""

    __tablename__ = "quota_amounts"
    __table_args__ = (
        CheckConstraint("amount_per_day >= 0", name="quota_amounts_limit_not_negative"),
        CheckConstraint("day_amount >= 0", name="quota_amounts_count_not_negative"),
        # Unique by bytes too, because the primary key has the database's collation.
        Index("quota_amounts_by_bytes", "user_id", "currency", unique=True, postgresql_ops=_CURRENCY_BY_BYTES),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("quotas.user_id", name="quota_amounts_quota_fkey"), primary_key=True)
    currency: Mapped[str] = mapped_column(
        Text(), ForeignKey("currencies.code", name="quota_amounts_currency_fkey"), primary_key=True
    )
    amount_per_day: Mapped[int | None]
    day: Mapped[date] = mapped_column(server_default=text("'epoch'"))
    day_amount: Mapped[Decimal] = mapped_column(server_default=text("0"))
