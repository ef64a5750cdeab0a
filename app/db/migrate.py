"""Migrations: upgrade, downgrade, and whether the database is at the newest revision."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import open_connection
from app.errors import ConfigurationError
from app.settings import Settings

SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"
_ADVISORY_LOCK = 7_021_306_990_001
"""Two migrate jobs started at once take turns."""
_LOCK_TIMEOUT_SECONDS = 3
"""While a migration waits for a table, whatever comes after it waits too: less than the time in which requests are answered.
But longer than PostgreSQL's `deadlock_timeout` of a second, after which an autovacuum that is in the way gives way."""
_LOCK_NOT_AVAILABLE = "55P03"


def _config(settings: Settings | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    if settings is not None:
        config.attributes["database_role"] = settings.database_role
    return config


@cache
def head() -> str:
    """The newest revision in the code."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


async def upgrade(settings: Settings, revision: str = "head") -> None:
    """Bring the database up to a revision, as the user of the URL, who comes to own the tables."""
    await _run(settings, lambda config: command.upgrade(config, revision))


async def downgrade(settings: Settings, revision: str) -> None:
    """Take the database down to a revision; "base" is the empty database."""
    await _run(settings, lambda config: command.downgrade(config, revision))


async def _run(settings: Settings, action: Callable[[Config], None]) -> None:
    config = _config(settings)

    def work(connection: Connection) -> None:
        config.attributes["connection"] = connection
        action(config)

    async def creator() -> asyncpg.Connection:
        return await open_connection(settings, server_settings={"application_name": "paycore-migrate"})

    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, poolclass=NullPool)
    try:
        async with engine.connect() as lock:
            await lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            await lock.commit()
            async with engine.connect() as connection:
                await connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'"))
                await connection.commit()
                await _apply(connection, work)
    finally:
        await engine.dispose()


async def _apply(connection: AsyncConnection, work: Callable[[Connection], None]) -> None:
    """Raises ConfigurationError where a table is in use for longer than transfers may be made to wait."""
    try:
        await connection.run_sync(work)
        await connection.commit()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        await connection.rollback()
        reached = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
        raise ConfigurationError(
            f"A table was in use for more than {_LOCK_TIMEOUT_SECONDS} s, and the migration gave up before transfers had to wait "
            f"longer for it. Nothing is half done: the database is at {reached or 'base'}. Run the same again; "
            "docs/operations/runbook.md says how to see who uses the table."
        ) from None


async def at_head(engine: AsyncEngine) -> bool:
    """Whether the database is at the code's newest revision."""
    async with engine.connect() as connection:
        current = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    return current == head()
