"""Reads the id of the installation that a database belongs to."""

from __future__ import annotations

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import ConfigurationError
from app.messages.redis_names import RedisNames

_TIMEOUT_SECONDS = 10


async def redis_names(connection: asyncpg.Connection) -> RedisNames:
    """Returns the Redis names of this database's installation. Raises ConfigurationError if the database has no id."""
    installation_id = await connection.fetchval("SELECT id FROM installation", timeout=_TIMEOUT_SECONDS)
    if installation_id is None:
        raise ConfigurationError(
            "The database has no installation id. Run: INSERT INTO installation (id) VALUES (gen_random_uuid())."
        )
    return RedisNames(installation_id)


async def load_redis_names(engine: AsyncEngine) -> RedisNames:
    """Like `redis_names`, with a connection of the pool."""
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        return await redis_names(raw)
