"""Runs migrations. Only the commands that migrate import this module, because Alembic takes long to import."""

from __future__ import annotations

import logging
from collections.abc import Callable

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.db import partition_sql
from app.db.engine import open_connection, refuse_shared_sessions
from app.db.revisions import SCRIPTS, is_newer
from app.db.session import refuse_unsuitable
from app.errors import ConfigurationError
from app.settings import Settings

logger = logging.getLogger(__name__)

_ADVISORY_LOCK = 7_021_306_990_001
"""Makes concurrent migrate jobs run one after another."""
_LOCK_TIMEOUT_SECONDS = 3
"""While a migration waits for a table's lock, later statements queue behind it. So this is below the request timeout. It is
above PostgreSQL's `deadlock_timeout` (1 s), after which a conflicting autovacuum is cancelled."""
_GAVE_UP = {
    "55P03": (
        f"A table was in use for more than {_LOCK_TIMEOUT_SECONDS} s. The migration stopped so that transfers need not wait "
        "for it. Nothing is half done: the database is at {reached}. Run the same command again; "
        "docs/operations/runbook.md says how to find out who uses the table."
    ),
    "23505": (
        "The unique index {index} cannot be built: its table has the same value twice. Nothing is half done: the database "
        "is at {reached}. `paycore verify` of this release names the rows; docs/operations/runbook.md says what to do."
    ),
}
"""Messages by the SQLSTATE with which a migration fails."""


def _config(settings: Settings | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    if settings is not None:
        config.attributes["database_role"] = settings.database_role
    return config


async def upgrade(settings: Settings, revision: str = "head") -> str:
    """Upgrade the database to a revision and return the revision reached. The user of the URL becomes the tables' owner.

    A database that a later release has migrated is left as it is, so that the previous release can be deployed again.
    """
    reached: str | None = None

    def work(config: Config) -> None:
        nonlocal reached
        connection: Connection = config.attributes["connection"]
        reached = _revision(connection)
        # Else Alembic would run all revisions in the transaction that this read began, and not each in its own.
        connection.commit()
        if revision != "head" or not is_newer(reached):
            command.upgrade(config, revision)
            reached = _revision(connection)

    await _run(settings, work, must_suit=True)
    assert reached is not None
    return reached


async def downgrade(settings: Settings, revision: str) -> None:
    """Downgrade the database to a revision; "base" is the empty database."""
    await _run(settings, lambda config: command.downgrade(config, revision))


async def _run(settings: Settings, action: Callable[[Config], None], *, must_suit: bool = False) -> None:
    config = _config(settings)

    def work(connection: Connection) -> None:
        config.attributes["connection"] = connection
        action(config)

    async def creator() -> asyncpg.Connection:
        return await open_connection(settings, "paycore-migrate")

    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, poolclass=NullPool)
    try:
        async with engine.connect() as lock:
            raw = (await lock.get_raw_connection()).driver_connection
            assert raw is not None
            await refuse_shared_sessions(raw, settings)
            if must_suit:
                await refuse_unsuitable(raw, settings)
            await lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            await lock.commit()
            async with engine.connect() as connection:
                await connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'"))
                await connection.commit()
                await _apply(connection, work)
            made = await partition_sql.keep_if_partitioned(raw)
            if made:
                # Autovacuum does not analyse a partitioned table, only its partitions.
                await raw.execute("ANALYZE ledger_entries")
                logger.info("made the partitions of %d months", made)
    finally:
        await engine.dispose()


async def _apply(connection: AsyncConnection, work: Callable[[Connection], None]) -> None:
    """Raises ConfigurationError for the failures in `_GAVE_UP`: a table is locked for too long, or a unique index is violated."""
    try:
        await connection.run_sync(work)
        await connection.commit()
    except DBAPIError as error:
        message = _GAVE_UP.get(getattr(error.orig, "sqlstate", None) or "")
        if message is None:
            raise
        index = getattr(error.orig and error.orig.__cause__, "constraint_name", None)
        await connection.rollback()
        reached = await connection.run_sync(_revision)
        raise ConfigurationError(message.format(index=index, reached=reached or "base")) from None


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
