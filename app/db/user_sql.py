"""Users by their subject."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import models

_USER = "SELECT id FROM users WHERE subject = $1"


async def find_user(connection: asyncpg.Connection, subject: str) -> UUID | None:
    """Returns the id of the subject's user, or None."""
    user_id: UUID | None = await connection.fetchval(_USER, subject)
    return user_id


async def user_of_subject(engine: AsyncEngine, subject: str) -> UUID | None:
    """Like `find_user`, in a transaction of its own, which sees all that is committed."""
    async with engine.connect() as connection:
        user_id: UUID | None = await connection.scalar(select(models.User.id).where(models.User.subject == subject))
    return user_id


async def insert_user(engine: AsyncEngine, user_id: UUID, subject: str, display_name: str, now: datetime) -> None:
    """Insert a user, unless the subject has one."""
    async with engine.begin() as connection:
        await connection.execute(
            insert(models.User)
            .values(id=user_id, subject=subject, display_name=display_name, created_at=now)
            .on_conflict_do_nothing(constraint="users_subject_key")
        )
