"""Migrations run up, down and up again, in one or all steps, alone or two at a time."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db import migrate, revisions
from app.db.revisions import SCRIPTS
from app.db.tables import METADATA
from app.errors import ConfigurationError
from app.settings import Settings
from tests.migrations.catalog import SHAPE, describe


@pytest.fixture
def fresh(empty_database: str, settings_for: Callable[[str], Settings]) -> Settings:
    """The settings of a service whose database is empty."""
    return settings_for(empty_database)


@pytest.fixture
async def database_engine(empty_database: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the same database, as its owner."""
    engine = create_async_engine(empty_database.replace("postgresql://", "postgresql+asyncpg://", 1))
    yield engine
    await engine.dispose()


def _revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return [script.revision for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]


async def test_a_downgrade_to_nothing_and_a_new_upgrade_make_the_same_database(fresh: Settings, empty_database: str) -> None:
    await migrate.upgrade(fresh)
    made = await describe(empty_database)
    assert any(line.startswith("CREATE TRIGGER ledger_entries_post") for line in made)
    assert "ledger_entries paycore_app INSERT" in made
    await migrate.downgrade(fresh, "base")
    assert await describe(empty_database) == []
    await migrate.upgrade(fresh)
    assert await describe(empty_database) == made


async def test_every_revision_can_be_downgraded_by_one_step(fresh: Settings, empty_database: str) -> None:
    before: list[str] = []
    for earlier, revision in zip(["base", *_revisions()], _revisions(), strict=False):
        await migrate.upgrade(fresh, revision)
        after = await describe(empty_database)
        await migrate.downgrade(fresh, earlier)
        assert await describe(empty_database) == before, f"{revision} leaves something behind"
        await migrate.upgrade(fresh, revision)
        assert await describe(empty_database) == after, f"{revision} makes something else the second time"
        before = after


async def test_revisions_are_linear_and_numbered_in_order() -> None:
    assert _revisions() == [f"{number:04}" for number in range(1, len(_revisions()) + 1)]


async def test_two_concurrent_migrations_run_one_after_the_other(fresh: Settings, empty_database: str, database: str) -> None:
    assert fresh.redis_url is not None
    servers = {"PAYCORE_DATABASE_URL": empty_database, "PAYCORE_REDIS_URL": fresh.redis_url.get_secret_value()}
    command = (sys.executable, "-m", "app.cli", "migrate")
    async with _lock_of_migrations(empty_database) as both_wait:
        jobs = [
            await asyncio.create_subprocess_exec(*command, cwd=SCRIPTS.parent, env={**os.environ, **servers}, stdout=PIPE)
            for _ in range(2)
        ]
        await both_wait()
    said = [await job.communicate() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0]
    assert [out.decode() for out, _ in said] == [f"The database is at {revisions.head()}.\n"] * 2
    assert await describe(empty_database) == await describe(database)


async def test_a_migration_of_a_table_in_use_gives_up_unchanged_and_can_be_run_again(
    fresh: Settings, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT_SECONDS", 1)
    await migrate.upgrade(fresh, "0006")
    made = await describe(empty_database)
    reader = await asyncpg.connect(empty_database)
    try:
        async with reader.transaction(), asyncio.timeout(30):
            # As `pg_dump` and `paycore verify` do while they run. 0007 creates tables first and then changes this one.
            await reader.execute("LOCK TABLE audit_log IN ACCESS SHARE MODE")
            with pytest.raises(
                ConfigurationError, match=r"in use.* Nothing is half done: the database is at 0006\. Run the same command again"
            ):
                await migrate.upgrade(fresh)
            assert await describe(empty_database) == made
        await migrate.upgrade(fresh)
    finally:
        await reader.close()
    assert await describe(empty_database) != made


async def test_migrations_wait_for_each_other_longer_than_for_a_table(
    fresh: Settings, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT_SECONDS", 1)
    async with _lock_of_migrations(empty_database):
        waiting = asyncio.create_task(migrate.upgrade(fresh))
        await asyncio.sleep(2)
        assert not waiting.done()
    async with asyncio.timeout(30):
        await waiting


async def test_a_release_runs_only_on_its_own_and_on_newer_revisions(fresh: Settings, database_engine: AsyncEngine) -> None:
    async def suits() -> bool:
        return revisions.suits(await revisions.current(database_engine))

    assert not await suits()
    await migrate.upgrade(fresh, _revisions()[-2])
    assert not await suits()
    assert await migrate.upgrade(fresh) == revisions.head()
    assert await suits()
    await _migrated_by_a_later_release(database_engine)
    assert await suits()


async def test_the_migrate_job_of_an_older_release_changes_nothing_in_a_newer_database(
    fresh: Settings, empty_database: str, database_engine: AsyncEngine
) -> None:
    """So the previous release can be deployed again with its job, without a downgrade."""
    await migrate.upgrade(fresh)
    await _migrated_by_a_later_release(database_engine)
    made = await describe(empty_database)
    assert await migrate.upgrade(fresh) == "9999"
    assert await describe(empty_database) == made


async def _migrated_by_a_later_release(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))


async def test_migrating_twice_changes_nothing(fresh: Settings, empty_database: str) -> None:
    await migrate.upgrade(fresh)
    made = await describe(empty_database)
    await migrate.upgrade(fresh)
    assert await describe(empty_database) == made


async def test_the_models_match_the_migrated_database(fresh: Settings, empty_database: str, database: str) -> None:
    """Every column, constraint and index, with its name."""
    await _with_sqlalchemy(empty_database, METADATA.create_all)
    assert await describe(empty_database, SHAPE) == await describe(database, SHAPE)


async def test_alembic_finds_no_difference_from_the_models(database: str) -> None:
    differences: list[object] = []

    def is_no_partition(name: str | None, kind: str, _: object) -> bool:
        return not (kind == "table" and str(name).startswith("ledger_entries_"))

    def compare(connection: Connection) -> None:
        opts = {"compare_server_default": True, "compare_type": True, "include_name": is_no_partition}
        context = MigrationContext.configure(connection, opts=opts)
        differences.extend(compare_metadata(context, METADATA))

    await _with_sqlalchemy(database, compare)
    assert differences == []


@asynccontextmanager
async def _lock_of_migrations(url: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Hold the lock of migrations, so that they start together; yields a function that waits until two of them wait."""
    connection = await asyncpg.connect(url)

    async def both_wait() -> None:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with asyncio.timeout(30):
            while await connection.fetchval(waiting) < 2:  # noqa: ASYNC110 - the event is PostgreSQL's
                await asyncio.sleep(0.05)

    try:
        await connection.execute("SELECT pg_advisory_lock($1)", migrate._ADVISORY_LOCK)
        yield both_wait
    finally:
        await connection.close()


async def _with_sqlalchemy(url: str, action: Callable[[Connection], None]) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(action)
    finally:
        await engine.dispose()
