"""Reads the feed of exchange rates, in the relay that leads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from app import tasks
from app.db.engine import create_engine, dispose
from app.services.fx_feeds import JsonFeed
from app.services.fx_polling import RatePolling
from app.settings import Settings


@contextlib.asynccontextmanager
async def polling_rates(settings: Settings) -> AsyncIterator[None]:
    """Poll the feed that the settings name, if any, while the block runs. Whatever fails in it, the block goes on.

    It has a database connection of its own: the relay's is for the outbox.
    """
    if settings.fx_feed_url is None:
        yield
        return
    engine = create_engine(settings, pool_size=1)
    polling = RatePolling(JsonFeed(settings.fx_feed_url.get_secret_value()), engine, settings)
    task = asyncio.create_task(polling.run(), name="fx-feed")
    try:
        yield
    finally:
        await tasks.end(task)
        await dispose(engine)
