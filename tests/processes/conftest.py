"""What tests of processes share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.currency_sql import load_currencies
from app.settings import Settings
from tests.bank import Bank, make_ledger
from tests.live_world import world

__all__ = ["world"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with the mode that a careful root gives to all of its own."""
    parent = Path(tempfile.mkdtemp(prefix="paycore-test-"))
    assert parent.stat().st_mode & 0o777 == 0o700
    yield parent / "home"
    shutil.rmtree(parent)


@pytest.fixture
async def bank(engine: AsyncEngine, settings: Settings) -> AsyncIterator[Bank]:
    """Who opens wallets and fills them, beside the processes."""
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, settings, currencies)
    await ledger.start()
    yield Bank(engine, ledger, currencies)
    await ledger.stop()
