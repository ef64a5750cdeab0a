"""The duties of the worker. To add one, add a line here; `app/services/duties.py` says what a duty must withstand."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial

from app.clock import Clock
from app.db import partition_sql
from app.db.pool import Database, driver_connection
from app.services.duties import Duty
from app.services.verification import verify_on_schedule
from app.services.webhooks.keeping import keep
from app.settings import Settings

logger = logging.getLogger(__name__)


def duties_of(settings: Settings, engine: Database, clock: Clock) -> list[Duty]:
    """Returns what the workers of this installation do now and then."""
    duties = [
        Duty("webhook_rows", timedelta(minutes=1), partial(keep, engine, settings, clock)),
        Duty("partitions", timedelta(hours=1), partial(_keep_partitions, engine)),
    ]
    if settings.verify_hours:
        duties.append(Duty("verification", timedelta(hours=settings.verify_hours), partial(verify_on_schedule, settings)))
    return duties


async def _keep_partitions(engine: Database) -> bool:
    """Make the partitions of the next months before they begin."""
    async with driver_connection(engine) as connection:
        made = await partition_sql.keep(connection)
    if made:
        logger.info("made the partitions of %d months", made)
    return False
