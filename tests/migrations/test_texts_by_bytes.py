"""Unique texts stay unique if the database's collation changes, and the previous release keeps working."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from app import ids
from app.clock import system_clock
from app.db import migrate, quota_sql
from app.db.engine import connect, create_engine
from app.db.pool import Database
from app.db.wallet_sql import DEPOSITS
from app.errors import ConfigurationError
from app.services.identity import find_or_create_user
from app.services.transfers import find_or_create_system_wallet
from app.services.verification import verify
from app.settings import Settings
from tests.bank import new_key
from tests.invariants.conftest import owner
from tests.migrations import release_before
from tests.servers import Servers, with_database

__all__ = ["owner"]

UNIQUE_BY_COLLATION = """
SELECT c.relname || '.' || a.attname FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indcollation, i.indclass) WITH ORDINALITY AS k (coll, opclass, place)
JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = k.place
JOIN pg_opclass o ON o.oid = k.opclass
WHERE i.indisunique AND c.relnamespace = current_schema()::regnamespace
  AND k.coll <> 0 AND k.coll <> '"C"'::regcollation AND o.opcname <> 'text_pattern_ops'
"""
ORDERS = ("en-u-kf-upper-ka-noignore", "en-u-kf-lower-ka-shifted")
"""Two locales of ICU that order capitals and punctuation differently, as two versions of a library may."""


async def test_no_unique_index_depends_on_the_collation_of_the_database(owner: asyncpg.Connection) -> None:
    found = {row[0] for row in await owner.fetch(UNIQUE_BY_COLLATION)}
    assert found == {
        # Alembic's table: one row, of digits.
        "alembic_version_pkc.version_num",
        # The index quota_amounts_by_bytes enforces the same rule by bytes.
        "quota_amounts_pkey.currency",
    }


@asynccontextmanager
async def database_in_order(servers: Servers, locale: str) -> AsyncIterator[str]:
    """A database with the ICU collation of a locale. Skips the test if the server was built without ICU."""
    owner, name = await asyncpg.connect(servers.database_url), f"paycore_icu_{uuid4().hex[:12]}"
    try:
        try:
            await owner.execute(
                f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE '{locale}'"
            )
        except (asyncpg.FeatureNotSupportedError, asyncpg.InvalidParameterValueError) as error:
            pytest.skip(f"needs a PostgreSQL with ICU: {error}")
        yield with_database(servers.database_url, name)
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await owner.close()


async def change_order(url: str, locale: str) -> None:
    """Change the order of text for new connections without rebuilding indexes, as an upgrade of ICU does."""
    owner = await asyncpg.connect(url)
    # The name of the column depends on the version of PostgreSQL.
    column = await owner.fetchval(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'pg_database'::regclass AND attname IN ('daticulocale', 'datlocale')"
    )
    await owner.execute(f"UPDATE pg_database SET {column} = $1 WHERE datname = current_database()", locale)
    await owner.close()


async def test_a_subject_stays_one_user_when_the_databases_collation_changes(
    servers: Servers, settings_for: Callable[[str], Settings]
) -> None:
    subjects = [f"{prefix}{separator}{n}" for n in range(70) for prefix in ("a", "A", "b") for separator in ("", "-", "|", " ")]
    async with database_in_order(servers, ORDERS[0]) as url:
        settings = settings_for(url)
        await migrate.upgrade(settings)
        async with _pool(settings) as engine:
            before = {subject: await find_or_create_user(engine, subject, system_clock) for subject in subjects}
            wallet = await find_or_create_system_wallet(engine, "USD", DEPOSITS, system_clock())
        await change_order(url, ORDERS[1])
        async with _pool(settings) as engine:
            assert await _orders_otherwise(engine)
            after = {subject: await find_or_create_user(engine, subject, system_clock) for subject in subjects}
            assert await find_or_create_system_wallet(engine, "USD", DEPOSITS, system_clock()) == wallet
        assert after == before
        assert await verify(settings) == []


@asynccontextmanager
async def _pool(settings: Settings) -> AsyncIterator[Database]:
    engine = create_engine(settings)
    yield engine
    await engine.dispose()


async def _orders_otherwise(engine: Database) -> bool:
    """Whether the changed order is in effect."""
    async with engine.connect() as connection:
        changed: bool = (await connection.exec_driver_sql("SELECT NOT ('A' < 'a' OR 'a-1' < 'a0')")).scalar_one()
        return changed


async def test_statements_prepared_by_the_previous_release_still_move_money(
    settings: Settings, engine: Database, owner: asyncpg.Connection
) -> None:
    await migrate.downgrade(settings, "0010")
    user = await find_or_create_user(engine, "alice", system_clock)
    wallet = ids.new_id(system_clock())
    await owner.execute(release_before.INSERT_DEPOSITS_WALLET, wallet, system_clock(), "USD")
    await owner.execute("INSERT INTO quotas (user_id) VALUES ($1)", user)
    await owner.execute("INSERT INTO quota_amounts (user_id, currency) VALUES ($1, 'USD')", user)
    running = await connect(settings)

    async def settle() -> list[list[asyncpg.Record]]:
        # In a transaction the driver cannot prepare a statement again by itself.
        async with running.transaction():
            return [
                await running.fetch(release_before.WALLET_FACTS, [wallet]),
                await running.fetch(release_before.LOCK_WALLETS, [wallet]),
                await running.fetch(release_before.RECORDED_TRANSACTIONS, [user], [new_key()]),
                await running.fetch(quota_sql.LOCK_QUOTAS, [user]),
                await running.fetch(quota_sql.AMOUNTS, [user]),
            ]

    try:
        before = await settle()
        await migrate.upgrade(settings)
        assert await settle() == before
    finally:
        await running.close()


async def test_a_duplicate_subject_stops_the_migration_with_one_line(settings: Settings, owner: asyncpg.Connection) -> None:
    await migrate.downgrade(settings, "0010")
    # As with an index in an outdated order, which does not find the first row.
    await owner.execute("INSERT INTO users VALUES (gen_random_uuid(), 'twice@example.com', 'Member', now())")
    await owner.execute("UPDATE pg_index SET indisready = false WHERE indexrelid = 'users_subject_key'::regclass")
    await owner.execute("INSERT INTO users VALUES (gen_random_uuid(), 'twice@example.com', 'Member', now())")
    await owner.execute("UPDATE pg_index SET indisready = true WHERE indexrelid = 'users_subject_key'::regclass")
    with pytest.raises(ConfigurationError) as stopped:
        await migrate.upgrade(settings)
    line = str(stopped.value)
    assert "users_subject_key" in line
    assert "paycore verify" in line
    assert "the database is at 0010" in line
    assert "twice@example.com" not in line
    (finding,) = await verify(settings)
    assert "has the same subject as user" in finding
    await owner.execute("UPDATE users SET subject = 'another' WHERE ctid = (SELECT max(ctid) FROM users)")
    await migrate.upgrade(settings)
    assert await verify(settings) == []
