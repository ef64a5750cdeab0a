"""Runs the sealer of the Merkle log, in the relay that leads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from app import tasks
from app.backoff import Backoff
from app.db.engine import connect
from app.db.failures import DATABASE_ERRORS
from app.services.receipts.operating import signer_of
from app.services.receipts.sealing import Sealer
from app.settings import Settings

logger = logging.getLogger(__name__)

SECONDS = 0.5
"""Pause between two rounds. A receipt waits for it, no transfer does."""
_CLOSE_SECONDS = 2.0


@contextlib.asynccontextmanager
async def sealing(settings: Settings) -> AsyncIterator[None]:
    """Seal while the block runs. Whatever fails in it, the block goes on."""
    task = asyncio.create_task(_run(settings), name="sealer")
    try:
        yield
    finally:
        await tasks.end(task)


async def _run(settings: Settings) -> None:
    sealer = Sealer(signer_of(settings), settings.log_checkpoint_file, settings.log_checkpoint_seconds)
    backoff = Backoff(0.5, 10.0)
    while True:
        try:
            connection = await connect(settings, "paycore-sealer")
            try:
                backoff.reset()
                while True:
                    await sealer.round(connection)
                    await asyncio.sleep(SECONDS)
            finally:
                with contextlib.suppress(*DATABASE_ERRORS, TimeoutError):
                    await connection.close(timeout=_CLOSE_SECONDS)
        except DATABASE_ERRORS as error:
            logger.warning("the sealer waits for the database: %s", error)
        except Exception:
            # It must not take the relay with it.
            logger.exception("the sealer failed, and tries again")
        await asyncio.sleep(backoff.next())
