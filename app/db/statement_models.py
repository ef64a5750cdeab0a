"""The tables of statements. As in `models.py`, triggers and grants are in the migrations."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, Integer, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app import records
from app.db.models import Base, _ByBytes

_Format = Enum(records.StatementFormat, name="statement_format")


class AccountStatement(Base):
    """What a statement covers, and the lease of the worker that makes its files. `to_at` is exclusive."""

    __tablename__ = "statements"
    __table_args__ = (
        UniqueConstraint("wallet_id", "number", name="statements_number_once"),
        UniqueConstraint("initiator_id", "idempotency_key", name="statements_idempotency_key"),
        CheckConstraint("number >= 1", name="statements_number_positive"),
        CheckConstraint("first_sequence >= 1 AND last_sequence >= first_sequence - 1", name="statements_sequences_in_order"),
        CheckConstraint("from_at < to_at", name="statements_period_in_order"),
        CheckConstraint("attempts >= 0", name="statements_attempts_not_negative"),
        CheckConstraint(
            "(status = 'READY') = (credits IS NOT NULL) AND (status = 'READY') = (debits IS NOT NULL) "
            "AND (status = 'READY') = (credit_count IS NOT NULL)",
            name="statements_sums_iff_ready",
        ),
        CheckConstraint(
            "credits >= 0 AND debits >= 0 AND opening + credits - debits = closing "
            "AND credit_count BETWEEN 0 AND last_sequence - first_sequence + 1",
            name="statements_sums_close",
        ),
        CheckConstraint(
            "(status = 'PREPARING') = (finished_at IS NULL) "
            "AND (status = 'PREPARING' OR (lease IS NULL AND leased_until IS NULL))",
            name="statements_finished_iff_final",
        ),
        CheckConstraint(
            "(status = 'FAILED') = (problem IS NOT NULL) AND char_length(problem) BETWEEN 1 AND 500",
            name="statements_problem_iff_failed",
        ),
        CheckConstraint("(lease IS NULL) = (leased_until IS NULL)", name="statements_lease_ends"),
        CheckConstraint("octet_length(request_hash) = 32", name="statements_hash_is_sha256"),
        CheckConstraint(
            "idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255", name="statements_key_is_visible_ascii"
        ),
        Index("statements_preparing_idx", "created_at", postgresql_where=text("status = 'PREPARING'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", name="statements_wallet_fkey"))
    initiator_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="statements_initiator_fkey"))
    number: Mapped[int]
    first_sequence: Mapped[int]
    last_sequence: Mapped[int]
    opening: Mapped[int]
    closing: Mapped[int]
    credits: Mapped[Decimal | None] = mapped_column(Numeric(38))
    debits: Mapped[Decimal | None] = mapped_column(Numeric(38))
    credit_count: Mapped[int | None]
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    status: Mapped[records.StatementStatus] = mapped_column(
        Enum(records.StatementStatus, name="statement_status"), server_default="PREPARING"
    )
    lease: Mapped[UUID | None]
    request_hash: Mapped[bytes]
    problem: Mapped[str | None]
    idempotency_key: Mapped[str] = mapped_column(_ByBytes)


class StatementPart(Base):
    """A piece of a file, compressed by itself: a download needs one piece in memory."""

    __tablename__ = "statement_parts"
    __table_args__ = (
        CheckConstraint("number >= 1", name="statement_parts_number_positive"),
        CheckConstraint("octet_length(content) BETWEEN 1 AND 2097152", name="statement_parts_size"),
    )

    statement_id: Mapped[UUID] = mapped_column(
        ForeignKey("statements.id", name="statement_parts_statement_fkey"), primary_key=True
    )
    format: Mapped[records.StatementFormat] = mapped_column(_Format, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes]


class StatementFile(Base):
    """A file of a READY statement, or the reason why there is none in this format."""

    __tablename__ = "statement_files"
    __table_args__ = (
        CheckConstraint(
            "(sha256 IS NULL) = (problem IS NOT NULL) AND (sha256 IS NULL) = (size = 0) AND (size = 0) = (parts = 0) "
            "AND size >= 0 AND parts >= 0",
            name="statement_files_content_or_problem",
        ),
        CheckConstraint("octet_length(sha256) = 32", name="statement_files_sha256_length"),
        CheckConstraint("char_length(problem) BETWEEN 1 AND 500", name="statement_files_problem_length"),
    )

    statement_id: Mapped[UUID] = mapped_column(
        ForeignKey("statements.id", name="statement_files_statement_fkey"), primary_key=True
    )
    format: Mapped[records.StatementFormat] = mapped_column(_Format, primary_key=True)
    size: Mapped[int]
    parts: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[bytes | None]
    problem: Mapped[str | None]
