"""A pool raises the driver's errors, which are known as outages, and not SQLAlchemy's around them."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app.db.engine import create_engine
from app.db.failures import DATABASE_ERRORS
from app.db.pool import Database, driver_connection
from app.settings import Settings
from tests.servers import Servers


async def checked_out(engine: Database) -> None:
    async with driver_connection(engine) as connection:
        await connection.fetch("SELECT 1")


async def test_a_connection_that_is_refused_raises_the_drivers_error(settings: Settings, servers: Servers) -> None:
    engine = create_engine(settings)
    try:
        await checked_out(engine)
        async with engine.connect() as connection:
            name = (await connection.execute(text("SELECT current_database()"))).scalar_one()
        await asyncio.to_thread(servers.execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await asyncio.to_thread(
            servers.execute, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        for _ in range(3):
            with pytest.raises(DATABASE_ERRORS):
                await checked_out(engine)
        await asyncio.to_thread(servers.execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await checked_out(engine)
    finally:
        await engine.dispose()
