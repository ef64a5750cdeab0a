"""The table of positions. As in `models.py`, triggers and grants are in the migrations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base


class EventChunk(Base):
    """The events of one round of the leading relay, at consecutive positions. Insert-only.

    `kinds` has a letter for each event, the arrays a member. `settled` counts the settled transactions up to the last position.
    The events up to `published_position` were deleted from the outbox before. Events from before this table have no `outbox_ids`.
    """

    __tablename__ = "event_chunks"
    __table_args__ = (
        CheckConstraint(
            "last_position - first_position BETWEEN 0 AND 999 "
            "AND char_length(kinds) = last_position - first_position + 1 "
            "AND cardinality(subject_ids) = last_position - first_position + 1 "
            "AND cardinality(numbers) = last_position - first_position + 1 "
            "AND (outbox_ids IS NULL OR cardinality(outbox_ids) = last_position - first_position + 1) "
            "AND array_position(subject_ids, NULL) IS NULL AND array_position(numbers, NULL) IS NULL "
            "AND array_position(outbox_ids, NULL) IS NULL",
            name="event_chunks_whole",
        ),
        CheckConstraint("kinds ~ '^[SHW]+$'", name="event_chunks_kinds_known"),
        Index("event_chunks_transactions_idx", "highest_transaction_id", "lowest_transaction_id"),
        Index("event_chunks_settled_idx", "settled"),
    )

    first_position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    last_position: Mapped[int]
    published_position: Mapped[int]
    settled: Mapped[int]
    sequenced_at: Mapped[datetime]
    lowest_transaction_id: Mapped[UUID | None]
    highest_transaction_id: Mapped[UUID | None]
    kinds: Mapped[str]
    subject_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    numbers: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    outbox_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
