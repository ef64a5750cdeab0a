"""The right with which an administrator's endpoint sees everything. It comes with tokens, so it is learned from them.

Each token that shows it keeps the owner's endpoints going for PAYCORE_WEBHOOK_RIGHTS_DAYS. A token that shows that the owner
has lost it pauses them at once.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from app.db import webhook_sql
from app.db.failures import DATABASE_ERRORS
from app.db.pool import Database
from app.settings import Settings

logger = logging.getLogger(__name__)

RENEWED_AFTER = timedelta(days=1)
"""A right is written again only so long after it was written, so that requests do not write each time."""


def rights_until(settings: Settings, now: datetime) -> datetime:
    """When a right ends that is seen now."""
    return now + timedelta(days=settings.webhook_rights_days)


async def note(engine: Database, settings: Settings, user_id: UUID, now: datetime, *, sees_all: bool) -> bool:
    """Note whether a user sees everything. Returns False if it could not be written: it is then to be noted again."""
    try:
        ends, until = await webhook_sql.rights_end(engine, user_id), rights_until(settings, now)
        if sees_all:
            # Not those that have ended: their owner enables them again, so that nothing starts by itself.
            due = [endpoint_id for endpoint_id, end in ends.items() if now < end < until - RENEWED_AFTER / 2]
        else:
            due = list(ends)
        if not due:
            return True
        async with engine.begin() as connection:
            if sees_all:
                await webhook_sql.confirm_rights(connection, due, until)
            elif await webhook_sql.end_rights(connection, due, now):
                logger.warning("paused webhook endpoints: their owner may not see everything any more")
    except (SQLAlchemyError, *DATABASE_ERRORS):
        logger.warning("could not note whether the owner of webhook endpoints sees everything", exc_info=True)
        return False
    return True
