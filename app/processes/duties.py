"""The duties of the worker. To add one, add a line here; `app/services/duties.py` says what a duty must bear."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from app.clock import Clock
from app.db.pool import Database
from app.services.duties import Duty
from app.services.verification import verify_on_schedule
from app.services.webhooks.keeping import keep
from app.settings import Settings


def duties_of(settings: Settings, engine: Database, clock: Clock) -> list[Duty]:
    """Returns what the workers of this installation do now and then."""
    duties = [Duty("webhook_rows", timedelta(minutes=1), partial(keep, engine, settings, clock))]
    if settings.verify_hours:
        duties.append(Duty("verification", timedelta(hours=settings.verify_hours), partial(verify_on_schedule, settings)))
    return duties
