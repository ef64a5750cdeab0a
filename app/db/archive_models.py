"""Tables of sealed and archived months. Migration 0035 has their triggers and functions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, Numeric, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, _ByBytes


class LedgerSeal(Base):
    """What a partition's entries sum to, by currency, and the hash of its rows. Insert-only. No entry comes in after it."""

    __tablename__ = "ledger_seals"
    __table_args__ = (
        UniqueConstraint("high", name="ledger_seals_once"),
        CheckConstraint("low < high", name="ledger_seals_in_order"),
        CheckConstraint("entries >= 0", name="ledger_seals_entries_not_negative"),
        CheckConstraint("octet_length(sha256) = 32", name="ledger_seals_hash_is_sha256"),
    )

    partition: Mapped[str] = mapped_column(_ByBytes, primary_key=True)
    low: Mapped[UUID]
    high: Mapped[UUID]
    entries: Mapped[int]
    sums: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sha256: Mapped[bytes]
    sealed_at: Mapped[datetime]


class WalletPlace(Base):
    """Where a wallet that moved in a sealed month stood at its end, and by how much it changed. Insert-only.

    Its entries of the month have sequences from `first_sequence` to `sequence`.
    """

    __tablename__ = "wallet_places"
    __table_args__ = (
        CheckConstraint("first_sequence > 0 AND first_sequence <= sequence", name="wallet_places_in_order"),
        CheckConstraint("debits >= 0", name="wallet_places_debits_not_negative"),
    )

    wallet_id: Mapped[UUID] = mapped_column(primary_key=True)
    high: Mapped[UUID] = mapped_column(ForeignKey("ledger_seals.high", name="wallet_places_seal_fkey"), primary_key=True)
    sequence: Mapped[int]
    balance: Mapped[int]
    change: Mapped[Decimal] = mapped_column(Numeric)
    posted_at: Mapped[datetime]
    first_sequence: Mapped[int]
    debits: Mapped[Decimal] = mapped_column(Numeric)


class LedgerArchive(Base):
    """A file with the rows of a sealed partition, after it was read back and compared with the seal. Insert-only."""

    __tablename__ = "ledger_archives"
    __table_args__ = (
        CheckConstraint("octet_length(file_sha256) = 32", name="ledger_archives_hash_is_sha256"),
        CheckConstraint("bytes > 0", name="ledger_archives_bytes_positive"),
    )

    partition: Mapped[str] = mapped_column(
        _ByBytes, ForeignKey("ledger_seals.partition", name="ledger_archives_seal_fkey"), primary_key=True
    )
    uri: Mapped[str] = mapped_column(_ByBytes, primary_key=True)
    file_sha256: Mapped[bytes]
    bytes: Mapped[int]
    verified_at: Mapped[datetime]


class ArchivedEntries(Base):
    """The canonical bytes of a transaction's entries, by leg, for receipts and the check of the log. Insert-only."""

    __tablename__ = "archived_entries"
    __table_args__ = (CheckConstraint("cardinality(entries) >= 2", name="archived_entries_whole"),)

    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    entries: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
