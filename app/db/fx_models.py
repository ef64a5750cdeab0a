"""The tables of exchange rates and quotes. As in `models.py`, triggers and grants are in the migrations."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, Integer, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, _ByBytes


class FxRate(Base):
    """An exchange rate. Insert-only. A trigger sets created_at, and valid_from if it is left out."""

    __tablename__ = "fx_rates"
    __table_args__ = (
        UniqueConstraint("number", name="fx_rates_number_key"),
        CheckConstraint("base <> quote", name="fx_rates_between_two_currencies"),
        CheckConstraint("rate > 0 AND rate < 'infinity'", name="fx_rates_rate_positive"),
        CheckConstraint("spread_basis_points BETWEEN 0 AND 5000", name="fx_rates_spread_in_range"),
        CheckConstraint("char_length(source) BETWEEN 1 AND 100", name="fx_rates_source_length"),
        # Of two currencies, whichever is the base.
        Index("fx_rates_pair_idx", text("least(base, quote)"), text("greatest(base, quote)"), "valid_from", "number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Identity(always=True))
    base: Mapped[str] = mapped_column(_ByBytes, ForeignKey("currencies.code", name="fx_rates_base_fkey"))
    quote: Mapped[str] = mapped_column(_ByBytes, ForeignKey("currencies.code", name="fx_rates_quote_fkey"))
    rate: Mapped[Decimal] = mapped_column(Numeric(30, 15))
    spread_basis_points: Mapped[int] = mapped_column(Integer)
    source: Mapped[str]
    valid_from: Mapped[datetime]
    created_at: Mapped[datetime]
    initiator_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", name="fx_rates_initiator_fkey"))


class FxQuote(Base):
    """A promise to one user, for one use. Insert-only. Whether it was used is what `transactions` say."""

    __tablename__ = "fx_quotes"
    __table_args__ = (
        UniqueConstraint("user_id", "idempotency_key", name="fx_quotes_idempotency_key"),
        CheckConstraint("source_currency <> target_currency", name="fx_quotes_between_two_currencies"),
        CheckConstraint(
            "source_amount > 0 AND target_amount > 0 AND spread >= 0 AND spread < source_amount AND residue >= 0",
            name="fx_quotes_amounts_in_range",
        ),
        CheckConstraint("fee > 0 AND (fee IS NULL) = (fee_schedule_id IS NULL)", name="fx_quotes_fee_by_a_schedule"),
        CheckConstraint("rate > 0 AND rate < 'infinity'", name="fx_quotes_rate_positive"),
        CheckConstraint("spread_basis_points BETWEEN 0 AND 9999", name="fx_quotes_spread_in_range"),
        CheckConstraint("expires_at > created_at", name="fx_quotes_expire_later"),
        CheckConstraint(
            "idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255", name="fx_quotes_key_is_visible_ascii"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="fx_quotes_user_fkey"))
    source_amount: Mapped[int]
    target_amount: Mapped[int]
    spread: Mapped[int]
    residue: Mapped[int]
    fee: Mapped[int | None]
    fee_schedule_id: Mapped[UUID | None] = mapped_column(ForeignKey("fee_schedules.id", name="fx_quotes_fee_schedule_fkey"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    rate_valid_from: Mapped[datetime]
    spread_basis_points: Mapped[int] = mapped_column(Integer)
    is_target_fixed: Mapped[bool]
    source_currency: Mapped[str] = mapped_column(_ByBytes, ForeignKey("currencies.code", name="fx_quotes_source_currency_fkey"))
    target_currency: Mapped[str] = mapped_column(_ByBytes, ForeignKey("currencies.code", name="fx_quotes_target_currency_fkey"))
    rate: Mapped[Decimal] = mapped_column(Numeric)
    rate_source: Mapped[str]
    idempotency_key: Mapped[str] = mapped_column(_ByBytes)
