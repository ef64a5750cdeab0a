"""A synchronous standby that does not confirm: commits that wait for it are not visible, and are not lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.clock import system_clock
from app.db.currency_sql import load_currencies
from app.db.engine import create_engine
from app.db.pool import Database
from app.errors import RequestTimeout, Unavailable
from app.records import WalletStatus
from app.services.wallets import OpenWalletInput, open_wallet, set_wallet_status
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key
from tests.servers import Servers
from tests.standby import Standby, synchronous_standby

_HASTY = {"request_timeout_seconds": 1.5, "statement_timeout_ms": 1000, "lock_timeout_ms": 100}


@pytest.fixture
async def standby(servers: Servers, tmp_path: Path) -> AsyncIterator[Standby]:
    directory = tmp_path / "wal"
    directory.mkdir()
    async with synchronous_standby(servers, directory) as standby:
        yield standby


@pytest.fixture
async def hasty(engine: Database, settings: Settings, standby: Standby) -> AsyncIterator[Bank]:
    """A bank with short timeouts. Its reads use another pool."""
    quick = settings.model_copy(update=_HASTY)
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, quick, currencies)
    await ledger.start()
    yield Bank(engine, ledger, currencies)
    standby.thaw()
    await ledger.stop()


@pytest.fixture
async def hasty_engine(settings: Settings) -> AsyncIterator[Database]:
    engine = create_engine(settings.model_copy(update=_HASTY))
    yield engine
    await engine.dispose()


async def pays_in_the_end(bank: Bank, *terms: object) -> bool:
    """Send the same key until the outcome is known. Returns whether it was a replay."""
    async with asyncio.timeout(30):
        while True:
            try:
                result = await bank.pay(*terms)  # type: ignore[arg-type]
            except (RequestTimeout, Unavailable):
                await asyncio.sleep(0.1)
            else:
                assert not result.refusals
                return result.replayed


async def test_a_transfer_whose_commit_waits_for_a_standby_is_invisible_and_settles_once(hasty: Bank, standby: Standby) -> None:
    alice, bob = await hasty.viewer("alice"), await hasty.viewer("bob")
    a, b, key = await hasty.wallet(alice, balance="9.00"), await hasty.wallet(bob), new_key()
    standby.freeze()
    with pytest.raises(RequestTimeout):
        await hasty.pay(alice, a, b, "1.00", key)
    # The settler keeps trying, in each of its ways.
    for _ in range(2):
        with pytest.raises((RequestTimeout, Unavailable)):
            await hasty.pay(alice, a, b, "1.00", key)
    assert await hasty.balance(b) == 0
    assert await hasty.count("transactions WHERE type = 'TRANSFER'") == 0
    assert await standby.commits_waiting() >= 1
    standby.thaw()
    await pays_in_the_end(hasty, alice, a, b, "1.00", key)
    assert (await hasty.balance(a), await hasty.balance(b)) == (800, 100)


async def test_transfers_that_wait_for_a_standby_use_few_connections(hasty: Bank, standby: Standby) -> None:
    alice = await hasty.viewer("alice")
    pairs = [(await hasty.wallet(alice, balance="9.00"), await hasty.wallet(alice)) for _ in range(6)]
    standby.freeze()
    for payer, receiver in pairs:
        with pytest.raises(RequestTimeout):
            await hasty.pay(alice, payer, receiver, "1.00")
    assert 1 <= await standby.commits_waiting() <= 3
    standby.thaw()
    await pays_in_the_end(hasty, alice, *pairs[0], "1.00", new_key())


async def test_a_new_wallet_whose_commit_waits_is_invisible_and_is_created_once(
    hasty: Bank, hasty_engine: Database, standby: Standby
) -> None:
    alice = await hasty.viewer("alice")
    opening = OpenWalletInput(new_key(), "USD", "Mine")
    standby.freeze()
    with pytest.raises(RequestTimeout):
        await open_wallet(hasty_engine, alice, opening, hasty.currencies, system_clock, most=10)
    assert await hasty.count("wallets WHERE kind = 'USER'") == 0
    standby.thaw()
    again = await open_wallet(hasty.engine, alice, opening, hasty.currencies, system_clock, most=10)
    assert again.wallet is not None
    assert await hasty.count("wallets WHERE kind = 'USER'") == 1


async def test_a_cancelled_caller_does_not_end_the_wait_for_a_standby(hasty: Bank, engine: Database, standby: Standby) -> None:
    alice, admin = await hasty.viewer("alice"), await hasty.viewer("admin", admin=True)
    wallet = await hasty.wallet(alice)
    standby.freeze()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await set_wallet_status(engine, admin, wallet, WalletStatus.FROZEN, "a test", clock=system_clock)
    await asyncio.sleep(0.3)  # a cancel request would have arrived by now
    assert await hasty.count("wallets WHERE status = 'FROZEN'") == 0
    assert await standby.commits_waiting() == 1
