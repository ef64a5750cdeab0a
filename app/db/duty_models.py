"""The table of the worker's duties. As in `models.py`, grants are in the migrations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, _ByBytes


class WorkerDuty(Base):
    """What a worker does now and then. `leased_until`: a worker is at it, and no other takes it before then."""

    __tablename__ = "worker_duties"
    __table_args__ = (
        CheckConstraint("name ~ '^[a-z][a-z_]{0,39}$'", name="worker_duties_name"),
        CheckConstraint("failures >= 0 AND (failures = 0 OR last_error IS NOT NULL)", name="worker_duties_failures_counted"),
        CheckConstraint("char_length(last_error) <= 500", name="worker_duties_error_short"),
        CheckConstraint(
            "(succeeded_at IS NULL) = (duration_ms IS NULL) AND duration_ms >= 0", name="worker_duties_succeeded_in_some_time"
        ),
    )

    name: Mapped[str] = mapped_column(_ByBytes, primary_key=True)
    next_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str | None]
