"""The tables of webhooks. As in `models.py`, triggers and grants are in the migrations."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Enum, ForeignKey, Index, Integer, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app import records
from app.db.models import Base, _ByBytes

_WAITING = text("delivered_at IS NULL")
_STUCK = text("delivered_at IS NULL AND (failures > 0 OR next_attempt_at IS NULL)")


class WebhookEndpoint(Base):
    """Where a user's events are sent. `keys` are sealed. `due_at`: when a worker looks at it; NULL: nothing waits.

    `behind_after`: the position up to which its events have rows; NULL: it follows `webhook_progress`. `look_at`: when a worker
    looks whether it can go on from there. `rights_until`: with `sees_all`, when its owner's right ends unless it is seen again.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        UniqueConstraint("owner_id", "idempotency_key", name="webhook_endpoints_idempotency_key"),
        CheckConstraint(
            "idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255",
            name="webhook_endpoints_key_is_visible_ascii",
        ),
        CheckConstraint("octet_length(request_hash) = 32", name="webhook_endpoints_hash_is_sha256"),
        CheckConstraint("(source = 'SETTLED') = (subject_id IS NULL)", name="webhook_endpoints_subject_iff_of_one"),
        CheckConstraint("char_length(url) BETWEEN 1 AND 2048", name="webhook_endpoints_url_length"),
        CheckConstraint("char_length(document) BETWEEN 1 AND 10000", name="webhook_endpoints_document_length"),
        CheckConstraint("jsonb_typeof(variables) = 'object'", name="webhook_endpoints_variables_is_object"),
        CheckConstraint("octet_length(public_key) = 32", name="webhook_endpoints_public_key_length"),
        CheckConstraint("(old_keys IS NULL) = (old_keys_until IS NULL)", name="webhook_endpoints_old_keys_end"),
        CheckConstraint(
            "failures >= 0 AND (failures = 0) = (failing_since IS NULL)", name="webhook_endpoints_failing_since_a_failure"
        ),
        CheckConstraint("(behind_after IS NULL) = (look_at IS NULL)", name="webhook_endpoints_behind_is_looked_at"),
        CheckConstraint("behind_after >= 0", name="webhook_endpoints_behind_not_negative"),
        CheckConstraint("deleted_at IS NULL OR status <> 'ENABLED'", name="webhook_endpoints_deleted_is_not_enabled"),
        Index("webhook_endpoints_subject_idx", "subject_id", postgresql_where=text("subject_id IS NOT NULL")),
        Index("webhook_endpoints_settled_idx", "owner_id", postgresql_where=text("source = 'SETTLED'")),
        Index("webhook_endpoints_all_idx", "id", postgresql_where=text("source = 'SETTLED' AND sees_all")),
        Index("webhook_endpoints_due_idx", "due_at", postgresql_where=text("status = 'ENABLED' AND due_at IS NOT NULL")),
        Index(
            "webhook_endpoints_behind_idx",
            "look_at",
            postgresql_where=text("status = 'ENABLED' AND behind_after IS NOT NULL"),
        ),
        Index("webhook_endpoints_deleted_idx", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="webhook_endpoints_owner_fkey"))
    subject_id: Mapped[UUID | None]
    start_number: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    old_keys_until: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    source: Mapped[records.WebhookSource] = mapped_column(Enum(records.WebhookSource, name="webhook_source"))
    status: Mapped[records.WebhookStatus] = mapped_column(
        Enum(records.WebhookStatus, name="webhook_status"), server_default=text("'ENABLED'")
    )
    sees_all: Mapped[bool]
    ordered: Mapped[bool]
    public_key: Mapped[bytes]
    keys: Mapped[bytes]
    old_keys: Mapped[bytes | None]
    request_hash: Mapped[bytes]
    url: Mapped[str]
    document: Mapped[str]
    variables: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    idempotency_key: Mapped[str] = mapped_column(_ByBytes)
    behind_after: Mapped[int | None]
    look_at: Mapped[datetime | None]
    rights_until: Mapped[datetime] = mapped_column(server_default=text("(now() + interval '30 days')"))
    deleted_at: Mapped[datetime | None]


class WebhookDelivery(Base):
    """One event for one endpoint. Waiting: next_attempt_at is set. Neither that nor delivered_at: parked."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "subject_id", "number", name="webhook_deliveries_once"),
        CheckConstraint("position > 0", name="webhook_deliveries_position_positive"),
        CheckConstraint("failures >= 0 AND failures <= attempts", name="webhook_deliveries_attempts_counted"),
        CheckConstraint(
            "delivered_at IS NULL OR (next_attempt_at IS NULL AND leased_until IS NULL AND attempts > 0)",
            name="webhook_deliveries_done_or_waiting",
        ),
        CheckConstraint("leased_until IS NULL OR next_attempt_at IS NOT NULL", name="webhook_deliveries_leased_while_waiting"),
        Index("webhook_deliveries_waiting_idx", "endpoint_id", "position", "number", postgresql_where=_WAITING),
        Index("webhook_deliveries_stuck_idx", "endpoint_id", postgresql_where=_STUCK),
        Index("webhook_deliveries_endpoint_idx", "endpoint_id", "id"),
        Index("webhook_deliveries_delivered_idx", "delivered_at", postgresql_where=text("delivered_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", name="webhook_deliveries_endpoint_fkey"))
    subject_id: Mapped[UUID]
    number: Mapped[int]
    position: Mapped[int]
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    lanes: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    payload: Mapped[str | None]


class WebhookAttempt(Base):
    """What came of an attempt. Insert-only, removed with its delivery."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        CheckConstraint("number >= 1", name="webhook_attempts_number_positive"),
        CheckConstraint("duration_ms >= 0", name="webhook_attempts_duration_not_negative"),
        CheckConstraint("(status IS NULL) = (error IS NOT NULL)", name="webhook_attempts_answer_or_error"),
        CheckConstraint("char_length(error) <= 500 AND char_length(response_body) <= 1024", name="webhook_attempts_texts_short"),
    )

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", name="webhook_attempts_delivery_fkey", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime]
    duration_ms: Mapped[int] = mapped_column(Integer)
    status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None]
    response_body: Mapped[str | None]


class WebhookProgress(Base):
    """The position up to which events have their deliveries. There is exactly one row."""

    __tablename__ = "webhook_progress"
    __table_args__ = (CheckConstraint("only_row", name="webhook_progress_one_row"),)

    only_row: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    position: Mapped[int]
