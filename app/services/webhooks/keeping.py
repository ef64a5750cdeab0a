"""What is removed from the tables of webhooks, and when. A duty of the worker."""

from __future__ import annotations

import logging
from datetime import timedelta

from app.clock import Clock
from app.db import webhook_queue_sql
from app.db.pool import Database, driver_connection
from app.settings import Settings

logger = logging.getLogger(__name__)

_AT_ONCE = 1000
"""Deliveries that one statement removes."""


async def keep(engine: Database, settings: Settings, clock: Clock) -> bool:
    """Remove what is old and what was deleted, and end rights that were not seen again. Returns whether more is left."""
    now = clock()
    before = now - timedelta(days=settings.webhook_retention_days)
    async with driver_connection(engine) as connection:
        await webhook_queue_sql.forget_old_keys(connection, now)
        paused = await webhook_queue_sql.pause_without_right(connection, now)
        removed = await webhook_queue_sql.remove_delivered(connection, before, _AT_ONCE)
        removed_with = await webhook_queue_sql.remove_deleted(connection, before, _AT_ONCE)
    if paused:
        logger.warning("paused %d webhook endpoints: their owners were not seen with the right to see everything", paused)
    return _AT_ONCE in {removed, removed_with}
