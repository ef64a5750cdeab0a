"""Fixtures: banks on the test's own database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.db.currency_sql import load_currencies
from app.db.pool import Database
from app.settings import Settings
from tests.bank import Bank, make_ledger
from tests.live_world import live, publisher, world
from tests.proxy import PostgresProxy, postgres_proxy

__all__ = ["live", "publisher", "world"]

PATIENCE = {"request_timeout_seconds": 60.0}
"""A long timeout: tests send thousands of transfers at once, on slow machines too. Tests of timeouts set their own."""


@pytest.fixture
async def bank(engine: Database, settings: Settings) -> AsyncIterator[Bank]:
    """One process of the service."""
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, settings.model_copy(update=PATIENCE), currencies)
    await ledger.start()
    yield Bank(engine, ledger, currencies)
    await ledger.stop()


@pytest.fixture
async def other_bank(engine: Database, settings: Settings, bank: Bank) -> AsyncIterator[Bank]:
    """A second process of the service on the same database."""
    ledger = make_ledger(engine, settings.model_copy(update=PATIENCE), bank.currencies)
    await ledger.start()
    yield Bank(engine, ledger, bank.currencies)
    await ledger.stop()


@pytest.fixture
async def proxy(settings: Settings) -> AsyncIterator[PostgresProxy]:
    """A proxy in front of this test's database. It can drop connections and hold back commits."""
    assert settings.database_url is not None
    async with postgres_proxy(settings.database_url.get_secret_value()) as proxy:
        yield proxy
