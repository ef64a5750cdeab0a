"""Users by their subject."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import models
from app.db.statements import Reader

_USER = "SELECT id FROM users WHERE subject = $1"


async def find_user(reader: Reader, subject: str) -> UUID | None:
    """Returns the id of the subject's user, or None."""
    rows = await reader.fetch(_USER, subject)
    return rows[0][0] if rows else None


async def insert_user(engine: AsyncEngine, user_id: UUID, subject: str, display_name: str, now: datetime) -> None:
    """Insert a user, unless the subject has one."""
    async with engine.begin() as connection:
        await connection.execute(
            insert(models.User)
            .values(id=user_id, subject=subject, display_name=display_name, created_at=now)
            .on_conflict_do_nothing(constraint="users_subject_key")
        )
