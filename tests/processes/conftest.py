"""Fixtures of the process tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.db.currency_sql import load_currencies
from app.db.pool import Database
from app.settings import Settings
from tests.bank import Bank, make_ledger
from tests.live_world import world
from tests.service_processes import SharedServices

__all__ = ["world"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A home in a directory of mode 0700, which another user cannot enter."""
    parent = Path(tempfile.mkdtemp(prefix="paycore-test-"))
    assert parent.stat().st_mode & 0o777 == 0o700
    yield parent / "home"
    shutil.rmtree(parent)


@pytest.fixture
async def bank(engine: Database, settings: Settings) -> AsyncIterator[Bank]:
    """A bank that opens and fills wallets in the test's own process."""
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, settings, currencies)
    await ledger.start()
    yield Bank(engine, ledger, currencies)
    await ledger.stop()


@pytest.fixture(scope="module")
def shared(module_settings: Settings) -> Iterator[SharedServices]:
    """Services that the tests of a file share, for tests that leave them as they found them."""
    services = SharedServices(module_settings)
    yield services
    services.close()
