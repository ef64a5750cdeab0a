"""The tables of the read models. As in `models.py`, triggers and grants are in the migrations.

Each table has rows of one or more generations: `paycore rebuild` fills a new one beside the live one.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app import records
from app.db.models import Base


class ReadModel(Base):
    """A generation of the read models, and the position of the last event that is in it. One is live."""

    __tablename__ = "read_models"
    __table_args__ = (
        CheckConstraint("generation > 0 AND position >= 0", name="read_models_counted"),
        Index("read_models_live_key", "is_live", unique=True, postgresql_where=text("is_live")),
    )

    generation: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    position: Mapped[int]
    is_live: Mapped[bool]
    started_at: Mapped[datetime]


class WalletDay(Base):
    """The entries of a wallet in a day of UTC. `debits_so_far` are those of all days up to this one."""

    __tablename__ = "wallet_days"
    __table_args__ = (
        CheckConstraint("closing = opening + credits - debits", name="wallet_days_add_up"),
        CheckConstraint(
            "first_sequence > 0 AND entry_count > 0 AND entry_count = last_sequence - first_sequence + 1",
            name="wallet_days_whole",
        ),
        CheckConstraint("debits >= 0 AND credits >= 0 AND debits_so_far >= debits", name="wallet_days_not_negative"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    generation: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    wallet_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    opening: Mapped[int]
    closing: Mapped[int]
    entry_count: Mapped[int]
    first_sequence: Mapped[int]
    last_sequence: Mapped[int]
    debits: Mapped[Decimal]
    credits: Mapped[Decimal]
    debits_so_far: Mapped[Decimal]


class WalletMark(Base):
    """The first entry of each quarter of an hour of a wallet, and every fourth, with the wallet's debits up to it.

    What a wallet was at the border of a period is what the first mark after it found. From a mark, any entry is at most 3 away.
    """

    __tablename__ = "wallet_marks"
    __table_args__ = (
        CheckConstraint("sequence > 0 AND amount <> 0", name="wallet_marks_of_entries"),
        CheckConstraint("debits_so_far >= 0", name="wallet_marks_not_negative"),
    )

    generation: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    wallet_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    amount: Mapped[int]
    balance: Mapped[int]
    debits_so_far: Mapped[Decimal]


class Activity(Base):
    """An entry of a user's wallet. `words` are for searches: see `app/services/activity_words.py`."""

    __tablename__ = "activity"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="activity_amount_not_zero"),
        CheckConstraint("wallet_id <> counterparty_wallet_id", name="activity_not_with_oneself"),
        Index("activity_words_idx", "words", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": "256"}),
    )

    generation: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    wallet_id: Mapped[UUID]
    at: Mapped[datetime]
    amount: Mapped[int]
    exponent: Mapped[int] = mapped_column(SmallInteger)
    purpose: Mapped[records.EntryPurpose] = mapped_column(Enum(records.EntryPurpose, name="entry_purpose"))
    currency: Mapped[str]
    counterparty_wallet_id: Mapped[UUID | None]
    words: Mapped[str] = mapped_column(TSVECTOR)


class ActivityParty(Base):
    """A user on the other side of some entry of a user's wallets."""

    __tablename__ = "activity_parties"

    generation: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    party_id: Mapped[UUID] = mapped_column(primary_key=True)
