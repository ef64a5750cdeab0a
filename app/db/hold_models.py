"""The tables of holds. As in `models.py`, triggers and grants are in the migrations."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, Index, Integer, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app import records
from app.db.models import Base, _ByBytes


class Hold(Base):
    """Money of a wallet that waits for a capture. After its birth only the trigger of its events writes it."""

    __tablename__ = "holds"
    __table_args__ = (
        CheckConstraint("captured >= 0 AND released >= 0 AND captured + released <= amount", name="holds_within_amount"),
        CheckConstraint(
            "(status = 'OPEN') = (captured + released < amount) AND (status = 'OPEN') = (closed_at IS NULL)",
            name="holds_open_while_any_remains",
        ),
        CheckConstraint("wallet_id <> receiver_wallet_id", name="holds_not_for_the_payer"),
        CheckConstraint("char_length(description) <= 280", name="holds_description_length"),
        CheckConstraint("jsonb_typeof(metadata) = 'object' AND metadata <> '{}'", name="holds_metadata_is_object"),
        Index("holds_wallet_idx", "wallet_id", "id"),
        Index("holds_receiver_idx", "receiver_wallet_id", "id", postgresql_where=text("receiver_wallet_id IS NOT NULL")),
        Index("holds_open_idx", "wallet_id", "expires_at", postgresql_where=text("status = 'OPEN'")),
        Index(
            "holds_lasting_idx",
            "wallet_id",
            "id",
            postgresql_where=text("closed_at IS NOT NULL AND closed_at - created_at > interval '32 days'"),
        ),
        Index("holds_due_idx", "expires_at", postgresql_where=text("status = 'OPEN' AND expires_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    wallet_id: Mapped[UUID]
    receiver_wallet_id: Mapped[UUID | None]
    initiator_id: Mapped[UUID]
    amount: Mapped[int]
    captured: Mapped[int] = mapped_column(server_default=text("0"))
    released: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    events: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    status: Mapped[records.HoldStatus] = mapped_column(
        Enum(records.HoldStatus, name="hold_status"), server_default=text("'OPEN'")
    )
    currency: Mapped[str]
    description: Mapped[str | None]
    metadata_: Mapped[dict[str, str] | None] = mapped_column("metadata", JSONB)


class HoldEvent(Base):
    """A step of a hold. Insert-only."""

    __tablename__ = "hold_events"
    __table_args__ = (
        Index("hold_events_capture_key", "id", unique=True, postgresql_where=text("captured > 0")),
        Index(
            "hold_events_idempotency_key",
            "initiator_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        CheckConstraint(
            "idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255", name="hold_events_key_is_visible_ascii"
        ),
        CheckConstraint(
            "CASE kind WHEN 'PLACED' THEN placed > 0 AND captured = 0 AND released = 0 "
            "WHEN 'EXTENDED' THEN placed >= 0 AND captured = 0 AND released = 0 AND (placed > 0 OR expires_at IS NOT NULL) "
            "WHEN 'CAPTURED' THEN placed = 0 AND captured > 0 AND released >= 0 "
            "WHEN 'CAPTURED_LATE' THEN placed = 0 AND captured > 0 AND released = -captured "
            "ELSE placed = 0 AND captured = 0 AND released > 0 END",
            name="hold_events_amounts_of_kind",
        ),
        CheckConstraint(
            "expires_at IS NULL OR (kind IN ('PLACED', 'EXTENDED') AND expires_at > created_at)",
            name="hold_events_expire_later",
        ),
        CheckConstraint(
            "(kind IN ('PLACED', 'EXTENDED', 'RELEASED')) = (terms IS NOT NULL) "
            "AND (terms IS NULL) = (idempotency_key IS NULL) AND (kind = 'EXPIRED') = (initiator_id IS NULL)",
            name="hold_events_input_iff_asked",
        ),
    )

    hold_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    id: Mapped[UUID]
    kind: Mapped[records.HoldEventKind] = mapped_column(Enum(records.HoldEventKind, name="hold_event_kind"))
    placed: Mapped[int]
    captured: Mapped[int]
    released: Mapped[int]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    initiator_id: Mapped[UUID | None]
    idempotency_key: Mapped[str | None] = mapped_column(_ByBytes)
    terms: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
