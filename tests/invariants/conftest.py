"""A bank on the test's own database, and a connection as the owner of its tables."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.db.engine import database_dsn
from app.settings import Settings
from tests.services.conftest import bank, other_bank

__all__ = ["bank", "other_bank"]


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the owner of the tables, with more rights than the service."""
    connection = await asyncpg.connect(database_dsn(settings))
    yield connection
    await connection.close()
